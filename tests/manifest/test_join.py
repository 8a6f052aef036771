import numpy as np
import pandas as pd
import pytest

from seds import shards, tables
from seds.config import SampleRules
from seds.data import hands
from seds.manifest import join
from seds.skeleton import LEFT_HAND, RIGHT_HAND

RULES = SampleRules()


def video(video_id, **changes):
    row = {
        "video_id": video_id,
        "sentence_id": f"s-{video_id}",
        "split": "train",
        "text": "Rain falls.",
        "text_original": "Rain falls.",
        "language": "en",
        "signer": "",
        "path": f"{video_id}.mp4",
        "start_s": None,
        "end_s": None,
        "dataset": "tiny",
        "frames": 40,
        "fps": 25.0,
        "width": 256,
        "height": 192,
        "sha256": "0",
        "status": "ok",
        "detail": "",
    }
    return row | changes


def signer(frames, left=(), right=()):
    """Keypoints [frames,133,3] whose hands are visible in the given frames only."""
    rng = np.random.default_rng(frames)
    keypoints = np.zeros((frames, 133, 3), np.float32)
    keypoints[:, :, :2] = rng.uniform(60, 120, (frames, 133, 2))
    keypoints[list(left), LEFT_HAND, 2] = 0.9
    keypoints[list(right), RIGHT_HAND, 2] = 0.9
    return keypoints


def index_row(video_id, frames, rows=None):
    row = {"video_id": video_id, "shard": "s.safetensors", "frames": frames, "rows": rows or frames}
    return row | {"status": "ok", "detail": ""}


def failed(video_id, detail):
    return {"video_id": video_id, "shard": "", "frames": 0, "rows": 0, "status": "failed", "detail": detail}


class Corpus:
    """A videos table with shard folders, grown video by video."""

    def __init__(self, folder):
        self.folder = folder
        self.videos, self.pose, self.rgb, self.keypoints = [], [], [], {}

    def add(self, row, keypoints=None, pose=None, rgb=None):
        self.videos.append(row)
        if keypoints is not None:
            self.keypoints[row["video_id"]] = keypoints
            self.pose.append(index_row(row["video_id"], len(keypoints)))
        if pose is not None:
            self.pose.append(pose)
        if rgb is not None:
            self.rgb.append(rgb)

    def build(self, wrist_margin=None):
        tensors = {video_id: {"keypoints": keypoints} for video_id, keypoints in self.keypoints.items()}
        shards.write_shard(self.folder / "pose/tiny/s.safetensors", "pose", tensors, {})
        for kind, rows in (("pose", self.pose), ("rgb", self.rgb)):
            shards.write_index(
                self.folder / kind / "tiny", pd.DataFrame(rows, columns=list(tables.SHARD_INDEX.columns))
            )
        videos = tables.check(pd.DataFrame(self.videos), tables.VIDEOS, "videos")
        readers = (shards.ShardReader(self.folder / kind / "tiny", kind) for kind in ("pose", "rgb"))
        return join.build(videos, *readers, RULES.model_copy(update={"wrist_margin": wrist_margin}))


@pytest.fixture
def corpus(tmp_path):
    return Corpus(tmp_path)


def test_a_usable_video_says_what_it_holds(corpus):
    corpus.add(video("a"), signer(40, left=range(10, 40), right=range(20)), rgb=index_row("a", 40, rows=7))
    row = corpus.build().iloc[0]
    assert (row["usable"], row["reason"], row["detail"]) == (True, "", "")
    assert (row["pose_shard"], row["rgb_shard"], row["rgb_windows"]) == ("s.safetensors", "s.safetensors", 7)
    assert (row["retained"], row["windows"]) == (40, 25)
    assert (row["left_visible"], row["right_visible"]) == (0.75, 0.5)


def test_visibility_is_a_share_of_the_frames_that_are_read(corpus):
    # Of 400 frames every second is read; the left hand is seen in the even ones of the first half.
    corpus.add(video("long"), signer(400, left=range(0, 200, 2)), rgb=index_row("long", 400))
    row = corpus.build().iloc[0]
    assert (row["retained"], row["left_visible"], row["right_visible"]) == (100, 0.5, 0.0)
    assert row["windows"] == 64


def test_every_left_out_video_is_kept_with_the_first_reason(corpus):
    seen = signer(20, left=range(20))
    corpus.add(video("missing", status="missing", detail="missing.mp4: no such file", text=""))
    corpus.add(video("pose"), pose=failed("pose", "truncated"), rgb=failed("pose", "truncated too"))
    corpus.add(video("rgb"), seen, rgb=failed("rgb", "too dark"))
    corpus.add(video("frames"), seen, rgb=index_row("frames", 19))
    corpus.add(video("hands", text=""), signer(20), rgb=index_row("hands", 20))
    corpus.add(video("text", text=""), seen, rgb=index_row("text", 20))
    corpus.add(video("fine"), seen, rgb=index_row("fine", 20))
    table = corpus.build().set_index("video_id")
    assert table["reason"].to_dict() == {
        "missing": "missing",
        "pose": "pose failed",
        "rgb": "rgb failed",
        "frames": "frames differ",
        "hands": "no hand seen",
        "text": "no text",
        "fine": "",
    }
    counts = ["retained", "windows", "pose_shard", "left_visible"]
    assert (table.loc["text", counts] == table.loc["fine", counts]).all(), "stage pretrain learns from it"
    assert table["detail"]["missing"] == "missing.mp4: no such file"
    assert table["detail"]["pose"] == "truncated"
    assert table["detail"]["rgb"] == "too dark"
    assert table["detail"]["frames"].startswith("pose has 20 frames, rgb 19")
    assert table["detail"]["hands"] == "no hand seen in any of 20 frames"
    assert table["usable"].tolist() == [False] * 6 + [True]
    assert (table.loc["missing", ["retained", "windows", "rgb_windows"]] == 0).all()


def test_a_video_that_an_index_does_not_know_says_what_to_run(corpus):
    corpus.add(video("new"))
    assert corpus.build()["detail"][0] == "not in the pose index; run: dvc repro pose@tiny"


def test_the_wrist_margin_is_a_share_of_the_frames_height(corpus):
    # An arm, and no finger: the crop is guessed unless the wrist is too low. 192 px high, wrist at 150.
    keypoints = np.zeros((5, 133, 3), np.float32)
    keypoints[:, [5, 7, 9]] = [(100, 60, 0.9), (110, 110, 0.9), (100, 150, 0.9)]
    corpus.add(video("arm"), keypoints, rgb=index_row("arm", 5))
    assert corpus.build(None)["usable"].tolist() == [True]
    assert corpus.build(0.2)["usable"].tolist() == [True]  # 150 < 192 - 38.4
    assert corpus.build(0.25)["reason"].tolist() == ["no hand seen"]  # 150 > 192 - 48


def test_the_manifest_survives_its_file(corpus, tmp_path):
    corpus.add(video("a"), signer(20, left=range(20)), rgb=index_row("a", 20))
    corpus.add(video("b", status="unreadable", detail="b.mp4: is empty"))
    table = corpus.build()
    tables.write(table, tables.MANIFEST, tmp_path / "m.parquet")
    pd.testing.assert_frame_equal(tables.read(tmp_path / "m.parquet", tables.MANIFEST, "dvc repro manifest"), table)


def test_summary_counts_reasons_and_warns_of_an_empty_split(corpus):
    corpus.add(video("a"), signer(20, left=range(20)), rgb=index_row("a", 20))
    corpus.add(video("b", split="test", status="missing", detail="b.mp4: no such file"))
    lines = join.summary(corpus.build()).splitlines()
    assert lines[1].split() == ["train", "1", "1", "1", "5", "100.0%", "0.0%"]
    assert "1 of 2 left out" in lines
    assert "    b: b.mp4: no such file" in lines
    assert lines[-2:] == ["warning: no usable video in split 'dev'", "warning: no usable video in split 'test'"]


def test_videos_judged_together_are_as_each_by_itself(corpus):
    """Batches of many videos against the definition, hands.retain on one video at a time."""
    rng = np.random.default_rng(0)
    expected = {}
    for i in range(40):
        frames = int(rng.choice([1, 5, 16, 150, 301, 700]))
        width, height = ((256, 192), (64, 48))[int(i / 7) % 2]
        keypoints = rng.uniform(-20, 1.2 * width, (frames, 133, 3)).astype(np.float32)
        keypoints[:, :, 2] = rng.uniform(0, rng.uniform(0.05, 1), (frames, 133))
        if i % 3 == 0:
            keypoints[rng.random((frames, 133)) < 0.05] = rng.choice([np.nan, np.inf])
        row = video(f"v{i}", width=width, height=height)
        corpus.add(row, keypoints, rgb=index_row(f"v{i}", frames))
        kept = hands.retain(keypoints, hands.Frame(width, height, 0.25 * height), RULES)
        read = len(hands.sample_frames(frames, RULES.max_frames))
        expected[f"v{i}"] = (len(kept.frames), kept.left_seen.sum() / read, kept.right_seen.sum() / read)
    table = corpus.build(0.25).set_index("video_id")
    found = table[["retained", "left_visible", "right_visible"]].apply(tuple, axis=1).to_dict()
    assert found == expected
    assert 0 < table["usable"].sum() < 40
