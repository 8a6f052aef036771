"""How fast subtitles and ELAN files are read, and in how much memory.

Makes 10,000 and 100,000 cues in each format, in one file and in files of 500, and as many annotations in ELAN files, in
which half of the tiers refer to others; reads each in a process of its own, and as rows of a corpus.

    python benchmarks/annotation_files.py --folder /tmp/annotation_files [--cues 10000 100000]

The folder is removed at the end.

Found, in seconds of a processor; what is read in files of 500 takes no memory that grows with their number, a row of a
corpus's table takes 3 kB:
    .vtt   one file      read  100,000    0.9 s   108,949 per s    58 MB
    .vtt   one file      rows  100,000    4.4 s    22,843 per s   269 MB
    .vtt   files of 500  read  100,000    0.9 s   113,636 per s     0 MB
    .vtt   files of 500  rows  100,000    4.2 s    23,640 per s   275 MB
    .ttml  one file      read  100,000    2.0 s    50,161 per s    16 MB
    .ttml  one file      rows  100,000    5.6 s    17,900 per s   263 MB
    .ttml  files of 500  read  100,000    1.9 s    51,318 per s     0 MB
    .ttml  files of 500  rows  100,000    5.5 s    18,323 per s   267 MB
    .eaf   one file      read  100,000    2.0 s    51,235 per s    65 MB
    .eaf   one file      rows   50,000    3.8 s    13,327 per s   139 MB
    .eaf   files of 500  read  100,000    1.4 s    72,756 per s     0 MB
    .eaf   files of 500  rows   50,000    3.4 s    14,570 per s   101 MB
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from seds.config import Dataset
from seds.corpora import eaf, subtitles
from seds.corpora.media import walk
from seds.corpora.readers import reader

BY_FILES = {"one file": None, "files of 500": 500}


def stamp(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def vtt(first: int, count: int) -> str:
    return "WEBVTT\n\n" + "".join(
        f"{stamp(2000 * i)} --> {stamp(2000 * i + 1500)}\nSentence number {i}.\n\n" for i in range(first, first + count)
    )


def ttml(first: int, count: int) -> str:
    cues = (
        f'<p begin="{stamp(2000 * i)}" end="{stamp(2000 * i + 1500)}">Sentence number {i}.</p>\n'
        for i in range(first, first + count)
    )
    return f'<tt xmlns="http://www.w3.org/ns/ttml"><body><div>\n{"".join(cues)}</div></body></tt>'


def elan(first: int, count: int) -> str:
    """Half as many sentences, and a reference to each."""
    numbers = range(first, first + count // 2)
    slots = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="t{i}{end}" TIME_VALUE="{2000 * (i - first) + 1500 * end}"/>\n'
        for i in numbers
        for end in (0, 1)
    )
    sentences = "".join(
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{i}" TIME_SLOT_REF1="t{i}0" TIME_SLOT_REF2="t{i}1">'
        f"<ANNOTATION_VALUE>{escape(f'Sentence number {i}.')}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>\n"
        for i in numbers
    )
    references = "".join(
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="r{i}" ANNOTATION_REF="a{i}">'
        "<ANNOTATION_VALUE>X</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>\n"
        for i in numbers
    )
    return (
        f'<ANNOTATION_DOCUMENT><HEADER/><TIME_ORDER>{slots}</TIME_ORDER><TIER TIER_ID="text">{sentences}</TIER>'
        f'<TIER TIER_ID="other" PARENT_REF="text">{references}</TIER></ANNOTATION_DOCUMENT>'
    )


MAKERS: dict[str, Callable[[int, int], str]] = {".vtt": vtt, ".ttml": ttml, ".eaf": elan}


def make(folder: Path, suffix: str, cues: int, size: int | None) -> None:
    folder.mkdir(parents=True)
    for number, first in enumerate(range(0, cues, size or cues)):
        (folder / f"{number}.mp4").touch()
        text = MAKERS[suffix](first, min(size or cues, cues - first))
        (folder / f"{number}{suffix}").write_text(text, encoding="utf-8")


def found(folder: Path) -> Iterator[object]:
    """Every cue or annotation of the files, one by one."""
    for path in walk(folder):
        if path.suffix == ".eaf":
            yield from (one for tier in eaf.read(folder / path).tiers for one in tier.annotations)
        elif path.suffix != ".mp4":
            yield from subtitles.read(folder / path)


def measure(folder: Path, what: str) -> None:
    """Print seconds of the processor, and peak memory beyond that of the imports, MB."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    if what == "read":
        count = sum(1 for _ in found(folder))
    else:
        corpus = "elan" if any(folder.glob("*.eaf")) else "subtitled"
        count = len(reader(corpus)(folder, Dataset(corpus=corpus, sentence_tiers="text")))
    seconds = time.process_time() - start
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{count:7,} {seconds:6.1f} s {count / seconds:9,.0f} per s {memory:5.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--cues", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--measure", choices=("read", "rows"))
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.folder, arguments.measure)
        return
    try:
        for suffix in MAKERS:
            for cues in arguments.cues:
                for name, size in BY_FILES.items():
                    folder = arguments.folder / f"{suffix[1:]}-{cues}-{size}"
                    make(folder, suffix, cues, size)
                    for what in ("read", "rows"):
                        print(f"{suffix:6} {name:13} {what:5}", end=" ", flush=True)
                        command = [sys.executable, __file__, "--folder", str(folder), "--measure", what]
                        subprocess.run(command, check=True)
    finally:
        shutil.rmtree(arguments.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
