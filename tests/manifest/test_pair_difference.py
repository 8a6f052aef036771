"""How far the keypoints of a pair differ, by displacements made by hand."""

from pathlib import Path

import numpy as np
import pandas as pd

from seds import shards
from seds.manifest.pair_difference import by_contrast
from seds.skeleton import FACE, JOINT, JOINTS, LEFT_HAND, RIGHT_HAND


def differences(folder: Path, *keypoints: np.ndarray, pair: str = "p") -> dict:
    videos = {f"v{i}": {"keypoints": points} for i, points in enumerate(keypoints)}
    shards.write_shard(folder / "0.safetensors", "pose", videos, {})
    index = [(video_id, "0.safetensors", 1, 1, "ok", "") for video_id in videos]
    columns = ["video_id", "shard", "frames", "rows", "status", "detail"]
    shards.write_index(folder, pd.DataFrame(index, columns=columns))
    table = pd.DataFrame({"video_id": list(videos), "pair": pair, "contrast": "mouth"})
    return by_contrast(table, shards.ShardReader(folder, "pose"))


def standing(frames: int = 4) -> np.ndarray:
    """Shoulders 50 px apart."""
    points = np.ones((frames, JOINTS, 3), np.float32)
    points[:, JOINT["left_shoulder"], 0] += 50
    return points


def test_distances_of_all_joints_and_of_the_nose(tmp_path: Path) -> None:
    other = standing()
    other[:, JOINT["nose"], :2] += (3, 4)
    other[:, LEFT_HAND, 0] += 2
    other[:, RIGHT_HAND, 0] += 1
    other[:, FACE, :2] += 100  # is not read
    assert differences(tmp_path, standing(), other) == {
        "mouth": {"pairs": 1, "joints_px": 1.0, "joints_px_95": 2.0, "nose_px": 5.0, "shoulders_px": 50.0}
    }


def test_joints_that_one_video_lacks_do_not_count(tmp_path: Path) -> None:
    other = standing()
    other[:, LEFT_HAND] = 0
    assert differences(tmp_path, standing(), other)["mouth"]["joints_px_95"] == 0


def test_only_two_videos_of_one_length_are_compared(tmp_path: Path) -> None:
    assert differences(tmp_path / "lengths", standing(4), standing(5)) == {}
    assert differences(tmp_path / "three", standing(), standing(), standing()) == {}
    assert differences(tmp_path / "none", standing(), standing(), pair="") == {}
