"""How fast tables of videos are read, as a CSV and as spreadsheets have them, and in how much memory.

Makes a table of so many rows in each format, and reads it as a corpus `folder` in a process of its own.

    python benchmarks/annotation_tables.py --folder /tmp/tables [--rows 10000 100000]

The folder is removed at the end.

Found, in seconds of a processor, memory beyond that of the imports; a row of a corpus's table takes 2.6 kB, whatever it
is read from:
    .csv     10,000 rows    0.5 s   19,534 per s    32 MB
    .csv    100,000 rows    5.6 s   17,849 per s   263 MB
    .xlsx    10,000 rows    1.3 s    7,418 per s    31 MB
    .xlsx   100,000 rows   13.0 s    7,664 per s   266 MB
    .ods     10,000 rows    0.7 s   13,893 per s    32 MB
    .ods    100,000 rows    8.0 s   12,505 per s   260 MB
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import openpyxl

from seds.config import Dataset
from seds.corpora.readers import reader

HEADER = ("path", "text", "signer", "start_s", "end_s")


def rows(count: int) -> Iterator[tuple[str, str, str, float, float]]:
    for i in range(count):
        yield f"clips/{i}.mp4", f"Sentence number {i} of a table.", f"signer {i % 50}", i * 2.5, i * 2.5 + 2


def write_csv(file: Path, count: int) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([HEADER, *rows(count)])


def write_xlsx(file: Path, count: int) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in (HEADER, *rows(count)):
        sheet.append(row)
    book.save(file)


def write_ods(file: Path, count: int) -> None:
    def cell(value: str | float) -> str:
        if isinstance(value, str):
            return f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'
        return f'<table:table-cell office:value-type="float" office:value="{value}"/>'

    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    lines = (f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in (HEADER, *rows(count)))
    content = (
        f"<office:document-content {spaces}><office:body><office:spreadsheet><table:table table:name='a'>"
        f"{''.join(lines)}</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("content.xml", content)


MAKERS: dict[str, Callable[[Path, int], None]] = {".csv": write_csv, ".xlsx": write_xlsx, ".ods": write_ods}


def peak_kb() -> int:
    """Of this program alone: what getrusage says begins with the memory of the process that started it."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])  # type: ignore[index]


def measure(folder: Path) -> None:
    """Print rows, seconds of the processor, and peak memory beyond that of the imports, MB."""
    before, start = peak_kb(), time.process_time()
    count = len(reader("folder")(folder, Dataset(corpus="folder")))
    seconds = time.process_time() - start
    memory = (peak_kb() - before) / 1024
    print(f"{count:8,} rows {seconds:6.1f} s {count / seconds:8,.0f} per s {memory:5.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.folder)
        return
    try:
        for suffix, make in MAKERS.items():
            for count in arguments.rows:
                folder = arguments.folder / f"{suffix[1:]}-{count}"
                folder.mkdir(parents=True)
                make(folder / f"videos{suffix}", count)
                print(f"{suffix:6}", end=" ", flush=True)
                subprocess.run([sys.executable, __file__, "--folder", str(folder), "--measure"], check=True)
    finally:
        shutil.rmtree(arguments.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
