"""The corpus as files: who signs what, same bytes for the same seed, readable videos that a detector understands."""

import hashlib

import av
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from seds.config import Render
from seds.data.joints import UPPER_BODY
from seds.demo.corpus import COLUMNS, SIGN_COLUMNS, DemoError, plan, render_take, write_corpus
from seds.demo.language import SIGNS
from seds.skeleton import FACE, JOINT, JOINTS, LEFT_HAND, RIGHT_HAND

pytestmark = pytest.mark.slow

RENDER = Render(
    seed=7, fps=12.5, size=256, signers=6, test_signers=2, train_sentences=12, dev_sentences=3, test_sentences=8,
    takes=2, questions=0.25, negations=0.25, pairs={"brows": 0.25, "mouth": 0.25, "head": 0.25},
)  # fmt: skip
TINY = RENDER.model_copy(update={"size": 96, "train_sentences": 3, "dev_sentences": 1, "test_sentences": 1, "takes": 1})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, write_corpus(RENDER, folder, workers=1), load_file(folder / "joints.safetensors")


def decode(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        return float(stream.average_rate), [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]


def test_annotations_say_what_is_in_the_folder(corpus):
    folder, table, joints = corpus
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "annotations.parquet"), table, check_dtype=False)
    assert tuple(table.columns) == COLUMNS
    assert table["video_id"].is_unique
    assert sorted(joints) == sorted(table["video_id"])
    assert {path.name for path in (folder / "videos").iterdir()} == {path.split("/")[1] for path in table["path"]}
    assert table.groupby("split")["sentence_id"].nunique().to_dict() == {"train": 12, "dev": 3, "test": 8}
    assert table.groupby("sentence_id")["text"].first().is_unique


def test_signs_are_timed_within_their_videos(corpus):
    folder, _, joints = corpus
    signs = pd.read_parquet(folder / "signs.parquet")
    assert tuple(signs.columns) == SIGN_COLUMNS
    for take in plan(RENDER):
        rows = signs[signs["video_id"] == take.video_id]
        manual = rows[rows["tier"] == "manual"]
        assert tuple(manual["label"]) == take.sentence.glosses
        assert (manual["start_s"].to_numpy()[1:] > manual["end_s"].to_numpy()[:-1]).all()
        form = take.sentence.form
        marked = rows.loc[rows["tier"] == "nonmanual", ["start_s", "end_s", "label"]].to_numpy().tolist()
        first = 0 if form == "question" else -2
        expected = [[manual["start_s"].iloc[first], manual["end_s"].iloc[-1], form]] if form != "statement" else []
        gestures = zip(
            manual["start_s"], manual["end_s"], [SIGNS[gloss].mouth for gloss in manual["label"]], strict=True
        )
        expected += [[start, end, f"mouth {mouth}"] for start, end, mouth in gestures if mouth]
        assert marked == expected
        assert (rows["start_s"] >= 0).all()
        assert (rows["start_s"] < rows["end_s"]).all()
        assert rows["end_s"].max() <= len(joints[take.video_id]) / RENDER.fps


def test_corpus_can_be_read_by_other_users(corpus):
    folder, _, _ = corpus
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {oct(path.stat().st_mode & 0o044) for path in files} == {oct(0o044)}


def test_split_signers(corpus):
    _, table, _ = corpus
    of = {split: set(rows["signer"]) for split, rows in table.groupby("split")}
    strangers = {"signer5", "signer6"}
    assert strangers <= of["test"]
    assert of["test"] - strangers  # partly unseen: the others sign too
    assert not strangers & (of["train"] | of["dev"])
    train = table[table["split"] == "train"]
    assert (train.groupby("sentence_id")["signer"].nunique() == RENDER.takes).all()


def pairs_of(table):
    return [list(rows.itertuples()) for pair, rows in table.groupby("pair") if pair]


def test_pairs_have_one_signer_and_two_texts(corpus):
    _, table, _ = corpus
    assert sorted(one.contrast for one, _ in pairs_of(table)) == ["brows", "head", "mouth"]
    for one, other in pairs_of(table):
        assert (one.signer, one.split, one.contrast) == (other.signer, other.split, other.contrast)
        assert one.text != other.text
    assert set(table.loc[table["pair"] == "", "contrast"]) == {""}


def test_joints_that_pose_reads_are_equal_in_a_pair_of_faces(corpus):
    _, table, joints = corpus
    read = [*UPPER_BODY, *range(JOINTS)[LEFT_HAND], *range(JOINTS)[RIGHT_HAND]]
    for one, other in pairs_of(table):
        moved = np.flatnonzero((joints[one.video_id] != joints[other.video_id]).any((0, 2)))
        face = set(range(JOINTS)[FACE]) | {JOINT["left_eye"], JOINT["right_eye"]}  # drawn in the middle of the lids
        if one.contrast == "head":
            assert JOINT["nose"] in moved
            assert not set(moved) & set(read) - {JOINT["nose"]}
        else:
            assert not set(moved) & set(read)
            assert set(moved) <= face
            changed = {"brows": range(JOINTS)[FACE][17:27], "mouth": range(JOINTS)[FACE][48:68]}
            assert set(moved) & set(changed[one.contrast])
            assert not set(moved) & set(changed["mouth" if one.contrast == "brows" else "brows"])


def test_pictures_of_a_pair_differ_in_the_face_alone(corpus):
    _, _, joints = corpus
    for take, rival in zip(plan(RENDER)[:-1], plan(RENDER)[1:], strict=True):
        if take.pair and take.pair == rival.pair and take.contrast != "head":
            one, other = (render_take(each, RENDER.fps, RENDER.size)[0] for each in (take, rival))
            shown = joints[take.video_id][:, FACE, :2]
            for frame, (a, b) in enumerate(zip(one, other, strict=True)):
                y, x = np.nonzero((a != b).any(2))
                if len(x):
                    points = shown[frame]
                    assert points[:, 0].min() - 2 <= x.min() <= x.max() <= points[:, 0].max() + 2
                    assert points[:, 1].min() - 20 <= y.min() <= y.max() <= points[:, 1].max() + 2
            changed = [np.any(a != b, axis=2).sum() for a, b in zip(one, other, strict=True)]
            assert max(changed) > 100


def test_videos_decode_to_the_promised_frames(corpus):
    folder, table, joints = corpus
    for row in table.itertuples():
        fps, frames = decode(folder / row.path)
        assert fps == RENDER.fps
        assert {frame.shape for frame in frames} == {(RENDER.size, RENDER.size, 3)}
        assert joints[row.video_id].shape == (len(frames), JOINTS, 3)
        assert joints[row.video_id].dtype == np.float32


def test_header_stands_in_front(corpus):
    folder, table, _ = corpus
    data = (folder / table["path"][0]).read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_same_seed_same_bytes_whatever_the_workers(tmp_path):
    def digests(render, name, workers):
        write_corpus(render, tmp_path / name, workers)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        return {str(path.relative_to(tmp_path / name)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    one = digests(TINY, "one", 1)
    assert one == digests(TINY, "two", 2)
    assert one != digests(TINY.model_copy(update={"seed": 8}), "other", 1)


def test_rendering_again_leaves_no_stale_video(tmp_path):
    write_corpus(TINY, tmp_path, 1)
    table = write_corpus(TINY.model_copy(update={"seed": 8}), tmp_path, 1)
    assert len(list((tmp_path / "videos").iterdir())) == len(table)


def test_the_full_corpus_trains_on_every_gloss_of_the_others():
    takes = plan(RENDER.model_copy(update={"train_sentences": 300, "dev_sentences": 40, "test_sentences": 60}))
    assert len(takes) == 700
    glosses = {split: {g for take in takes if take.split == split for g in take.sentence.glosses}
               for split in ("train", "dev", "test")}  # fmt: skip
    assert len(glosses["train"]) >= 24
    assert glosses["test"] | glosses["dev"] <= glosses["train"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"takes": 5}, "takes=5 .* leaves 4"),
        ({"test_signers": 6}, "leaves 0"),
        ({"size": 255}, "size=255"),
        ({"questions": 0.8}, "questions .* 1.05"),
    ],
)
def test_counts_that_do_not_fit_are_refused(change, message):
    with pytest.raises(DemoError, match=message):
        plan(RENDER.model_copy(update=change))


def test_a_real_detector_sees_the_signers(corpus):
    """Share of joints that MediaPipe Holistic finds near the drawn ones; a joint not found is a miss."""
    mediapipe = pytest.importorskip("mediapipe")
    folder, table, joints = corpus
    arms = [JOINT[f"{side}_{name}"] for side in ("left", "right") for name in ("elbow", "wrist")]
    landmarks = [13, 15, 14, 16]  # MediaPipe's numbers of the same joints
    arm_hits, finger_hits = [], []
    for row in table.iloc[::4].itertuples():
        _, frames = decode(folder / row.path)
        with mediapipe.solutions.holistic.Holistic(static_image_mode=False, model_complexity=1) as holistic:
            for frame, truth in zip(frames, joints[row.video_id], strict=True):
                found = holistic.process(frame)
                shoulders = np.linalg.norm(truth[JOINT["left_shoulder"], :2] - truth[JOINT["right_shoulder"], :2])
                body = np.full((len(arms), 2), np.inf)
                if found.pose_landmarks:
                    points = found.pose_landmarks.landmark
                    body = np.array([[points[i].x, points[i].y] for i in landmarks]) * RENDER.size
                arm_hits.append(np.linalg.norm(body - truth[arms, :2], axis=1) < 0.1 * shoulders)
                for part, hand in ((LEFT_HAND, found.left_hand_landmarks), (RIGHT_HAND, found.right_hand_landmarks)):
                    points = np.full((21, 2), np.inf)
                    if hand:
                        points = np.array([[point.x, point.y] for point in hand.landmark]) * RENDER.size
                    drawn = truth[part][truth[part, 2] == 1, :2]
                    size = np.ptp(truth[part, :2], axis=0).max()
                    finger_hits.append(np.linalg.norm(points[truth[part, 2] == 1] - drawn, axis=1) < 0.2 * size)
    assert np.concatenate(arm_hits).mean() > 0.88
    assert np.concatenate(finger_hits).mean() > 0.80
