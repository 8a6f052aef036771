"""Stage pretrain as a whole: from a corpus's keypoints to weights of the pose encoder, or to the reason why not."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from seds import tables
from seds.config import Params
from seds.data.hands import CROP
from seds.data.mapped import MappedReader
from seds.data.sample_cache import open_videos
from seds.data.samples import Video
from seds.pretrain import fitting, network, outputs
from seds.pretrain.batches import Keypoints, confidences_of
from seds.pretrain.nothing import write_unpretrained
from seds.resume.checkpointer import Checkpointer, catch_stop_signals
from seds.resume.finished import Finished
from seds.resume.run_folder import open_run, shards_sha256
from seds.system.code_version import code_version
from seds.system.files import digest

log = logging.getLogger(__name__)

SIZES = ("gcn_channels", "gcn_out", "gcn_dropout", "gcn_out_dropout", "window")  # of the model, that the encoder has


def pretrain(params: Params, dataset: str, output: Path, data: Path = Path("data")) -> str:
    """Pretrain the pose encoder of a corpus, or find that there is nothing to learn from; write either. Returns what to
    print.

    An interrupted run is kept in work/pretrain/<dataset>/ and resumed by the same call; what a finished one has learnt
    is kept too (seds.resume.finished), so that other texts are no reason to repeat it. Raises TableError, ShardError,
    PretrainError, StorageError; SystemExit after a signal to stop.
    """
    rows = {split: learnable(dataset, split, data) for split in ("train", "dev")}
    if rows["train"].empty:
        return write_unpretrained(output, "no video of its training split has a frame in which a hand is seen")
    profile, sizes, device = (
        params.pretrain.of(params.profile(dataset)),
        params.training(dataset).model,
        params.device(),
    )
    train, dev = (Corpus(dataset, rows[split], params, data) for split in ("train", "dev"))
    run = identity(params, dataset, rows, data)
    restorer = network.build(sizes, profile.decoder, profile.seed).to(device)
    with open_run("pretrain", dataset, lambda: run) as folder, catch_stop_signals() as stop:
        torch.set_flush_denormal(True)  # gradients that fade towards zero would take the processor's slow path
        finished, started = Finished("pretrain", run), time.monotonic()
        if kept := finished.read():
            restorer.load_state_dict(kept.tensors)
            history, took = kept.values["history"], "learnt before"
        else:
            log.info(
                "%s: %d videos, %d frames; %d epochs, lr %g, seed %d, on %s",
                dataset, len(train), train.frames, profile.epochs, profile.lr, profile.seed, device,
            )  # fmt: skip
            checkpointer = Checkpointer(folder, params.machine.checkpoint_minutes, stop, "pretrain")
            history = fitting.fit(restorer, train, dev, profile, checkpointer)
            finished.write({"history": history}, restorer.state_dict())
            took = f"{(time.monotonic() - started) / 60:.1f} minutes on {device}"
        config = {
            "dataset": dataset,
            "profile": params.profile(dataset),
            "sizes": sizes.model_dump(mode="json", include=set(SIZES)),
            "recipe": profile.model_dump(mode="json"),
            "videos": {
                "train": len(train),
                "without_text": int((rows["train"]["text"] == "").sum()),
                "dev": len(dev),
            },
            "frames": {"train": train.frames, "dev": dev.frames},
            "dev": history[-1]["dev"],
            "mean_pose": fitting.mean_pose_losses(train, dev, sizes.window, profile),
        }
        outputs.write_pretrained(output, restorer.encoder, config, history)
    losses = ", ".join(f"{group} {CROP * loss:.1f} px" for group, loss in history[-1]["dev"].items())
    return f"{output}: restores hidden joints of dev to within {losses or 'an unknown distance'}; {took}"


def learnable(dataset: str, split: str, data: Path = Path("data")) -> pd.DataFrame:
    """The rows of a split's manifest with keypoints in which a hand is seen, whether they have text and RGB or not.

    Raises TableError.
    """
    manifest = tables.read(data / "manifest" / f"{dataset}.parquet", tables.MANIFEST, f"dvc repro manifest@{dataset}")
    found = (manifest["split"] == split) & (manifest["pose_shard"] != "") & (manifest["retained"] > 0)
    return manifest[found].reset_index(drop=True)


class Corpus:
    """The keypoints of some rows of a manifest, as stage train reads them. frames: retained ones, of all videos."""

    def __init__(self, dataset: str, rows: pd.DataFrame, params: Params, data: Path) -> None:
        self.frames = int(rows["retained"].sum())
        self._pose = MappedReader(data / "pose" / dataset, "pose")
        # No row names RGB features, so the reader for them is never asked.
        without_rgb = rows.assign(rgb_shard="")
        self._videos: Sequence[Video] = ()
        if len(rows):
            scratch, workers = data.parent / "work" / "prepared", params.machine.workers
            self._videos = open_videos(without_rgb, self._pose, self._pose, params.rules(dataset), scratch, workers)

    def __len__(self) -> int:
        return len(self._videos)

    def __getitem__(self, place: int, /) -> Keypoints:
        """Its arrays are views of mapped files."""
        video = self._videos[place]
        (keypoints,) = self._pose.read(video.video_id, ("keypoints",))
        joints = {"left": video.left, "right": video.right, "body": video.body}
        return Keypoints(joints, confidences_of(keypoints, np.asarray(video.raw_frames)))


def identity(params: Params, dataset: str, rows: dict[str, pd.DataFrame], data: Path) -> dict[str, Any]:
    """What the result depends on; run.json of an interrupted run. Of the rows only what decides the keypoints: other
    texts are the same to it.
    """
    columns = ["video_id", "width", "height", "retained", "pose_shard"]
    return {
        "dataset": {"profile": params.profile(dataset)},
        "rules": params.rules(dataset).model_dump(mode="json"),
        "pretrain": params.pretrain.of(params.profile(dataset)).model_dump(mode="json"),
        "sizes": params.training(dataset).model.model_dump(mode="json", include=set(SIZES)),
        "data": {
            "pose": shards_sha256(data / "pose" / dataset),
            **{split: digest(table[columns].to_numpy().tolist()) for split, table in rows.items()},
        },
        "code": code_version(pretrain),
        "torch": torch.__version__,
        "device": params.device(),
    }
