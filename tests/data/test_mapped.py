"""Views of mapped tensors: what safetensors itself reads, and files that are refused."""

import json
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from seds import shards
from seds.data import mapped
from seds.data.mapped import MappedError, MappedReader
from seds.shards import ShardError, ShardReader

TENSORS = {
    "half": np.arange(60, dtype=np.float16).reshape(20, 3),
    "single": np.linspace(0, 1, 7, dtype=np.float32),
    "places": np.arange(5, dtype=np.int64),
    "starts": np.arange(3, dtype=np.int32),
    "nothing": np.empty((0, 21, 2), np.float32),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "a.safetensors", {"made": "here"})
    return tmp_path / "a.safetensors"


def test_views_are_the_tensors(path: Path) -> None:
    tensors = mapped.locations(path)
    file = mapped.open_map(path, mapped.file_state(path))
    assert tensors.keys() == TENSORS.keys()
    for name, expected in TENSORS.items():
        found = mapped.view(file, tensors[name])
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        with pytest.raises(ValueError, match="read-only"):
            found[...] = 0


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:-1], "incomplete metadata"),
        (lambda content: content + b"?", "incomplete metadata"),
        (lambda content: content[:40], "invalid header length"),
        (lambda content: b"", "header too small"),
        (lambda content: content[:9] + b"?" + content[10:], "invalid JSON in header"),
        (lambda content: content.replace(b"F16", b"F8?"), "unknown variant `F8\\?`"),
        (lambda content: content.replace(b"F16", b"I16"), "'I16'"),
        (lambda content: struct.pack("<Q", 2) + b"[]", "invalid JSON in header"),
    ],
)
def test_a_damaged_file_is_named(path: Path, damage, said: str) -> None:
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(MappedError, match=rf"a\.safetensors is not a readable safetensors file: .*{said}"):
        mapped.locations(path)


def test_a_file_that_was_replaced_is_not_mapped(path: Path) -> None:
    known = mapped.file_state(path)
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(MappedError, match="cannot be read any more"):
        mapped.open_map(path, known)
    path.write_bytes(content)
    with pytest.raises(MappedError, match="has changed since this run began"):
        mapped.open_map(path, known)


def test_the_reader_gives_what_the_copying_one_gives(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    rows = []
    for name in "abcdef":
        videos = {f"{name}{i}": {"keypoints": generator.normal(size=(i + 1, 133, 3)).astype("f4")} for i in range(3)}
        shards.write_shard(tmp_path / f"{name}.safetensors", "pose", videos, {"fps": "25"})
        rows += [(video_id, f"{name}.safetensors", 1, 1, "ok", "") for video_id in videos]
    columns = ["video_id", "shard", "frames", "rows", "status", "detail"]
    shards.write_index(tmp_path, pd.DataFrame([*rows, ("failed", "", 0, 0, "failed", "why")], columns=columns))
    ours, plain = MappedReader(tmp_path, "pose"), ShardReader(tmp_path, "pose")
    held = {video_id: ours.read(video_id, ["keypoints"])[0] for video_id, *_ in rows}  # more shards than stay open
    for video_id, found in held.items():
        np.testing.assert_array_equal(found, plain.read(video_id, ["keypoints"])[0])
    assert ours.metadata["fps"] == "25"
    for reader in (ours, plain):
        with pytest.raises(ShardError, match="has no pose for video 'failed'"):
            reader.read("failed", ["keypoints"])
        with pytest.raises(ShardError, match=r"a\.safetensors.*'a0'.*joints/a0"):
            reader.read("a0", ["joints"])
    (tmp_path / "b.safetensors").write_bytes(b"{}")
    with pytest.raises(ShardError, match=r"b\.safetensors is not a readable shard"):
        MappedReader(tmp_path, "pose").read("b0", ["keypoints"])
    header = json.dumps({"schema": shards.SCHEMA, "kind": "rgb"})
    save_file(TENSORS, tmp_path / "c.safetensors", {"seds": header})
    with pytest.raises(ShardError, match="of kind 'pose'"):
        MappedReader(tmp_path, "pose").read("c0", ["keypoints"])
