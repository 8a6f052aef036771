"""A small corpus with real video files and keypoints, for tests of what is drawn from it."""

import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd

from seds import shards, tables
from seds.corpora.signs import no_signs
from seds.skeleton import JOINT, JOINTS, LEFT_HAND, RIGHT_HAND

ROOT = Path(__file__).parents[2]
WIDTH, HEIGHT, FPS = 160, 120, 10
FRAMES = 20
NAME = "demo"  # a corpus that params.yaml describes


def grey(frame: int) -> int:
    """The level of a frame's background, so that it tells its number."""
    return 20 + 10 * frame


def keypoints(frames: int = FRAMES) -> np.ndarray:
    """float32 [frames,133,3]: both hands seen, the left of which drifts to the right."""
    joints = np.zeros((frames, JOINTS, 3), np.float32)
    places = {
        "nose": (80, 20), "left_shoulder": (100, 40), "right_shoulder": (60, 40), "left_elbow": (110, 60),
        "right_elbow": (50, 60), "left_wrist": (105, 80), "right_wrist": (55, 80),
    }  # fmt: skip
    for name, place in places.items():
        joints[:, JOINT[name]] = (*place, 0.9)
    fan = np.random.default_rng(0).uniform(-8, 8, (21, 2))
    for hand, x in ((LEFT_HAND, 105), (RIGHT_HAND, 55)):
        joints[:, hand, :2] = fan + np.array([x, 85])
        joints[:, hand, 2] = 0.9
    joints[:, LEFT_HAND, 0] += np.arange(frames)[:, None] / 4
    return joints


def lose_hand(joints: np.ndarray, side: str, frames: slice, arm: bool = True) -> np.ndarray:
    """The same with a hand not found in those frames, and, with `arm`, nothing to guess it from."""
    joints[frames, LEFT_HAND if side == "left" else RIGHT_HAND, 2] = 0
    if arm:
        joints[frames, JOINT[f"{side}_elbow"], 2] = 0
    return joints


def write_video(path: Path, frames: int = FRAMES) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "1", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for i in range(frames):
            frame = np.full((HEIGHT, WIDTH, 3), grey(i), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def write_frame_folder(path: Path, frames: int = FRAMES) -> None:
    path.mkdir(parents=True)
    for i in range(frames):
        cv2.imwrite(str(path / f"images{i + 1:04d}.png"), np.full((HEIGHT, WIDTH, 3), grey(i), np.uint8))


def row(video_id: str, path: str, **values: object) -> dict[str, object]:
    """A row of the videos table."""
    return {
        "video_id": video_id, "sentence_id": video_id, "split": "train", "text": "A sentence.", "text_original": "",
        "language": "en", "signer": "", "path": path, "start_s": np.nan, "end_s": np.nan, "fps": float(FPS), "bbox": "",
        "dataset": NAME, "frames": FRAMES, "width": WIDTH, "height": HEIGHT, "sha256": "", "status": "ok", "detail": "",
    } | values  # fmt: skip


def write_corpus(
    root: Path,
    rows: list[dict[str, object]],
    found: dict[str, np.ndarray | str],
    signs: pd.DataFrame | None = None,
) -> None:
    """params.yaml and data/ below `root`. found: keypoints by video_id, or the reason why there are none."""
    shutil.copy(ROOT / "params.yaml", root)
    tables.write(pd.DataFrame(rows), tables.VIDEOS, root / "data" / "videos" / f"{NAME}.parquet")
    tables.write(no_signs() if signs is None else signs, tables.SIGNS, root / "data" / "signs" / f"{NAME}.parquet")
    pose = root / "data" / "pose" / NAME
    done = {video_id: {"keypoints": joints} for video_id, joints in found.items() if not isinstance(joints, str)}
    header = {"estimator": "<b>", "estimator_version": "1"}
    shards.write_shard(pose / "shard-00000.safetensors", "pose", done, header)
    index = [
        (video_id, "", 0, 0, "failed", joints)
        if isinstance(joints, str)
        else (video_id, "shard-00000.safetensors", len(joints), len(joints), "ok", "")
        for video_id, joints in found.items()
    ]
    shards.write_index(pose, pd.DataFrame(index, columns=["video_id", "shard", "frames", "rows", "status", "detail"]))
