"""PCK by hand-made errors, one group at a time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from seds import shards
from seds.manifest.keypoint_accuracy import by_split, hits, report
from seds.skeleton import JOINT, JOINTS, LEFT_HAND, RIGHT_HAND

FRAMES = 10


def true_joints() -> np.ndarray:
    """Shoulders 100 px apart; both hands 40 px long."""
    true = np.zeros((FRAMES, JOINTS, 3), np.float32)
    for name, x, y in (("left_shoulder", 200, 50), ("right_shoulder", 100, 50), ("left_elbow", 210, 90),
                       ("right_elbow", 90, 90), ("left_wrist", 180, 120), ("right_wrist", 120, 120)):  # fmt: skip
        true[:, JOINT[name]] = (x, y, 1)
    for hand, x in ((LEFT_HAND, 180), (RIGHT_HAND, 120)):
        true[:, hand, 0] = x
        true[:, hand, 1] = 120 - np.linspace(0, 40, 21)
        true[:, hand, 2] = 1
    return true


def test_tolerances_of_arms_and_fingers() -> None:
    true = true_joints()
    found = true.copy()
    found[:3, JOINT["left_wrist"], 0] += 10.5  # tolerance: 0.1 of 100 px
    found[3:, JOINT["left_wrist"], 0] += 9.5
    found[:5, LEFT_HAND, 1] += 8.5  # 0.2 of 40 px
    found[5:, LEFT_HAND, 1] += 7.5
    found[0, JOINT["right_elbow"], 2] = 0  # undetected, at the right place
    found[:, RIGHT_HAND, 2] = 0
    assert hits(found, true) == {
        "left_elbow": (10, 10),
        "right_elbow": (9, 10),
        "left_wrist": (7, 10),
        "right_wrist": (10, 10),
        "left_fingers": (100, 200),  # 20 joints; the hand's wrist is none of them
        "right_fingers": (0, 200),
    }


def test_joints_that_are_not_drawn_do_not_count() -> None:
    true = true_joints()
    true[4:, RIGHT_HAND, 2] = 0
    assert hits(true, true)["right_fingers"] == (80, 80)


def test_report_sums_videos_and_counts_failures() -> None:
    true = true_joints()
    found = true.copy()
    found[:, :, 2] = 0.8
    found[:5, LEFT_HAND, 2] = 0
    result = report([(found, true), None, (true, None)])
    assert (result["videos"], result["failed"], result["frames"]) == (3, 1, 20)
    assert (result["left_hand"], result["right_hand"]) == (0.75, 1.0)
    assert result["pck"]["left_fingers"] == 0.5
    assert result["pck"]["fingers"] == 0.75
    assert result["pck"]["wrists"] == 1.0
    assert "pck" not in report([(true, None)])
    assert report([])["frames"] == 0


def test_frames_must_agree() -> None:
    with pytest.raises(ValueError, match=r"\(9, 133, 3\).*\(10, 133, 3\)"):
        hits(true_joints()[:9], true_joints())


def test_by_split_reads_shards_and_truth(tmp_path: Path) -> None:
    true = true_joints()
    shards.write_shard(tmp_path / "shard-00000.safetensors", "pose", {"a": {"keypoints": true}}, {})
    index = [("a", "shard-00000.safetensors", FRAMES, FRAMES, "ok", ""), ("b", "", 0, 0, "failed", "truncated")]
    columns = ["video_id", "shard", "frames", "rows", "status", "detail"]
    shards.write_index(tmp_path, pd.DataFrame(index, columns=columns))
    save_file({"a": true}, tmp_path / "joints.safetensors")
    videos = pd.DataFrame(
        [("a", "train", "ok"), ("b", "test", "ok"), ("c", "test", "missing")], columns=["video_id", "split", "status"]
    ).assign(pair="", contrast="")
    result = by_split(videos, shards.ShardReader(tmp_path, "pose"), tmp_path / "joints.safetensors")
    assert list(result) == ["train", "dev", "test"]
    assert result["train"]["pck"]["fingers"] == 1.0
    assert (result["test"]["videos"], result["test"]["failed"]) == (1, 1)
    assert "pairs" not in result["train"]
    assert "pck" not in by_split(videos, shards.ShardReader(tmp_path, "pose"), tmp_path / "none")["train"]
