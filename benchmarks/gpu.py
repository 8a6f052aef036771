"""Whether everything computes on this GPU what it computes on the CPU, and how fast: `make gpu`, in at most 8 minutes.

    python benchmarks/gpu.py                        published sizes, on the GPU
    python benchmarks/gpu.py --small --device cpu   small sizes, in about a minute; what the tests run

Run it from a checkout with PYTHONPATH set to it; neither the project nor corpora nor weights need to be there, and
nothing is downloaded. Weights are random. A check whose package is missing is skipped, and the package named; one that
there is no time for is named too. The exit code is 1 if anything differs from the CPU by more than its limit or fails.

    model       losses and gradients of a training step in micro-batches, against the whole batch on the CPU: float32
                by their size, bfloat16 by what bfloat16 errs on the CPU
    i3d, rtmw   features and keypoints of a rendered video, against the CPU
    training    a run of stage train that is killed and resumed, against one that is not
    search      exact scores and the best ten of a gallery, against the CPU
    speed       a training step of 128 videos in micro-batches and how long it waits for its batch; the I3D and RTMW-l;
                scoring 2,400 sentences against as many videos; and the peak of the GPU's memory in each

No GPU has run this yet.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import chdir, closing
from dataclasses import dataclass
from pathlib import Path

from seds.system.threads import sleep_soon

sleep_soon()  # before torch is loaded

import numpy as np
import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]
SECONDS = 8 * 60
LOSS, GRADIENT = 1e-3, 1e-2  # float32: relative errors
ROUNDING = 3.0  # how many times as much as on the CPU bfloat16 may err
FEATURES, HALF_FEATURES = 1e-3, 5e-2  # relative errors, float32 and float16
KEYPOINTS = 0.95  # share of joints within a pixel, float32: of random weights, the peaks are nearly level
WEIGHTS = 1e-2  # relative; on a CPU they are equal
SCORES = 1e-4


@dataclass(frozen=True)
class Row:
    """A line of the table. ok: None where nothing is compared."""

    check: str
    what: str
    found: str
    wanted: str = ""
    ok: bool | None = None


@dataclass(frozen=True)
class Options:
    device: torch.device
    small: bool
    ends: float  # of the clock


def within(check: str, what: str, found: float, limit: float) -> Row:
    return Row(check, what, f"{found:.2g}", f"at most {limit:.2g}", found <= limit)


def relative(found: Tensor | np.ndarray, expected: Tensor | np.ndarray) -> float:
    """The norm of the difference over that of the expected values."""
    a, b = (torch.as_tensor(values).detach().cpu().double().flatten() for values in (found, expected))
    return float((a - b).norm() / b.norm())


def model(options: Options) -> Iterator[Row]:
    from peak_memory import random_batch

    from seds.config import Losses
    from seds.model.initialisation import initialise
    from seds.model.seds import SEDS
    from seds.precision import autocast

    sizes = model_sizes(options).model_copy(update={"gcn_dropout": 0.0, "gcn_out_dropout": 0.0, "fusion_dropout": 0.0})
    videos, frames = (4, 24) if options.small else (4, 60)
    network = SEDS(sizes).train()
    initialise(network, torch.Generator().manual_seed(0))
    batch = random_batch(videos, frames, sizes, "cpu")

    def step(device: torch.device, precision: str, micro_batch: int | None) -> tuple[dict[str, float], Tensor]:
        network.to(device).zero_grad()
        network.set_activation_checkpointing(False, micro_batch)
        with autocast(device, precision):
            losses = network(batch.to(device), Losses())
        losses["total"].backward()
        gradients = [p.grad.detach().float().cpu().flatten() for p in network.parameters() if p.grad is not None]
        return {name: float(value.detach()) for name, value in losses.items()}, torch.cat(gradients)

    cpu = torch.device("cpu")
    losses, gradients = step(cpu, "float32", None)
    of_rounding = relative(step(cpu, "bfloat16", None)[1], gradients)
    found, own = step(options.device, "float32", videos // 2)
    error = max(abs(found[name] - value) / max(abs(value), 1e-3) for name, value in losses.items())
    yield within("model", "float32, losses", error, LOSS)
    yield within("model", "float32, gradients", relative(own, gradients), GRADIENT)
    found, own = step(options.device, "bfloat16", videos // 2)
    error = abs(found["total"] - losses["total"]) / abs(losses["total"])
    yield within("model", "bfloat16, loss", error, ROUNDING * max(of_rounding, LOSS))
    yield within("model", "bfloat16, gradients", relative(own, gradients), ROUNDING * max(of_rounding, GRADIENT))


def model_sizes(options: Options):
    from seds.config import load_params

    if options.small:
        from helpers.corpus import SIZES

        return SIZES
    return load_params(ROOT / "params.yaml").train.published.model


def i3d(options: Options) -> Iterator[Row]:
    from extraction_speed import render

    extractor, profile = i3d_on(torch.device("cpu"), options, "float32")
    with tempfile.TemporaryDirectory() as folder:
        video = render(Path(folder), 20 if options.small else 24)
        expected = extractor(video).tensors["features"].astype(np.float32)
        for precision, limit in (("float32", FEATURES), ("float16", HALF_FEATURES)):
            found = i3d_on(options.device, options, precision)[0](video).tensors["features"].astype(np.float32)
            yield within(
                "i3d", f"{precision}, {len(found)} windows at {profile.crop} px", relative(found, expected), limit
            )


def i3d_on(device: torch.device, options: Options, precision: str):
    """The extractor, with random weights, and its profile."""
    from seds.config import load_params
    from seds.rgb.extractor import make_extractor

    rgb = load_params(ROOT / "params.yaml").rgb
    settings = {"weights": None, "weights_sha256": None, "precision": precision}
    smaller = {"size": 64, "crop": 56, "width": 0.125, "stride": 1} if options.small else {}
    profile = rgb.published.model_copy(update=settings | smaller)
    return make_extractor(profile, rgb.window, None, str(device)), profile


def rtmw(options: Options) -> Iterator[Row]:
    images = signer_images(4 if options.small else 16)
    with tempfile.TemporaryDirectory() as folder:
        expected = keypoints(wholebody(Path(folder), torch.device("cpu"), options, "float32"), images)
        for precision in ("float32", "float16"):
            found = keypoints(wholebody(Path(folder), options.device, options, precision), images)
            share = float((np.abs(found[..., :2] - expected[..., :2]).max(-1) <= 1).mean())
            what, said = f"{precision}, joints within a pixel", f"{share:.1%}"
            if precision == "float32":
                yield Row("rtmw", what, said, f"at least {KEYPOINTS:.0%}", share >= KEYPOINTS)
            else:
                yield Row("rtmw", what, said)


def signer_images(count: int) -> list[np.ndarray]:
    from extraction_speed import render

    from seds.video import frames

    with tempfile.TemporaryDirectory() as folder:
        return list(frames(render(Path(folder), count).path))


def wholebody(folder: Path, device: torch.device, options: Options, precision: str):
    """The estimator with random weights, of RTMW-l, or of RTMPose-m where sizes are small."""
    from seds.extraction.openmmlab import fill_import_gaps

    fill_import_gaps()
    from extraction_speed import CONFIGS
    from mmengine import Config
    from mmpose.apis import init_model

    from seds.config import MmposeProfile
    from seds.pose.mmpose_weights import config_path
    from seds.pose.mmpose_wholebody import Wholebody

    name, weights = CONFIGS["small" if options.small else "published"], folder / "weights.pth"
    if not weights.exists():
        config = Config.fromfile(config_path(name))
        config.model.backbone.init_cfg = None
        config.model.backbone._scope_ = "mmpose"
        random = init_model(config, device="cpu")
        generator = torch.Generator().manual_seed(0)
        for weight in (p for p in random.parameters() if p.dim() > 1):
            weight.data.normal_(0, (2 / weight[0].numel()) ** 0.5, generator=generator)
        torch.save(random.state_dict(), weights)
    profile = MmposeProfile(
        estimator="mmpose",
        config=name,
        weights=str(weights),
        weights_sha256=None,
        precision=precision,
        compile=False,
    )
    return Wholebody(profile, weights, str(device))


def keypoints(estimator: Callable[..., np.ndarray], images: list[np.ndarray]) -> np.ndarray:
    height, width = images[0].shape[:2]
    return estimator(images, (0, 0, width, height))


def training(options: Options) -> Iterator[Row]:
    import dvclive  # noqa: F401  the stage needs it
    from helpers.killed_runs import BRIEF, kept
    from helpers.projects import write_project
    from safetensors.torch import load_file

    brief = {**BRIEF, "epochs": 4}
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        for project, minutes in ((whole, 10), (killed, 0)):
            write_project(project, minutes=minutes, **brief)
            params = project / "params.yaml"
            params.write_text(params.read_text().replace("device: cpu", f"device: {options.device.type}"))
        finish(whole)
        run = train(killed)
        while run.poll() is None and len(set(kept(killed).values())) < 1:
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
        died = run.wait() == -signal.SIGKILL
        yield Row("training", "killed after its first state", "yes" if died else "had ended", "yes", died)
        finish(killed)
        ours, expected = (load_file(project / "models/toy/seds.safetensors") for project in (killed, whole))
        weights = [torch.cat([values[name].float().flatten() for name in expected]) for values in (ours, expected)]
        limit = 0.0 if options.device.type == "cpu" else WEIGHTS
        yield within("training", "resumed, weights", relative(*weights), limit)


def train(project: Path) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    one_gpu = {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]}
    command = [sys.executable, "-m", "stages.train", "toy"]
    with (project / "log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=project, env=os.environ | {"PYTHONPATH": path} | one_gpu, stdout=log, stderr=log
        )


def finish(project: Path) -> None:
    if status := train(project).wait():
        raise RuntimeError(f"stage train ended with {status}: {(project / 'log').read_text().splitlines()[-1:]}")


def search(options: Options) -> Iterator[Row]:
    from seds.index.store import Sequences
    from seds.search.first_pass import Ranker
    from seds.search.ranking import Query, scores

    videos, windows, width = (200, 9, 32) if options.small else (10_000, 65, 512)
    generator = torch.Generator().manual_seed(0)
    tokens = nn.functional.normalize(torch.randn(videos * windows, width, generator=generator) + 0.5, dim=1)
    pooled = tokens.view(videos, windows, width).mean(1)
    offsets = torch.arange(videos + 1) * windows
    stored = Sequences(tokens.half(), pooled, offsets, torch.full((videos,), windows))
    words = nn.functional.normalize(torch.randn(12, width, generator=generator) + 0.5, dim=1)
    here, there = Query(words, 12), Query(words.to(options.device), 12)
    expected, found = (scores(query, stored, 0.5) for query in (here, there))
    yield within("search", f"scores of {videos:,} videos", float(np.abs(found - expected).max()), SCORES)
    best = [
        values[Ranker(stored, 0.5, 1, 100).best(query, 10)[0]]
        for query, values in ((here, expected), (there, expected))
    ]
    yield within("search", "the best ten", float(np.abs(best[0] - best[1]).max()), SCORES)


def training_speed(options: Options) -> Iterator[Row]:
    import loader

    from seds.config import load_params
    from seds.data.batches import feed
    from seds.data.split import load_split
    from seds.model.initialisation import initialise
    from seds.model.seds import SEDS
    from seds.precision import autocast
    from seds.training import optim

    settings = load_params(ROOT / "params.yaml").train
    profile, sizes = settings.published, model_sizes(options)
    batch_size, micro_batch, videos, steps = (8, 4, 24, 2) if options.small else (128, 16, 384, 6)
    sizes = sizes.model_copy(update={"rgb_features": 1024})  # of the made corpus
    network = SEDS(sizes)
    initialise(network, torch.Generator().manual_seed(0))
    network.to(options.device).train().set_activation_checkpointing(False, micro_batch)
    groups = optim.parameter_groups(network.clip_parameters(), network.other_parameters(), 1e-4, 0.1, 0.001)
    optimiser = optim.BertAdam(groups)
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        loader.make_corpus(Path("data"), videos)
        split = load_split(loader.NAME, "train", loader.RULES, sizes, "default", Path("data"))

        def batches() -> Iterator[tuple[np.ndarray, object]]:
            for seed in range(steps):
                yield from split.training_batches(batch_size, settings.swap, np.random.default_rng(seed))

        waits, times = [], []
        reset_peak(options)
        with closing(feed(batches(), options.device)) as made:
            for _ in range(steps):
                start = time.perf_counter()
                _, batch = next(made)
                waits.append(time.perf_counter() - start)
                optimiser.zero_grad()
                with autocast(options.device, profile.precision):
                    loss = network(batch, settings.losses)["total"]
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), settings.clip_norm)
                optimiser.step()
                wait_for(options)
                times.append(time.perf_counter() - start)
                if time.perf_counter() + times[-1] > options.ends:
                    break
    step, waited = (float(np.median(values[1:] or values)) for values in (times, waits))  # the first one warms up
    what = f"batch {batch_size}, micro-batch {micro_batch}, {profile.precision}"
    yield Row("speed", f"training, {what}", f"{batch_size / step:.1f} samples/s")
    yield Row("speed", "training, waiting for a batch", f"{1000 * waited:.1f} ms, {waited / step:.1%} of a step")
    yield Row("speed", "training, peak memory", peak(options))


def i3d_speed(options: Options) -> Iterator[Row]:
    """The whole path, decoding included."""
    from extraction_speed import render

    count = 24 if options.small else 400
    with tempfile.TemporaryDirectory() as folder:
        video = render(Path(folder), count)
        precision = "float16" if options.device.type == "cuda" else "float32"
        reset_peak(options)
        extractor, _ = i3d_on(options.device, options, precision)
        seconds = clocked(lambda: extractor(video), options)
    what = f"I3D, a window a frame, {precision}, batch {extractor.batches.size}"
    yield Row("speed", what, f"{count / seconds:.1f} frames/s")
    yield Row("speed", "I3D, peak memory", peak(options))


def rtmw_speed(options: Options) -> Iterator[Row]:
    images = signer_images(6 if options.small else 256)
    precision = "float16" if options.device.type == "cuda" else "float32"
    reset_peak(options)
    with tempfile.TemporaryDirectory() as folder:
        estimator = wholebody(Path(folder), options.device, options, precision)
        seconds = clocked(lambda: keypoints(estimator, images), options)
    name = "RTMPose-m" if options.small else "RTMW-l"
    yield Row("speed", f"{name}, {precision}, batch {estimator._batches.size}", f"{len(images) / seconds:.1f} frames/s")
    yield Row("speed", f"{name}, peak memory", peak(options))


@torch.inference_mode()
def scoring_speed(options: Options) -> Iterator[Row]:
    from scoring import SIZES, Inputs

    from seds.model.encoding import VIDEO_BATCH
    from seds.model.seds import fusion_of
    from seds.model.similarity import Tokens
    from seds.retrieval.scoring import Sentences

    count = 40 if options.small else 2400
    inputs, fusion = Inputs(count, "full"), fusion_of(SIZES).eval().to(options.device)
    reset_peak(options)
    sentences, spent = Sentences(inputs.sentences(), False, options.device), 0.0
    for at in range(0, count, VIDEO_BATCH):
        pose, rgb, valid = (tensor.to(options.device) for tensor in inputs.streams(at))
        start = time.perf_counter()
        for values in (fusion(pose, rgb, valid, False), pose, rgb):
            sentences.scores(Tokens(values, valid)).cpu()
        spent += time.perf_counter() - start
    yield Row("speed", f"scoring {count:,} x {count:,}, three streams", f"{spent:.1f} s")
    yield Row("speed", "scoring, peak memory", peak(options))


def clocked(run: Callable[[], object], options: Options) -> float:
    """Seconds of the second run; of the first where time is short."""
    for _ in range(2):
        wait_for(options)
        start = time.perf_counter()
        run()
        wait_for(options)
        spent = time.perf_counter() - start
        if time.perf_counter() + spent > options.ends:
            break
    return spent


def wait_for(options: Options) -> None:
    if options.device.type == "cuda":
        torch.cuda.synchronize()


def reset_peak(options: Options) -> None:
    if options.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak(options: Options) -> str:
    """Of the GPU's memory since `reset_peak`; of this process on a CPU."""
    if options.device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GB"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB, the process"


CHECKS = (model, i3d, rtmw, training, search, training_speed, i3d_speed, rtmw_speed, scoring_speed)


def rows_of(check: Callable[[Options], Iterator[Row]], options: Options) -> Iterator[Row]:
    """The rows of a check, or one that says why there are none. Compares in full float32, without TF32."""
    exact = not check.__name__.endswith("speed")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = not exact
    if time.perf_counter() > options.ends:
        yield Row(check.__name__, "", "not run: no time left")
        return
    try:
        yield from check(options)
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        ours = missing in ("", "seds", "stages", "helpers")
        yield Row(
            check.__name__,
            "",
            f"skipped: {missing} is not installed" if not ours else str(error),
            "",
            False if ours else None,
        )
    except Exception as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        yield Row(check.__name__, "", f"{type(error).__name__}: {lines[0]}", "", False)


def table(rows: list[Row]) -> str:
    said = {True: "ok", False: "MISMATCH", None: ""}
    cells = [("check", "what", "found", "wanted", "")]
    cells += [(row.check, row.what, row.found, row.wanted, said[row.ok]) for row in rows]
    widths = [max(len(cell[column]) for cell in cells) for column in range(5)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="small sizes")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--only", nargs="+", choices=[check.__name__ for check in CHECKS], metavar="CHECK")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print(f"torch {torch.__version__} finds no CUDA device; --small --device cpu runs the same on the CPU")
        return 1
    start = time.perf_counter()
    device = torch.device(arguments.device)
    # A check may take a minute: the last one begins that much earlier.
    ends = math.inf if arguments.small else start + SECONDS - 60
    options = Options(device, arguments.small, ends)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{os.cpu_count()} cores"
    sizes = "small" if arguments.small else "published"
    head = f"{name}; torch {torch.__version__}, Python {platform.python_version()}, {sizes} sizes"
    print(head, flush=True)
    rows: list[Row] = []
    for check in CHECKS:
        if not arguments.only or check.__name__ in arguments.only:
            began = time.perf_counter()
            rows += rows_of(check, options)
            print(f"  {check.__name__}: {time.perf_counter() - began:.0f} s", flush=True)
    print(f"\n{head}; {time.perf_counter() - start:.0f} s\n{table(rows)}")
    return int(any(row.ok is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
