"""What the extraction's ways of computing save, each measured against the plain way in one run.

    python benchmarks/extraction_speed.py mmpose     batches against mmpose's own inference_topdown
    python benchmarks/extraction_speed.py i3d        one pass against decoding and running each window
    python benchmarks/extraction_speed.py shared     the I3D's first layers once for windows that overlap
    python benchmarks/extraction_speed.py compile    the I3D with torch.compile against without
    python benchmarks/extraction_speed.py workers --frames 1000     MediaPipe by 2 processes against 1

The two ways take turns, and each one's best round counts, so that a machine busy otherwise does least harm; what they
compute is compared too. The video is a rendered signer at 960x540, a few seconds long. `--profile published` takes the
paper's networks (RTMW-l at 384x288, I3D of full width at 224 px with a window every frame) in place of small ones,
`--device cuda` a GPU. Weights are random: time does not depend on them.

Both have one thread, as a worker of the stages has. Found on two cores; the first three while these had other work:
    mmpose      389 ms a frame by itself, 222 in batches; 1.8 times as fast, keypoints equal
    i3d         312 ms a window by itself, 98 in one pass; 3.2 times as fast. published: 1098 and 772, 1.4 times
    compile     1.06 times as fast after 92 s of compiling, hence off by default
    workers     1,021 frames, ms each: 56.8 by one process on one core, 43.6 by one on two, 32.3 by two (1.76 and 1.35)
The I3D's features differ by 5e-6 of the largest, small and published, before they are rounded to float16.
A worker of MediaPipe is a process on a core of its own; one that may use two keeps 1.4 of them busy, and two processes
can be no more than 1.43 times as fast as that.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from seds.system.threads import ONE_THREAD

os.environ.update(ONE_THREAD)  # before torch is loaded: as in each worker of the stages

import cv2
import numpy as np
import torch

from seds import tables
from seds.config import MmposeProfile, RgbProfile, load_params
from seds.corpora.prepare import prepare
from seds.demo import corpus
from seds.engine.executors import LocalExecutor
from seds.engine.run import extract
from seds.extraction.extractor import Video
from seds.extraction.openmmlab import fill_import_gaps
from seds.pose import estimators
from seds.rgb.extractor import RgbExtractor, crop_middle, make_extractor, resize_to_square
from seds.rgb.windows import rgb_windows
from seds.video import frames

FPS = 25.0
CONFIGS = {
    "small": "rtmpose-m_8xb64-270e_coco-wholebody-256x192",
    "published": "rtmw-l_8xb320-270e_cocktail14-384x288",
}


def render(folder: Path, length: int) -> Video:
    """`length` frames of a demo signer, 960x540."""
    render = load_params().render
    takes = (corpus.render_take(take, FPS, 540)[0] for take in corpus.plan(render))
    signed = itertools.islice(itertools.chain.from_iterable(takes), length)
    images = [cv2.copyMakeBorder(image, 0, 0, 210, 210, cv2.BORDER_REPLICATE) for image in signed]
    corpus.write_video(folder / "signer.mp4", images, FPS)
    return Video("signer", str(folder / "signer.mp4"), None, None, length, FPS, 960, 540, "")


def mmpose(folder: Path, options: argparse.Namespace) -> tuple[dict[str, Callable[[], np.ndarray]], int]:
    fill_import_gaps()
    from mmengine import Config
    from mmpose.apis import inference_topdown, init_model

    from seds.pose.mmpose_weights import config_path

    config = Config.fromfile(config_path(CONFIGS[options.profile]))
    config.model.backbone.init_cfg = None
    config.model.backbone._scope_ = "mmpose"
    model = init_model(config, device="cpu")
    generator = torch.Generator().manual_seed(0)
    for weight in (p for p in model.parameters() if p.dim() > 1):  # as large as keeps the signal's size, layer by layer
        weight.data.normal_(0, (2 / weight[0].numel()) ** 0.5, generator=generator)
    torch.save(model.state_dict(), folder / "weights.pth")
    model.to(options.device)
    profile = MmposeProfile(
        estimator="mmpose",
        config=CONFIGS[options.profile],
        weights=str(folder / "weights.pth"),
        weights_sha256=None,
        precision="float32",
        compile=False,
    )
    ours = estimators.extractor_spec(profile, options.device).make()
    video = render(folder, options.frames)

    def frame_by_frame() -> np.ndarray:
        people = (inference_topdown(model, image[..., ::-1])[0].pred_instances for image in frames(video.path))
        return np.stack([person.keypoints[0] for person in people])

    return {
        "frame by frame": frame_by_frame,
        "batches": lambda: ours(video).tensors["keypoints"][..., :2],
    }, options.frames


class Unrounded(RgbExtractor):
    """The extractor before its last step, rounding to float16, which would hide what the two ways differ by."""

    def rows(self, pooled: torch.Tensor) -> torch.Tensor:
        return pooled


def i3d(folder: Path, options: argparse.Namespace) -> tuple[dict[str, Callable[[], np.ndarray]], int]:
    profile, window, video = rgb_profile(options), load_params().rgb.window, render(folder, options.frames)
    ours = Unrounded(make_extractor(profile, window, None, options.device).recognizers, profile, window, options.device)
    starts = ours(video).tensors["starts"].tolist()

    def alone(start: int) -> torch.Tensor:
        cut = frames(video.path, start / FPS, (start + window) / FPS)
        squares = (torch.from_numpy(resize_to_square(frame, profile.size)).to(options.device) for frame in cut)
        return ours.features([[crop_middle(square, profile.crop) for square in squares]]).cpu()

    return {
        "each window by itself": lambda: torch.cat([alone(start) for start in starts]).numpy(),
        "one pass": lambda: ours(video).tensors["features"],
    }, len(starts)


def shared(folder: Path, options: argparse.Namespace) -> tuple[dict[str, Callable[[], np.ndarray]], int]:
    """Every frame's window, whatever the profile's stride: first layers for each by itself, and shared."""
    profile, window, video = rgb_profile(options), load_params().rgb.window, render(folder, options.frames)
    profile = profile.model_copy(update={"stride": 1})
    made = make_extractor(profile, window, None, options.device)
    ways = {}
    for way, shares in {"each window's own": False, "shared": True}.items():
        extractor = Unrounded(made.recognizers, profile, window, options.device)
        extractor.shares = shares
        ways[way] = partial(_features, extractor, video)
    return ways, len(rgb_windows(options.frames, window, 1))


def _features(extractor: RgbExtractor, video: Video) -> np.ndarray:
    return extractor(video).tensors["features"]


def compiled(folder: Path, options: argparse.Namespace) -> tuple[dict[str, Callable[[], np.ndarray]], int]:
    profile, window, video = rgb_profile(options), load_params().rgb.window, render(folder, options.frames)
    plain = make_extractor(profile, window, None, options.device)
    faster = make_extractor(profile.model_copy(update={"compile": True}), window, None, options.device)
    count = len(plain(video).tensors["starts"])
    start = time.perf_counter()
    faster(video)
    print(f"compiled within {time.perf_counter() - start:.0f} s")
    return {
        "as it is": lambda: plain(video).tensors["features"],
        "compiled": lambda: faster(video).tensors["features"],
    }, count


def workers(folder: Path, options: argparse.Namespace) -> tuple[dict[str, Callable[[], np.ndarray]], int]:
    """Through the engine, on a demo corpus of `frames` frames or a little more; starting the processes counts.

    Two processes on two cores, one on one core, and one that may use two: MediaPipe has threads of its own, which keep
    1.4 cores busy, so that a second process wins less against the latter.
    """
    sentences = {"train_sentences": max(2, options.frames // 30), "dev_sentences": 1, "test_sentences": 1}
    render = load_params().render.model_copy(update=sentences)
    root = folder / "demo"
    corpus.write_corpus(render, root)
    videos = prepare("demo", load_params().dataset("demo"), root, workers=1)
    videos = videos[videos["frames"].cumsum() - videos["frames"] < options.frames]
    spec = estimators.extractor_spec(load_params().pose.small, "cpu")
    scratches = itertools.count()

    def by(count: int, cores: int) -> np.ndarray:
        output = folder / f"output-{next(scratches)}"
        allowed = os.sched_getaffinity(0)
        os.sched_setaffinity(0, sorted(allowed)[:cores])  # the worker processes inherit it
        try:
            extract(
                spec,
                tables.check(videos, tables.VIDEOS, "benchmark"),
                output=output,
                scratch=output / "scratch",
                shard_videos=1000,
                executor=LocalExecutor(["cpu"] * count),
            )
        finally:
            os.sched_setaffinity(0, allowed)
        return np.frombuffer((output / "shard-00000.safetensors").read_bytes(), np.uint8)

    ways = {"1 on 1 core": (1, 1), "1 on 2 cores": (1, 2), "2 on 2 cores": (2, 2)}
    return {way: partial(by, *numbers) for way, numbers in ways.items()}, int(videos["frames"].sum())


def rgb_profile(options: argparse.Namespace) -> RgbProfile:
    return getattr(load_params().rgb, options.profile).model_copy(update={"weights": None}).on(options.device)


def main() -> None:
    parser = argparse.ArgumentParser()
    measured = {"mmpose": mmpose, "i3d": i3d, "shared": shared, "compile": compiled, "workers": workers}
    parser.add_argument("what", choices=measured)
    parser.add_argument("--profile", choices=("small", "published"), default="small", help="of params.yaml")
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ways, items = measured[options.what](Path(folder), options)
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _, (way, run) in itertools.product(range(options.rounds), ways.items()):
            start = time.perf_counter()
            result = run().astype(np.float64)
            seconds[way].append(time.perf_counter() - start)
            if way == next(iter(ways)):
                reference = result
    unit = "frames" if options.what in ("mmpose", "workers") else "windows"
    print(f"{options.what}, {options.profile}, {options.device}, {items} {unit}")
    better = min(list(seconds.values())[-1])
    for way, rounds in seconds.items():
        best = min(rounds)
        print(
            f"  {way:22s} {1000 * best / items:8.1f} ms each; rounds in s: {[round(s, 1) for s in rounds]}; "
            f"the last way is {best / better:.2f} times as fast"
        )
    difference, largest = np.abs(result - reference).max(), np.abs(reference).max()
    print(f"  largest difference {difference:.2g}, {difference / largest:.2g} of the largest value, {largest:.3g}")


if __name__ == "__main__":
    main()
