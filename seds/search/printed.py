"""What `seds search` prints: a table, JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict

from seds.messages import printable
from seds.search.answer import Alignment, Answer, SentenceHit, VideoHit

Hit = VideoHit | SentenceHit
_ID, _TEXT = 40, 100  # characters shown of an id and of a sentence
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of a formula


def table(hits: Sequence[Hit], alignments: Sequence[Alignment]) -> str:
    """A line per hit; below those that have an alignment, the moment of each word."""
    rows = [_row(hit) for hit in hits]
    columns = ("video", "time in file", "split") if isinstance(hits[0], VideoHit) else ("sentence", "videos")
    headings = ["", "score", *columns]
    widths = [max(map(len, column)) for column in zip(headings, *(row[:-1] for row in rows), strict=True)]
    lines = [_line([*headings, "text"], widths)]
    for i, row in enumerate(rows):
        lines.append(_line(row, widths))
        if i < len(alignments):
            lines += [f"{'':{widths[0]}}  {line}" for line in _moments(alignments[i])]
    return "\n".join(lines)


def as_json(query: dict[str, str], found: Answer, alignments: Sequence[Alignment]) -> str:
    """{"query", "stream", "reads", "warning", "results": [...]}; a result with an alignment has "moments"."""
    results = [asdict(hit) | {"score": round(hit.score, 4)} for hit in found.hits]
    for result, alignment in zip(results, alignments, strict=False):
        result["moments"] = _rounded_moments(alignment)
    about = {"query": query, "stream": found.stream, "reads": found.reads, "warning": found.warning}
    return json.dumps(about | {"results": results}, ensure_ascii=False, indent=2)


def as_csv(hits: Sequence[Hit], alignments: Sequence[Alignment] = (), without: Sequence[str] = ()) -> str:
    """The fields of the hits, a line each, below their names; of those with an alignment, a line per word.

    without: fields that are left out.

    The moment of a word is in seconds from the start of the cut, as in JSON. The ids of a sentence's videos are
    separated by blanks. A text that a spreadsheet would run as a formula begins with an apostrophe (as OWASP advises
    against CSV injection); JSON has it as it is.
    """
    rows = []
    for i, hit in enumerate(hits):
        fields = asdict(hit).items()
        row = {name: "" if value is None else value for name, value in fields if name not in without}
        row["score"] = round(hit.score, 4)
        if isinstance(hit, SentenceHit):
            row["video_ids"] = " ".join(hit.video_ids)
        moments = _rounded_moments(alignments[i]) if i < len(alignments) else []
        rows += [row | {f"word_{key}" if key != "word" else key: moment[key] for key in moment} for moment in moments]
        rows += [] if moments else [row]
    written = io.StringIO()
    writer = csv.DictWriter(written, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _no_formula(value) for name, value in row.items()} for row in rows)
    return written.getvalue()


def _no_formula(value: object) -> object:
    """Numbers stay what they are, negative ones too."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _rounded_moments(alignment: Alignment) -> list[dict[str, str | float]]:
    return [
        {
            "word": word,
            "start_s": round(moment.start_s, 3),
            "end_s": round(moment.end_s, 3),
            "score": round(moment.score, 4),
            "class_weight": round(float(whole), 4),
        }
        for word, moment, whole in zip(alignment.words, alignment.moments, alignment.class_weights, strict=True)
    ]


def _row(hit: Hit) -> list[str]:
    start = [str(hit.rank), f"{hit.score:.2f}"]
    if isinstance(hit, VideoHit):
        first = hit.start_s or 0.0
        time = f"{first:.2f}-{first + hit.duration_s:.2f} s"
        return [*start, printable(hit.video_id, _ID), time, hit.split, printable(hit.text, _TEXT)]
    return [*start, printable(hit.sentence_id, _ID), str(len(hit.video_ids)), printable(hit.text, _TEXT)]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    rank, score, *rest = cells
    left = [f"{rank:>{widths[0]}}", f"{score:>{widths[1]}}"]
    middle = [f"{cell:<{width}}" for cell, width in zip(rest[:-1], widths[2:], strict=True)]
    return "  ".join([*left, *middle, rest[-1]])


def _moments(alignment: Alignment) -> list[str]:
    """A line per word. Percentages are of the word's whole weight; the rest of it is on other windows."""
    moments = zip(alignment.words, alignment.moments, alignment.class_weights, strict=True)
    return [
        f"{moment.start_s:6.2f}-{moment.end_s:.2f} s  {printable(word, _ID)}  "
        f"({moment.score * (1 - whole):.0%} of its weight, {whole:.0%} on the video as a whole)"
        for word, moment, whole in moments
    ]
