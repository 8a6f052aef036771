"""`seds import features --from`: features of others beside imported keypoints, at the times that they are of."""

import pickle
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from helpers.keypoint_files import people, pose_bytes
from typer.testing import CliRunner

from seds.cli import app
from seds.data.windows import nearest_rgb
from seds.extraction import imported
from seds.imports.feature_files import read_features
from seds.imports.features import Windows
from seds.imports.joints import KeypointsError
from seds.imports.keypoints import import_keypoints
from seds.shards import ShardReader

FEATURES = np.random.default_rng(0).normal(size=(12, 8)).astype(np.float32)


def write_h5(path, array=FEATURES, name="features", **options):
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=array, **options)


WRITERS = {
    "a.npy": lambda path: np.save(path, FEATURES),
    "b.npz": lambda path: np.savez_compressed(path, features=FEATURES, times=np.arange(12)),
    "c.h5": lambda path: write_h5(path, compression="gzip"),
    "d.pt": lambda path: torch.save({"features": torch.from_numpy(FEATURES), "fps": 25}, path),
    "e.pt": lambda path: torch.save(torch.from_numpy(FEATURES)[:, :, None, None, None], path),
    "f.npy": lambda path: np.save(path, FEATURES[None].astype(np.float16)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_each_format_is_read_to_the_last_digit(tmp_path, name):
    WRITERS[name](tmp_path / name)
    np.testing.assert_array_equal(read_features(tmp_path / name), FEATURES.astype(np.float16))


class Harmful:
    def __reduce__(self):
        return print, ("run",)


def linked(path: Path) -> None:
    write_h5(path.with_name("other.h5"))
    with h5py.File(path, "w") as file:
        file["features"] = h5py.ExternalLink("other.h5", "features")


def external(path: Path) -> None:
    path.with_name("raw").write_bytes(FEATURES.tobytes())
    with h5py.File(path, "w") as file:
        file.create_dataset("features", FEATURES.shape, "<f4", external=[("raw", 0, FEATURES.nbytes)])


def expanded(path: Path) -> None:
    torch.save(torch.zeros(1).expand(2**20, 2**20), path)


def stored(path: Path, content: object) -> None:
    path.write_bytes(pickle.dumps(content))


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Harmful()))
        archive.writestr("archive/version", "3")


HOSTILE = {
    "linked.h5": linked,
    "external.h5": external,
    "claims.h5": lambda path: write_h5(path, None, shape=(2**30, 2**10), dtype="<f4", chunks=(1, 2**10)),
    "damaged.h5": lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 100),
    "code.pt": lambda path: stored(path, Harmful()),
    "archive.pt": zipped,
    "expanded.pt": expanded,
    "text.npz": lambda path: np.savez(path, features=np.array(["a"])),
    "nan.npy": lambda path: np.save(path, FEATURES * np.nan),
    "large.npy": lambda path: np.save(path, FEATURES * 1e6),
    "line.npy": lambda path: np.save(path, FEATURES[0]),
    "empty.npy": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_features_are_refused(tmp_path, name, capfd):
    HOSTILE[name](tmp_path / name)
    with pytest.raises(KeypointsError):
        read_features(tmp_path / name)
    assert "run" not in capfd.readouterr().out


@pytest.mark.parametrize(("fps", "video_fps"), [(25, 25.0), (25, 50.0), (30, 25.0)])
def test_windows_of_another_frame_rate_keep_their_times(fps, video_fps):
    windows = Windows(fps, 16, 4)
    starts = windows.starts(40, video_fps)
    centres_s = (starts + 16 / 2) / video_fps
    wanted_s = (np.arange(40) * 4 + 8) / fps
    inside = wanted_s * video_fps >= 8  # a window before the video begins is its first
    np.testing.assert_allclose(centres_s[inside], wanted_s[inside], atol=0.51 / video_fps)
    if fps == video_fps:
        np.testing.assert_array_equal(starts, 4 * np.arange(40))
        assert nearest_rgb(np.array([20 + 7.5]), starts, 16) == [5]


def test_features_join_the_keypoints_of_their_corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("from").mkdir()
    for name in "abcdef":
        Path("from", f"{name}.pose").write_bytes(pose_bytes(0.2, people(60, 1, 67)))
    import_keypoints("mine", Path("from"), Path("data/raw/mine"))
    before = pd.read_parquet("data/raw/mine/videos.parquet")
    Path("rgb").mkdir()
    for name in ("a", "b", "c", "d"):
        np.save(f"rgb/{name}.npy", FEATURES)
    np.save("rgb/c.npy", FEATURES[:3])
    np.save("rgb/d.npy", FEATURES[:, :4])
    Path("rgb/e.pt").write_bytes(pickle.dumps(Harmful()))
    arguments = ["import", "features", "mine", "--from", "rgb", "--fps", "25", "--window", "16"]
    assert CliRunner().invoke(app, arguments).exit_code == 2  # no stride
    result = CliRunner().invoke(app, [*arguments, "--stride", "4"])
    assert result.exit_code == 0, result.output
    assert "2 of 6 videos have features now, 8 a window" in result.output
    assert "c.npy: 3 windows, but 2.4 s make 12 to 16 of 16 frames every 4 at 25 fps" in result.output
    assert "d.npy: 4 features a window, the others have 8" in result.output
    assert "no file of features is called 'f'" in result.output
    features, starts = ShardReader("data/raw/mine/rgb", "rgb").read("b", ("features", "starts"))
    np.testing.assert_array_equal(features, FEATURES.astype(np.float16))
    np.testing.assert_array_equal(starts, 4 * np.arange(12))
    after = pd.read_parquet("data/raw/mine/videos.parquet")
    assert (after["sha256"] != before["sha256"]).tolist() == [True, True, False, False, False, False]
    imported.hand_over("rgb", Path("data/raw/mine"), Path("out"))
    assert (ShardReader("out", "rgb").index["status"] == "ok").sum() == 2


def test_features_without_keypoints_say_what_to_import_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.rmtree("data", ignore_errors=True)
    options = ["--from", ".", "--fps", "25", "--window", "16", "--stride", "4"]
    result = CliRunner().invoke(app, ["import", "features", "mine", *options])
    assert "data/raw/mine has no imported keypoints" in result.output
