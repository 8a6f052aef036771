"""Toy signs: squares that move in one of four ways, below a bar that blinks or is not there; videos, tables and
parameters of a corpus of them, which stage adapt learns in seconds.
"""

import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from helpers import shown
from seds import tables
from seds.corpora import headers
from seds.corpora.signs import no_signs

ROOT = Path(__file__).parents[2]
NAME = "toy"
SIDE, FPS = 64, 10
SIGNS = {"UP": (0, -1), "DOWN": (0, 1), "LEFT": (-1, 0), "RIGHT": (1, 0)}
LENGTH, PAUSE = 10, 4  # frames of a sign, and between two
MARKER = "question"


def signed(names: list[str], asked: bool, generator: np.random.Generator) -> np.ndarray:
    """uint8 [T,SIDE,SIDE,3]: the signs one after another, each in a place of its own; asked: with the bar."""
    wall = generator.integers(30, 90, 3)
    frames = []
    for name in names:
        middle = SIDE / 2 + generator.uniform(-4, 4, 2)
        for t in range(LENGTH + PAUSE):
            image = np.broadcast_to(wall, (SIDE, SIDE, 3)).astype(np.uint8).copy()
            x, y = (middle + np.array(SIGNS[name]) * (min(t, LENGTH) * 3 - 15)).round().astype(int)
            image[max(0, y - 6) : y + 6, max(0, x - 6) : x + 6] = 230
            if asked and t % 4 < 2:
                image[4:20] = 230
            frames.append(image)
    noise = generator.integers(-8, 8, (len(frames), SIDE, SIDE, 1))
    return np.clip(np.stack(frames) + noise, 0, 255).astype(np.uint8)


def write_video(path: Path, frames: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def write_corpus(root: Path, videos: dict[str, int], signs: bool = True) -> None:
    """`root`/data: so many videos of three signs in each split, and their tables; without `signs`, an empty one."""
    generator = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    timed: list[tuple[Any, ...]] = []
    for split, count in videos.items():
        for number in range(count):
            video_id, asked = f"{split}-{number}", bool(number % 2)
            names = [str(name) for name in generator.choice([*SIGNS], 3)]
            path = root / "data" / "raw" / NAME / f"{video_id}.mp4"
            write_video(path, signed(names, asked, generator))
            found = headers.read_headers([headers.File(str(path))])[0]
            rows.append(
                shown.row(video_id, path.relative_to(root).as_posix(), dataset=NAME, split=split, **vars(found))
            )
            step = LENGTH + PAUSE
            timed += [
                (video_id, i * step / FPS, (i * step + LENGTH) / FPS, tables.MANUAL, name)
                for i, name in enumerate(names)
            ]
            if asked:
                timed.append((video_id, 0.0, 3 * step / FPS, tables.NONMANUAL, MARKER))
    columns = ["video_id", "start_s", "end_s", "tier", "label"]
    table = pd.DataFrame(timed, columns=columns).assign(source="annotation", score=1.0) if signs else no_signs()
    tables.write(pd.DataFrame(rows), tables.VIDEOS, root / "data" / "videos" / f"{NAME}.parquet")
    tables.write(table, tables.SIGNS, root / "data" / "signs" / f"{NAME}.parquet")


def write_params(root: Path, corpus: str = "demo", rgb: dict[str, Any] | None = None, **adapt: Any) -> None:
    """`root`/params.yaml: a small network and a short training. rgb, adapt: what differs."""
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    params["machine"] |= {"device": "cpu", "workers": 2}
    params["datasets"] = {NAME: {"corpus": corpus, "profile": "small"}}
    params["rgb"]["small"] |= {"size": 64, "crop": 56, "width": 0.125} | (rgb or {})
    params["adapt"]["small"] |= {"epochs": 2, "batch": 6} | adapt
    root.mkdir(parents=True, exist_ok=True)
    YAML(typ="safe").dump(params, root / "params.yaml")


def copy_corpus(source: Path, root: Path) -> None:
    """The same corpus in another folder."""
    shutil.copytree(source / "data", root / "data")
