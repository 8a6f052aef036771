"""Stage adapt as a whole: from a corpus's videos and signs to a sign encoder of its own, or to the reason why not."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from seds import tables
from seds.adapt import fitting, outputs, spotting
from seds.adapt.nothing import write_unadapted
from seds.adapt.signs import Labels, Sign, labels_of, signs_of
from seds.adapt.windows import Windows
from seds.config import AdaptProfile, Params, RgbProfile
from seds.engine.executors import make_executor
from seds.engine.run import extract
from seds.messages import summarise_skipped
from seds.resume.checkpointer import Checkpointer, catch_stop_signals
from seds.resume.finished import Finished
from seds.resume.run_folder import open_run
from seds.rgb.weights import find_weights
from seds.shards import ShardReader
from seds.system.code_version import code_version
from seds.system.files import digest
from seds.weightfiles import Checkpoint

log = logging.getLogger(__name__)


def adapt(params: Params, dataset: str, output: Path, data: Path = Path("data")) -> str:
    """Train the encoder of a corpus, or find that there is nothing to learn from; write either. Returns what to print.

    An interrupted training is kept in work/adapt/<dataset>/ and resumed by the same call. What a finished one has
    learnt is kept too (seds.resume.finished): other videos of dev and test, or none of them, are no reason to learn the
    same signs again. Raises TableError, WeightFileError, AdaptError, StorageError; SystemExit after a signal to stop.
    """
    profile, rgb = params.adapt.of(params.profile(dataset)), params.rgb.of(params.profile(dataset))
    made_by = f"dvc repro prepare@{dataset}"
    videos = tables.read(data / "videos" / f"{dataset}.parquet", tables.VIDEOS, made_by)
    signs = tables.read(data / "signs" / f"{dataset}.parquet", tables.SIGNS, made_by)
    checkpoint = find_weights(rgb) if profile.start == "weights" else None
    if profile.start == "weights" and checkpoint is None:
        raise fitting.AdaptError("adapt: start is weights, but rgb names none; name a checkpoint, or start from random")
    if profile.signs == "spotted":
        if checkpoint is None:
            raise fitting.AdaptError(
                "adapt: spotted signs are found by the weights' own classifier; set start: weights"
            )
        material = spotted(params, dataset, videos, checkpoint)
    else:
        material = annotated(signs, videos)
    labels = material.labels
    if not labels or not material.signs["train"]:
        return write_unadapted(output, material.lacking)
    device, workers = params.device(), params.machine.workers or os.cpu_count() or 1
    run = identity(params, dataset, profile, rgb, checkpoint, material)
    with open_run("adapt", dataset, lambda: run) as folder, catch_stop_signals() as stop:
        torch.set_flush_denormal(True)  # gradients that fade towards zero would take the processor's slow path
        recognizer = fitting.build(labels, profile, rgb, checkpoint, device, keep_classifier=profile.signs == "spotted")
        finished, started = Finished("adapt", run), time.monotonic()
        if kept := finished.read():
            recognizer.load_state_dict(kept.tensors)
            learnt, took = kept.values, "learnt before"
            warn_of_skipped(learnt["skipped"], learnt["parts"])
        else:
            checkpointer = Checkpointer(folder, params.machine.checkpoint_minutes, stop, "adapt")
            train = windows_of(material.signs["train"], labels, profile.jitter, rgb, params.rgb.window)
            skipped = train.drop_unreadable(workers)
            warn_of_skipped(skipped, len(train.frames.parts))
            if not len(train):
                return write_unadapted(output, "no video of its training split in which signs are known can be decoded")
            log.info("%s: %s", dataset, described(train, labels, profile, device))
            history = fitting.fit(recognizer, train, profile, workers, checkpointer)
            learnt = {"history": history, "skipped": skipped, "parts": len(train.frames.parts), **counts(train)}
            finished.write(learnt, recognizer.state_dict())
            took = f"{(time.monotonic() - started) / 60:.1f} minutes on {device}"
        dev = windows_of(material.signs["dev"], labels, 0.0, rgb, params.rgb.window)
        warn_of_skipped(dev.drop_unreadable(workers), len(dev.frames.parts))
        measured = fitting.evaluate(recognizer, dev, profile, workers)
        of_split = {"train": {name: learnt[name] for name in ("signs", "videos")}, "dev": counts(dev)}
        config = describe(dataset, params, of_split, material, checkpoint, measured)
        outputs.write_adapted(output, recognizer, config, learnt["history"])
    shares = (
        f"{found['accuracy']:.1f} % of {found['windows']} {tier} windows of {material.measured_on}"
        for tier, found in measured.items()
    )
    return f"{output}: told apart {', '.join(shares) or 'an unknown share'}; {took}"


@dataclass(frozen=True)
class Material:
    """What an encoder learns from. signs: "train", and "dev" to measure by, which are of the videos that `measured_on`
    says; lacking: what to say if there is nothing.
    """

    labels: Labels
    signs: dict[str, list[Sign]]
    measured_on: str
    lacking: str


def annotated(signs: pd.DataFrame, videos: pd.DataFrame) -> Material:
    """The signs table of a corpus."""
    labels = learnable(labels_of(signs, videos))
    of_split = {split: signs_of(signs, videos, split, labels) for split in ("train", "dev")} if labels else {}
    return Material(labels, of_split, "dev", "its training split has no two signs whose times are known")


def spotted(params: Params, dataset: str, videos: pd.DataFrame, checkpoint: Checkpoint) -> Material:
    """The signs that the classifier of a checkpoint finds in the training split. Raises as seds.engine's extract."""
    rgb, window = params.rgb.of(params.profile(dataset)), params.rgb.window
    spec = spotting.spotter_spec(rgb, window, params.adapt.spotting, checkpoint, params.device())
    train = videos[(videos["split"] == "train") & (videos["status"] == "ok")]
    folder = spotting.shard_folder(dataset)
    extract(
        spec,
        train,
        output=folder,
        scratch=Path("work"),
        shard_videos=params.rgb.shard_videos,
        executor=make_executor(params, spec.device, workers_per_gpu=1),
    )
    learnt, held_out = spotting.hold_out(spotting.spotted_signs(train, ShardReader(folder, spotting.KIND), window))
    log.info("adapt: %d signs spotted in %d videos", len(learnt) + len(held_out), len(train))
    names = {tables.MANUAL: spotting.class_names(checkpoint)}
    lacking = f"no sign was spotted in its training split with a probability above {params.adapt.spotting.threshold:g}"
    return Material(names, {"train": learnt, "dev": held_out}, "videos of training that were held out", lacking)


def learnable(labels: Labels) -> Labels:
    """Without the tier of the hands if it has one label alone: there is nothing to tell it apart from."""
    return {tier: names for tier, names in labels.items() if tier != tables.MANUAL or len(names) > 1}


def windows_of(signs: Sequence[Sign], labels: Labels, jitter: float, rgb: RgbProfile, window: int) -> Windows:
    """Windows around signs, of the frames that features are extracted from."""
    return Windows(signs, len(labels.get(tables.NONMANUAL, ())), rgb.size, rgb.crop, window, jitter, rgb.contrast)


def warn_of_skipped(skipped: Sequence[tuple[str, str, str]], parts: int) -> None:
    """Log which of so many parts of videos cannot be decoded, as Windows.drop_unreadable returns them."""
    if skipped:
        log.warning("adapt: of the parts of videos that signs are in, %s", summarise_skipped(skipped, parts))


def counts(windows: Windows) -> dict[str, int]:
    """How many signs there are, and videos that they are in."""
    return {"signs": len(windows), "videos": len({sign.video.video_id for sign in windows.signs})}


def identity(
    params: Params,
    dataset: str,
    profile: AdaptProfile,
    rgb: RgbProfile,
    checkpoint: Checkpoint | None,
    material: Material,
) -> dict[str, Any]:
    """What is learnt depends on this: run.json of an interrupted training. Of the corpus it is the signs to learn and
    the content of their videos, not how the others are split.
    """
    return {
        "dataset": {"profile": params.profile(dataset)},
        "adapt": profile.model_dump(mode="json") | {"spotting": params.adapt.spotting.model_dump()},
        "rgb": network(rgb, params.rgb.window),
        "weights": {str(checkpoint.path): checkpoint.sha256} if checkpoint else {},
        "data": {"signs": digest([material.labels, [sign.identity for sign in material.signs["train"]]])},
        "code": code_version(adapt),
        "torch": torch.__version__,
        "device": params.device(),
        "threads": torch.get_num_threads(),
    }


def network(rgb: RgbProfile, window: int) -> dict[str, Any]:
    """The settings of section rgb that decide the encoder and what it sees."""
    return {"width": rgb.width, "size": rgb.size, "crop": rgb.crop, "window": window, "contrast": rgb.contrast}


def described(train: Windows, labels: Labels, profile: AdaptProfile, device: str) -> str:
    """One line about a training that starts."""
    classes = ", ".join(f"{len(names)} {tier} labels" for tier, names in labels.items())
    return (
        f"{len(train):,} signs, {classes}; {profile.epochs} epochs, {profile.optimiser}, lr {profile.lr:g}, seed "
        f"{profile.seed}, on {device}"
    )


def describe(
    dataset: str,
    params: Params,
    of_split: Mapping[str, Mapping[str, int]],
    material: Material,
    checkpoint: Checkpoint | None,
    dev: Mapping[str, Any],
) -> dict[str, Any]:
    """config.json of an encoder, but for `adapted`. of_split: `counts`; dev: of fitting.evaluate."""
    profile = params.adapt.of(params.profile(dataset))
    return {
        "dataset": dataset,
        "profile": params.profile(dataset),
        "network": network(params.rgb.of(params.profile(dataset)), params.rgb.window),
        "start": f"{checkpoint.path.name} sha256 {checkpoint.sha256}" if checkpoint else f"random, seed {profile.seed}",
        "recipe": profile.model_dump(mode="json"),
        "signs": {split: found["signs"] for split, found in of_split.items()},
        "videos": {split: found["videos"] for split, found in of_split.items()},
        "labels": {tier: list(names) for tier, names in material.labels.items()},
        "spotting": params.adapt.spotting.model_dump() if profile.signs == "spotted" else None,
        "measured_on": material.measured_on,
        "dev": dict(dev),
    }
