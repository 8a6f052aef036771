"""A synthetic corpus in the stages' own formats, movements that differ by sentence, for tests of what reads it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seds import shards, tables
from seds.config import ModelSizes, SampleRules
from seds.data import samples
from seds.data.joints import UPPER_BODY
from seds.data.samples import Video
from seds.manifest import keypoint_accuracy
from seds.skeleton import JOINTS, LEFT_HAND, RIGHT_HAND

SIZES = ModelSizes(
    embed=32,
    gcn_channels=(8, 8, 16),
    gcn_out=16,
    rgb_features=24,
    tower_width=32,
    tower_layers=1,
    tower_heads=2,
    text_width=32,
    text_layers=1,
    text_heads=2,
    fusion_heads=4,
    fusion_feedforward=64,
)
RULES = SampleRules()
WORDS = ("cat", "dog", "house", "tree", "river", "stone", "cloud", "bread")


def keypoints(word: int, frames: int, generator: np.random.Generator) -> np.ndarray:
    """float32 [frames,133,3]: a body with both hands, whose place and path are the word's."""
    joints = np.ones((frames, JOINTS, 3), np.float32)
    joints[..., :2] = generator.normal(128, 2, size=(JOINTS, 2))
    angle = 2 * np.pi * word / len(WORDS)
    path = np.linspace(0, 1, frames)[:, None] * 40 * np.array([np.cos(angle), np.sin(angle)])
    shape = np.random.default_rng(word).uniform(-20, 20, size=(21, 2))
    for side, hand in ((-1, RIGHT_HAND), (1, LEFT_HAND)):
        joints[:, hand, :2] = shape + path[:, None] + [128 + 50 * side, 128]
    body = np.array([[128, 40], [170, 90], [180, 130], [178, 128], [86, 90], [76, 130], [78, 128]], np.float32)
    joints[:, UPPER_BODY, :2] = body
    joints[..., :2] += generator.normal(0, 0.5, size=joints[..., :2].shape)
    return joints


def write_corpus(root: Path, takes: dict[str, int], frames: int = 24, name: str = "toy") -> None:
    """`root`/manifest, /pose and /rgb: a sentence a word and split, `takes[split]` videos each, the last unusable."""
    generator = np.random.default_rng(0)
    rows, pose, rgb = [], {}, {}
    for split, count in takes.items():
        for word, text in enumerate(WORDS):
            for take in range(count):
                video_id = f"{split}-{text}-{take}"
                length = frames + int(generator.integers(-4, 5))
                starts = np.arange(0, length - 15, 4, dtype=np.int32)
                pose[video_id] = {"keypoints": keypoints(word, length, generator)}
                features = generator.normal(word, 0.1, size=(len(starts), SIZES.rgb_features)).astype(np.float16)
                rgb[video_id] = {"features": features, "starts": starts}
                rows.append(
                    {"video_id": video_id, "sentence_id": f"{split}-{text}", "split": split, "text": f"a {text}"}
                )
    write_manifest(root, pd.DataFrame(rows), {v: len(fields["keypoints"]) for v, fields in pose.items()}, name)
    for kind, videos, header in (("pose", pose, {}), ("rgb", rgb, {"window": "16"})):
        folder = root / kind / name
        shards.write_shard(folder / "0.safetensors", kind, videos, header)
        index = [(v, "0.safetensors", 1, 1, "ok", "") for v in videos]
        columns = ["video_id", "shard", "frames", "rows", "status", "detail"]
        shards.write_index(folder, pd.DataFrame(index, columns=columns))


def write_manifest(root: Path, rows: pd.DataFrame, frames: dict[str, int], name: str) -> None:
    table = rows.assign(
        text_original=rows["text"], language="en", signer="", path="none.mp4", start_s=np.nan, end_s=np.nan,
        dataset=name, frames=rows["video_id"].map(frames), fps=25.0, width=256, height=256, sha256="", status="ok",
        detail="", pose_shard="0.safetensors", rgb_shard="0.safetensors", retained=1, windows=1, rgb_windows=1,
        left_visible=1.0, right_visible=1.0, usable=True, reason="",
    )  # fmt: skip
    table.loc[table.index[-1], ["usable", "reason"]] = [False, "no hand seen"]
    tables.write(table, tables.MANIFEST, root / "manifest" / f"{name}.parquet")


def write_keypoint_quality(root: Path, name: str = "toy") -> None:
    """`root`/metrics/<name>/pose.json, as stage manifest writes it of a corpus in `root`/data without true joints."""
    videos = pd.read_parquet(root / "data" / "manifest" / f"{name}.parquet")
    reader = shards.ShardReader(root / "data" / "pose" / name, "pose")
    quality = keypoint_accuracy.by_split(videos, reader, root / "no_true_joints")
    path = root / "metrics" / name / "pose.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(quality), encoding="utf-8")


def computed_video(row: Any, pose: shards.ShardReader, rgb: shards.ShardReader, rules: SampleRules) -> Video:
    """What a row (of itertuples) of the manifest gives, computed from its shards by itself."""
    (keypoints,) = pose.read(row.video_id, ("keypoints",))
    features, rgb_starts = rgb.read(row.video_id, ("features", "starts"))
    window = int(rgb.metadata["window"])
    prepared = samples.make_sample(keypoints, row.width, row.height, rgb_starts, window, rules)
    return Video(**vars(prepared), features=features, video_id=row.video_id, sentence_id=row.sentence_id, text=row.text)
