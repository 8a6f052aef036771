"""Decoding alone: every frame of a video as an RGB uint8 array, in order, by several libraries.

    python benchmarks/decoding.py                   # a rendered 960x540 H.264 clip, and a folder of 210x260 PNGs
    python benchmarks/decoding.py clips/*.mp4       # files of your own

Each reader goes through the same files in turn, ROUNDS times; its best time counts. Two figures each: frames a second
of wall time, and of processor time, which is what counts where every core has its own worker. "2 threads" decode;
conversion to RGB has one unless said otherwise. torchcodec is measured where it can be imported and finds FFmpeg's
shared libraries, which its wheel does not hold; it is no dependency of the project.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import av
import cv2
import decord
import numpy as np

from seds import video
from seds.config import load_params
from seds.demo.corpus import plan, render_take, write_video

Reader = Callable[[Path], Iterator[np.ndarray]]
ROUNDS = 10


def by_pyav(path: Path, kind: str, threads: int, converting: int) -> Iterator[np.ndarray]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = kind, threads
        for frame in container.decode(stream):
            yield np.ascontiguousarray(frame.to_ndarray(format="rgb24", threads=converting))


def by_opencv(path: Path, threads: int) -> Iterator[np.ndarray]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, threads])
    while True:
        there, image = capture.read()
        if not there:
            return
        yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def by_decord(path: Path, threads: int) -> Iterator[np.ndarray]:
    for image in decord.VideoReader(str(path), num_threads=threads):
        yield image.asnumpy()


def by_torchcodec(path: Path, threads: int) -> Iterator[np.ndarray]:
    from torchcodec.decoders import VideoDecoder

    for image in VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=threads, seek_mode="approximate"):
        yield image.numpy()


def images_by_opencv(folder: Path) -> Iterator[np.ndarray]:
    for file in video.frame_files(folder):
        yield cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)


OF_FILES: dict[str, Reader] = {
    "seds.video (PyAV, 1 thread)": video.frames,
    "PyAV, 1 thread, AUTO": partial(by_pyav, kind="AUTO", threads=1, converting=1),
    "PyAV, 1 thread, converter's own": partial(by_pyav, kind="NONE", threads=1, converting=0),
    "OpenCV, 1 thread": partial(by_opencv, threads=1),
    "decord, 1 thread": partial(by_decord, threads=1),
    "torchcodec, 1 thread": partial(by_torchcodec, threads=1),
    "PyAV, 2 threads, AUTO": partial(by_pyav, kind="AUTO", threads=2, converting=1),
    "OpenCV, 2 threads": partial(by_opencv, threads=2),
    "decord, 2 threads": partial(by_decord, threads=2),
    "torchcodec, 2 threads": partial(by_torchcodec, threads=2),
}
OF_FOLDERS: dict[str, Reader] = {"seds.video (Pillow)": video.frames, "OpenCV": images_by_opencv}


def compare(readers: dict[str, Reader], paths: Sequence[Path]) -> None:
    best: dict[str, tuple[float, float]] = {}
    counts: dict[str, int] = {}
    failed: dict[str, str] = {}
    for _ in range(ROUNDS):
        for name, read in readers.items():
            if name in failed:
                continue
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                counts[name] = sum(1 for path in paths for _ in read(path))
            except (ImportError, RuntimeError) as error:  # how an optional library says that it, or FFmpeg, is missing
                failed[name] = str(error).strip().splitlines()[0]
                continue
            spent = time.perf_counter() - wall, time.process_time() - cpu
            best[name] = tuple(map(min, best.get(name, spent), spent))
    for name in readers:
        if name in failed:
            print(f"  {name:<34}{failed[name]}")
        else:
            wall, cpu = best[name]
            print(f"  {name:<34}{counts[name]:>6} frames{counts[name] / wall:>8.0f}/s{counts[name] / cpu:>8.0f}/cpu s")


def main(paths: Sequence[Path]) -> None:
    cv2.setNumThreads(1)
    if paths:
        print(f"{len(paths)} of your files")
        compare(OF_FILES, paths)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frames, _, _ = render_take(plan(load_params().render)[0], fps=25, size=540)
        wide = [np.pad(frame, ((0, 0), (210, 210), (0, 0)), mode="edge") for frame in frames]
        write_video(folder / "clip.mp4", wide, fps=25)
        print(f"{len(wide)} frames of 960x540, H.264")
        compare(OF_FILES, [folder / "clip.mp4"])
        images = folder / "images"
        images.mkdir()
        for i, frame in enumerate(frames, start=1):
            small = cv2.resize(frame, (210, 260), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(images / f"images{i:04d}.png"), cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        print(f"{len(frames)} PNG files of 210x260")
        compare(OF_FOLDERS, [images])


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
