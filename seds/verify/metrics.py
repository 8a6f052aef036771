"""Retrieval metrics, under the recorded system's rules and ours (SPEC 10: one rank a query, ties in the middle)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seds.evaluation import published_ranks
from seds.retrieval import ranks
from seds.retrieval.metrics import summarise
from seds.verify.arrays import Arrays, as_recorded
from seds.verify.comparison import Comparison, Note, Result, absolute, same

STREAMS = ("fusion", "pose", "rgb")
OURS = ("R@1", "R@5", "R@10", "MedR", "MeanR")  # in the recorded order
PERCENT = 1e-4  # limit: V2T passes through float32 percentages
SCORES = 1e-5  # limit of the matrix that T2V ranks


def metrics(recorded: Arrays) -> Iterator[Result]:
    for case in dict.fromkeys(name.rsplit("/", 1)[0] for name in recorded if name.endswith("/groups")):
        for stream in STREAMS:
            yield from as_recorded(f"{recorded.label}/{case}/{stream}", _ranked(recorded, case, stream))


def _ranked(recorded: Arrays, case: str, stream: str) -> Iterator[Result]:
    label = f"{recorded.label}/{case}/{stream}"
    scores, sentence_of = _scores(recorded, case, stream)
    ours = _ours(scores, sentence_of)
    if error := recorded.text(f"{case}/error", ""):
        yield Note(label, f"the release raises {error.split(':')[0]}; ours: {ours}")
        return
    yield from _t2v_as_released(recorded, f"{case}/{stream}", published_ranks.groups(scores, sentence_of))
    yield from _v2t_as_released(recorded, f"{case}/{stream}", scores, sentence_of)
    if isinstance(ours, str):
        yield Note(label, f"ours refuses in both directions, on purpose: {ours}; the release ranks what it can")
        return
    for direction in ("V2T", "T2V"):
        if f"{case}/{stream}/{direction}" in recorded:
            yield _ours_beside_release(
                recorded, f"{case}/{stream}/{direction}", ours[direction.lower()], scores, sentence_of
            )


def _scores(recorded: Arrays, case: str, stream: str) -> tuple[np.ndarray, np.ndarray]:
    """Mixed scores, float64 [videos, sentences], and each video's sentence, int64 [videos]."""
    videos = recorded.indices(f"{case}/groups", 0, np.iinfo(np.int32).max, "S").numpy()
    shape = (int(videos.sum()), len(videos))
    i2t, t2i = (recorded.numbers(f"{case}/{kind}_{stream}", *shape).astype(np.float64) for kind in ("I2T", "T2I"))
    mix = recorded.number(f"{case}/dual_mix")
    with np.errstate(invalid="ignore"):  # infinities of unlike signs make NaN
        return mix * i2t + (1 - mix) * t2i, np.repeat(np.arange(len(videos)), videos)


def _t2v_as_released(recorded: Arrays, key: str, grouped: np.ndarray) -> Iterator[Result]:
    label, case = f"{recorded.label}/{key}", key.rpartition("/")[0]
    if f"{key}/T2V_matrix" in recorded:
        yield absolute(f"{label}/T2V_matrix", grouped, recorded.numbers(f"{key}/T2V_matrix"), SCORES)

    def compared(grouped: np.ndarray) -> list[Comparison]:
        ranks0 = published_ranks.t2v_ranks(grouped)
        results = []
        if f"{key}/T2V_ranks0" in recorded:
            expected = recorded.numbers(f"{key}/T2V_ranks0")
            results.append(same(f"{label}/T2V_ranks0 (release's rule)", ranks0, expected))
        if f"{key}/T2V" in recorded and len(ranks0):
            values = [*_recalls(ranks0), np.median(ranks0) + 1, ranks0.mean() + 1]
            results.append(_as_released(recorded, f"{key}/T2V", values))
        if key.endswith("fusion") and f"{case}/returned_R1" in recorded and len(ranks0):
            returned = recorded.numbers(f"{case}/returned_R1").reshape(1)
            results.append(absolute(f"{label}/returned_R1", np.array(_recalls(ranks0)[:1]), returned, PERCENT))
        return results

    finite = np.isfinite(np.diag(grouped))
    readings = {"leaves them out": compared(grouped)}
    if not finite.all():
        readings["ranks them with what ties"] = compared(np.nan_to_num(grouped))
    yield from _closest(f"{label}/T2V", "texts", finite, readings)


def _v2t_as_released(recorded: Arrays, key: str, scores: np.ndarray, sentence_of: np.ndarray) -> Iterator[Result]:
    right = np.take_along_axis(scores, sentence_of[:, None], 1)
    if f"{key}/V2T" not in recorded or ((scores == right).sum(1) > 1).any():
        return  # among ties the release's order is that of an unstable sort

    def compared(scores: np.ndarray) -> list[Comparison]:
        ranks0 = published_ranks.v2t_ranks(scores, sentence_of)
        if not len(ranks0):
            return []
        middle = np.sort(ranks0)[(len(ranks0) - 1) // 2] + 1
        values = [*_recalls(ranks0), middle, ranks0.mean() + 1, ranks0.std()]
        return [_as_released(recorded, f"{key}/V2T", values)]

    finite = np.isfinite(right[:, 0])
    readings = {"leaves them out": compared(scores)}
    if not finite.all():
        largest = float(np.finfo(scores.dtype).max)
        readings["ranks NaN first"] = compared(np.nan_to_num(scores, nan=largest))
        several = (np.isnan(scores[~finite]).sum(1) > 1).any()
        if several and all(result.over for results in readings.values() for result in results):
            reason = "videos whose right score is NaN have others; the release orders them by an unstable sort"
            yield Note(f"{recorded.label}/{key}/V2T", f"not compared: {reason}")
            return
    yield from _closest(f"{recorded.label}/{key}/V2T", "videos", finite, readings)


def _closest(label: str, queries: str, finite: np.ndarray, readings: dict[str, list[Comparison]]) -> Iterator[Result]:
    """The reading of the release's rule that is nearest to the recording, and which it is where they differ.

    finite: bool [queries], whose right score is a number. Of others the rule says nothing.
    """
    name = min(readings, key=lambda name: max((result.error for result in readings[name]), default=np.inf))
    if not finite.all():
        count = f"{(~finite).sum()} of {len(finite)} {queries}"
        yield Note(label, f"the right score of {count} is NaN or infinite; the release {name}, ours refuses the matrix")
    yield from readings[name]


def _recalls(ranks0: np.ndarray) -> list[float]:
    return [100 * float((ranks0 < k).mean()) for k in published_ranks.CUTOFFS]


def _as_released(recorded: Arrays, key: str, values: list[float]) -> Comparison:
    expected = recorded.numbers(key, len(values))
    return absolute(f"{recorded.label}/{key} (release's rule)", np.array(values), expected, PERCENT)


def _ours(scores: np.ndarray, sentence_of: np.ndarray) -> dict[str, dict[str, float]] | str:
    """Metrics of both directions, or why there are none."""
    try:
        return {name: summarise(ranking.rank) for name, ranking in ranks.rank_both(scores, sentence_of).items()}
    except ValueError as error:
        return str(error)


def _ours_beside_release(
    recorded: Arrays, key: str, metrics: dict[str, float], scores: np.ndarray, sentence_of: np.ndarray
) -> Result:
    """Ours by our rule for ties. Where something ties, the two differ on purpose, which a note tells."""
    values, released = np.array([metrics[name] for name in OURS]), recorded.numbers(key, "M")[: len(OURS)]
    matrix, right = scores, sentence_of
    if key.endswith("T2V"):
        matrix = published_ranks.groups(scores, sentence_of)
        right = np.arange(len(matrix))
    if ((matrix == np.take_along_axis(matrix, right[:, None], 1)).sum(1) > 1).any():
        both = ", ".join(f"{a:.4g} (release {b:.4g})" for a, b in zip(values, released, strict=False))
        return Note(f"{recorded.label}/{key}", f"ties, ours R@1, 5, 10, MedR, MeanR: {both}")
    # The release's V2T takes the lower of two middle ranks for the median, as torch does.
    compared = [0, 1, 2, 4] if key.endswith("V2T") and len(matrix) % 2 == 0 else [0, 1, 2, 3, 4]
    return absolute(f"{recorded.label}/{key}", values[compared], released[compared], PERCENT)
