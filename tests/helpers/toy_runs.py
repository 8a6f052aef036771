"""Runs of the engine over files that say what is to happen (toy_extractor)."""

import hashlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pandas as pd

from helpers.toy_extractor import Toy
from seds import tables
from seds.engine.executors import Executor, LocalExecutor
from seds.engine.run import extract
from seds.extraction.extractor import Extractor, ExtractorSpec
from seds.system.jobs import JobShare


def write_videos(folder: Path, names: Iterable[str]) -> pd.DataFrame:
    """A file for each name, whose words are its content, "missing" ones left out; their VIDEOS table."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in names:
        path, words, number = folder / f"{name}.mp4", name.replace("-", " "), int(name.split("-")[0])
        if "missing" not in words:
            path.write_text(words)
        rows.append(
            {
                "video_id": name, "sentence_id": name, "split": "train", "text": "a", "text_original": "a",
                "language": "en", "signer": "", "path": str(path), "start_s": None, "end_s": None, "bbox": "",
                "dataset": "toy", "frames": 3 + number, "fps": 25.0, "width": 8, "height": 8,
                "sha256": hashlib.sha256(words.encode()).hexdigest(),
                "status": "missing" if "missing" in words else "ok", "detail": "",
            }
        )  # fmt: skip
    return tables.check(pd.DataFrame(rows, columns=list(tables.VIDEOS.columns)), tables.VIDEOS, "toy")


def run_toy(
    folder: Path,
    *names: str,
    output: str = "out",
    make_extractor: Callable[[str], Extractor] | None = None,
    executor: Executor | None = None,
    job: JobShare | None = None,
    settings: dict[str, str] | None = None,
) -> pd.DataFrame:
    """Extract toy videos: `folder`/videos -> `folder`/<output>, parts in `folder`/work, what was begun in /log."""
    make_extractor = make_extractor or partial(Toy, folder / "log")
    return extract(
        ExtractorSpec("pose", settings or {"estimator": "toy"}, make_extractor, "cpu"),
        write_videos(folder / "videos", names),
        output=folder / output,
        scratch=folder / "work",
        shard_videos=2,
        executor=executor or LocalExecutor(["cpu", "cpu"]),
        job=job,
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def parts(folder: Path) -> dict[Path, tuple[int, int]]:
    """The parts that have landed below a folder, with what changes when one is written again."""
    found = folder.glob("work/*/*/parts/*/*.safetensors")
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}
