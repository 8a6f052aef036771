"""Keypoint files of others: every value at its joint, and damaged or hostile ones refused."""

import gzip
import io
import json
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from helpers import keypoint_files as made
from pose_format import Pose

from seds.corpora.pickles import PickleError
from seds.imports import pose_file
from seds.imports.files import VideoFiles, open_source
from seds.imports.joints import KeypointsError
from seds.skeleton import FACE, JOINT, JOINT_NAMES, LEFT_HAND, RIGHT_HAND


def all_people(source):
    return source.people(0, source.frames)


def written(path, content: bytes):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("version", [0, 0.1, 0.2])
def test_pose_of_every_version_has_its_values_at_their_joints(tmp_path, version):
    data = made.people(5, 2, 67)
    source = open_source(written(tmp_path / "a.pose", made.pose_bytes(version, data)))
    assert (source.frames, source.fps, source.width, source.height, source.unit) == (5, 25, 640, 480, False)
    read = np.array(all_people(source))
    np.testing.assert_array_equal(read[:, :, LEFT_HAND], data[:, :, 25:46])
    np.testing.assert_array_equal(read[:, :, RIGHT_HAND], data[:, :, 46:])
    assert not read[:, :, FACE].any()  # no such points in the file
    np.testing.assert_array_equal(np.array(source.people(2, 4)), read[2:4])


def test_compressed_pose_reads_like_the_plain_one(tmp_path):
    content = made.pose_bytes(0.2, made.people(4, 1, 67))
    packed = pa.compress(content, codec="zstd", asbytes=True)
    plain = open_source(written(tmp_path / "a.pose", content))
    source = open_source(written(tmp_path / "a.pose.zst", packed))
    np.testing.assert_array_equal(all_people(source), all_people(plain))


def test_more_frames_than_16_bits_count_are_all_read(tmp_path):
    small = (("LEFT_HAND", [f"hand_{i}" for i in range(21)], "XYC"),)
    data = np.ones((2**16 + 3, 1, 21, 3), np.float32)
    source = open_source(written(tmp_path / "a.pose", made.pose_bytes(0.1, data, small)))
    assert source.frames == 2**16 + 3


@pytest.mark.parametrize("version", [0, 0.1, 0.2])
@pytest.mark.parametrize("lost", [1, 4, 100, 1000])
def test_pose_that_is_cut_off_is_refused(tmp_path, version, lost):
    """pose-format reads one of version 0.1 with coordinates in place of confidences."""
    content = made.pose_bytes(version, made.people(5, 1, 67))[:-lost]
    with pytest.raises(KeypointsError, match="cut off"):
        open_source(written(tmp_path / "a.pose", content))


def test_openpose_frames_may_be_missing_and_show_nobody_or_several(tmp_path):
    data = made.people(5, 2, 137)
    made.write_openpose(tmp_path / "clip", "clip", {0: [data[0, 0]], 2: [], 4: [data[4, 0], data[4, 1]]})
    source = open_source(tmp_path / "clip")
    frames = all_people(source)
    assert [len(people) for people in frames] == [1, 0, 0, 0, 2]
    assert (source.fps, source.width) == (None, None)
    joints = {"nose": 0, "right_wrist": 4, "left_wrist": 7, "left_heel": 21, "right_eye": 15, "face_30": 25 + 30}
    for name, point in joints.items():
        np.testing.assert_array_equal(frames[4][:, JOINT[name]], data[4, :, point])
    np.testing.assert_array_equal(frames[0][0, RIGHT_HAND], data[0, 0, 116:])


def test_unisign_has_several_people_and_its_part_of_a_longer_video(tmp_path):
    content = made.unisign(6, 2)
    path = written(tmp_path / "a.pkl", pickle.dumps(content | {"start": 2, "end": 5}))
    source = open_source(path)
    assert (source.frames, source.unit, source.fps) == (3, True, None)
    for frame, xy, confidence in zip(
        all_people(source), content["keypoints"][2:5], content["scores"][2:5], strict=True
    ):
        np.testing.assert_array_equal(frame[..., :2], xy)
        np.testing.assert_array_equal(frame[..., 2], confidence)


BY_HAND = {  # joint: part and number in MediaPipe
    "nose": ("pose", 0), "left_shoulder": ("pose", 11), "right_wrist": ("pose", 16), "face_30": ("face", 1),
    "left_thumb_4": ("left", 4), "right_little_4": ("right", 20), "left_hand_wrist": ("left", 0),
}  # fmt: skip


@pytest.mark.parametrize("order", ["face-left-pose-right", "pose-face-left-right", "553", "1662"])
def test_mediapipe_arrays_have_their_values_at_their_joints(tmp_path, order):
    rng = np.random.default_rng(1)
    parts = {"pose": rng.uniform(0.1, 0.9, (6, 33, 3)), "face": rng.uniform(0.45, 0.55, (6, 478, 3)),
             "left": rng.uniform(0.2, 0.3, (6, 21, 3)), "right": rng.uniform(0.6, 0.7, (6, 21, 3))}  # fmt: skip
    parts["right"][2] = 0  # not found
    if order == "1662":
        seen = rng.uniform(0.5, 1, (6, 33, 1))
        columns = [np.concatenate([parts["pose"], seen], axis=2), parts["face"][:, :468], parts["left"], parts["right"]]
        array = np.concatenate([part.reshape(6, -1) for part in columns], axis=1)
    elif order == "553":
        array = np.concatenate([parts["face"], parts["pose"], parts["left"], parts["right"]], axis=1)
    else:
        array = np.concatenate([parts[name][:, :468] for name in order.split("-")], axis=1)
    np.save(tmp_path / "a.npy", array)
    source = open_source(tmp_path / "a.npy")
    read = np.array(all_people(source))[:, 0]
    for joint, (part, number) in BY_HAND.items():
        np.testing.assert_array_equal(read[:, JOINT[joint], :2], parts[part][:, number, :2].astype(np.float32))
    assert source.unit
    assert not read[2, RIGHT_HAND].any()
    if order == "1662":
        np.testing.assert_array_equal(read[:, JOINT["left_wrist"], 2], seen[:, 15, 0].astype(np.float32))


def test_kaggle_rows_stand_at_their_frames_and_landmarks(tmp_path):
    table, points = made.kaggle(4)
    table = table[table["frame"] != 31].sample(frac=1, random_state=0)  # a frame is missing; the order does not matter
    table.to_parquet(tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet")
    read = np.array(all_people(source))[:, 0]
    np.testing.assert_array_equal(read[[0, 2, 3]][:, RIGHT_HAND, :2], points[[0, 2, 3], 522:])
    np.testing.assert_array_equal(read[0, JOINT["left_shoulder"], :2], points[0, 468 + 21 + 11])
    assert not read[1].any()
    assert not read[:, LEFT_HAND].any()


@pytest.mark.parametrize("extra", [{}, {"fps": np.array(25.0)}])
def test_wholebody_arrays_are_read_as_they_are(tmp_path, extra):
    data = made.people(4, 1, 133)[:, 0]
    np.savez(tmp_path / "a.npz", keypoints=data, **extra)
    source = open_source(tmp_path / "a.npz")
    np.testing.assert_array_equal(np.array(all_people(source))[:, 0], data)
    assert not source.unit


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def npy(shape: tuple[int, ...], data: bytes = b"", dtype: str = "<f4") -> bytes:
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


class Harmful:
    def __reduce__(self):
        return print, ("run",)


GIGABYTE = made.pose_bytes(0.2, made.people(1, 1, 67))
HEADER = len(GIGABYTE) - 67 * 12 - 10
HOSTILE = {
    "empty.pose": b"",
    "no_header.pose": b"\xff" * 50,
    "gigabyte.pose": GIGABYTE[:HEADER] + struct.pack("<fIH", 25, 2**32 - 1, 65535) + b"\0" * 100,
    "gigabyte_v0.pose": made.pose_bytes(0, made.people(1, 1, 67))[:HEADER] + struct.pack("<HHH", 25, 65535, 65535),
    "names.pose": struct.pack("<fHHHH", 0.2, 10, 10, 0, 65535) + b"\0" * 500_000,
    "no_hands.pose": made.pose_bytes(0.2, made.people(2, 1, 25), made.OPENPOSE[:1]),
    "version.pose": made.pose_bytes(0.7, made.people(2, 1, 67)),
    "bomb.pose.zst": pa.compress(b"\0" * 2**24, codec="zstd", asbytes=True),
    "damaged.pose.zst": b"no zstd",
    "gigabyte.npy": npy((2_000_000, 133, 3), b"\0" * 100),
    "objects.npy": npy((1,), pickle.dumps(Harmful()), "|O"),
    "other.npy": npy((2, 5, 3), b"\0" * 120),
    "gigabyte.npz": zipped("a.npy", npy((2_000_000, 133, 3), b"\0" * 100)),
    "objects.npz": zipped("a.npy", npy((1,), pickle.dumps(Harmful()), "|O")),
    "no_zip.npz": b"PK nothing",
    "code.pkl": pickle.dumps(Harmful()),
    "other.pkl": pickle.dumps({"keypoints": [1, 2], "scores": [1, 2]}),
    "ends.pkl": pickle.dumps(made.unisign(3) | {"start": 2, "end": 10**9}),
    "damaged.parquet": b"PAR1 nothing PAR1",
    "gzip.pkl": gzip.compress(b"x"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_within_bounds(tmp_path, name, capfd, monkeypatch):
    monkeypatch.setattr(pose_file, "_UNPACKED_BYTES", 2**23)
    path = written(tmp_path / name, HOSTILE[name])
    tracemalloc.start()
    try:
        with pytest.raises((KeypointsError, PickleError)):
            all_people(open_source(path))
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()
    assert "run" not in capfd.readouterr().out


@pytest.mark.parametrize(
    "content",
    ["", "[" * 100_000, '{"people": {}}', '{"people": [1]}', '{"people": [{"pose_keypoints_2d": [1, 2]}]}',
     '{"people": [{"pose_keypoints_2d": ["x"]}]}', json.dumps({"people": [{}] * 100}),
     json.dumps({"people": [{"hand_left_keypoints_2d": [10**400] * 63}]})],
)  # fmt: skip
def test_hostile_openpose_frame_is_refused(tmp_path, content):
    (tmp_path / "clip_000000000000_keypoints.json").write_text(content)
    with pytest.raises(KeypointsError):
        all_people(open_source(tmp_path))


def test_a_frame_number_from_nowhere_makes_no_video_of_it(tmp_path):
    (tmp_path / "clip_999999999999_keypoints.json").write_text('{"people": []}')
    with pytest.raises(KeypointsError, match="would be frame 999,999,999,999"):
        open_source(tmp_path)


def test_a_name_means_a_file_by_path_stem_or_id(tmp_path):
    for name in ("train/a.pose", "b.pose.zst", "clips/c_000000000003_keypoints.json", "x-1.npy", "videos.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = VideoFiles.below(tmp_path)
    assert sorted(map(str, files.paths)) == ["b.pose.zst", "clips", "train/a.pose", "x-1.npy"]
    for name in ("train/a.pose", "train/a.mp4", "a", "videos/a.mp4", "train\\a.pose", "a.pose"):
        assert list(map(str, files.find(name))) == ["train/a.pose"]
    for name in ("../../etc/passwd", "/etc/passwd", "", ".", "..", "nothing"):
        assert files.find(name) == []


@pytest.mark.real
def test_real_pose_files_read_as_pose_format_reads_them(shared):
    paths = sorted((shared / "data/formats").rglob("*.pose"))
    assert len(paths) == 13
    for path in paths:
        ours, theirs = open_source(path), Pose.read(path.read_bytes())
        read, body = np.array(all_people(ours)), theirs.body
        assert (ours.frames, ours.fps) == (len(body.data), body.fps)
        assert (ours.width, ours.height) == (theirs.header.dimensions.width, theirs.header.dimensions.height)
        names = [(part.name.upper(), name) for part in theirs.header.components for name in part.points]
        xyc = np.concatenate([body.data.filled(0)[..., :2], np.minimum(body.confidence, 1)[..., None]], axis=-1)
        for side, joints in (("LEFT", LEFT_HAND), ("RIGHT", RIGHT_HAND)):
            own = [i for i, (part, _) in enumerate(names) if side in part and "HAND" in part]
            np.testing.assert_array_equal(read[:, 0, joints], xyc[:, 0, own])
            for joint in ("shoulder", "elbow", "wrist"):
                wanted = {f"{side}_{joint}".upper(), f"{side[0]}{joint.title()}"}
                (point,) = (i for i, (part, name) in enumerate(names) if name in wanted and "HAND" not in part)
                np.testing.assert_array_equal(
                    read[:, 0, JOINT_NAMES.index(f"{side}_{joint}".lower())], xyc[:, 0, point]
                )
