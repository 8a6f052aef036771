"""Snapshots against what befalls files: truncation, other bytes, a full disk."""

import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers.logs import logged

from seds.resume.snapshots import Snapshots, WriteError

TENSORS = {
    "matrix": torch.arange(120_000, dtype=torch.float32).view(300, 400),
    "number": torch.tensor(2.0**40),
    "half": torch.ones(3, dtype=torch.bfloat16),
    "count": torch.tensor(7),
    "true": torch.tensor([True, False]),
    "none": torch.zeros(0, 4),
}
VALUES = {"norms": [0.1, 1e-30, 1 / 3], "history": [{"dev": {"R@1": 50.0}}], "empty": {}}


def changed(number: int) -> dict[str, torch.Tensor]:
    return {name: tensor + number if tensor.dtype == torch.float32 else tensor for name, tensor in TENSORS.items()}


def written(folder: Path, numbers: range) -> Snapshots:
    snapshots = Snapshots(folder)
    for number in numbers:
        snapshots.write(number, {**VALUES, "number": number}, changed(number))
    return snapshots


def assert_newest(snapshots: Snapshots, number: int) -> list[str]:
    """It holds what was written, bit for bit; returns what was logged of others."""
    with logged() as messages:
        snapshot = snapshots.newest()
    assert snapshot is not None
    assert (snapshot.number, snapshot.values) == (number, {**VALUES, "number": number})
    assert set(snapshot.tensors) == set(TENSORS)
    for name, tensor in changed(number).items():
        assert snapshot.tensors[name].dtype == tensor.dtype
        assert snapshot.tensors[name].equal(tensor)
    return messages


def test_newest_snapshot_is_read_and_the_previous_one_stays(tmp_path: Path) -> None:
    snapshots = written(tmp_path / "run", range(8, 12))
    assert snapshots.numbers() == [11, 10]
    assert assert_newest(snapshots, 11) == []
    assert len(list((tmp_path / "run").iterdir())) == 2
    snapshots.write(12, VALUES, TENSORS, keep=1)
    assert snapshots.numbers() == [12]


def test_newest_snapshot_is_none_in_an_empty_folder(tmp_path: Path) -> None:
    with logged() as messages:
        assert Snapshots(tmp_path / "run").newest() is None
    assert messages == []


@pytest.mark.parametrize("damage", ["truncated", "empty", "one bit", "another's"])
def test_damaged_snapshot_falls_back_to_the_previous_one(tmp_path: Path, damage: str) -> None:
    snapshots = written(tmp_path, range(1, 3))
    first, second = sorted(tmp_path.iterdir())
    content = bytearray(second.read_bytes())
    if damage == "one bit":
        content[-len(content) // 3] ^= 1
    second.write_bytes({"truncated": content[:-1], "empty": b"", "another's": first.read_bytes()}.get(damage, content))
    (message,) = assert_newest(snapshots, 1)
    assert str(second) in message
    assert "the one before it is used" in message
    assert snapshots.numbers() == [1]
    snapshots.write(2, {**VALUES, "number": 2}, changed(2))
    assert assert_newest(snapshots, 2) == []


def test_snapshots_sweep_up_after_a_killed_writer(tmp_path: Path) -> None:
    (tmp_path / "000000001.safetensors.0123.partial").write_bytes(b"half")
    written(tmp_path, range(2, 3))
    assert [path.name for path in tmp_path.iterdir()] == ["000000002.safetensors"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for two snapshots, and not for three."""
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["-t", "tmpfs", "-o", "size=1200k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(["mount", *options], capture_output=True).returncode:
        pytest.skip("file systems may not be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_snapshots_survive_a_full_disk(small_disk: Path) -> None:
    snapshots = written(small_disk / "run", range(1, 3))
    with pytest.raises(WriteError, match=r"disk/run cannot be written: .*No space left on device"):
        snapshots.write(3, VALUES, TENSORS)
    assert [path.suffix for path in (small_disk / "run").iterdir()] == [".safetensors"] * 2, "no part of it is left"
    assert assert_newest(snapshots, 2) == []


def test_snapshots_survive_a_file_size_limit(tmp_path: Path) -> None:
    snapshots = written(tmp_path, range(1, 2))
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(WriteError, match="File too large"):
            snapshots.write(2, VALUES, TENSORS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert assert_newest(snapshots, 1) == []
