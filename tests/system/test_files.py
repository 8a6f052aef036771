"""Files and folders that appear whole or not at all, whatever writes them and whatever ends it."""

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from seds.system import files
from seds.system.files import StorageError, atomic_folder, atomic_write, write_bytes, write_json


@pytest.fixture
def umask() -> Iterator[None]:
    """Files of this test are readable by the group, and by nobody else."""
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_atomic_write_gives_the_permissions_of_the_umask(tmp_path: Path, umask: None) -> None:
    with atomic_write(tmp_path / "deep" / "tensors") as temporary:
        save_file({"a": np.ones(3)}, temporary)  # which makes a file for its owner alone
    write_bytes(tmp_path / "deep" / "bytes", b"x", sync=False)
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "deep").iterdir()} == {
        "tensors": 0o640,
        "bytes": 0o640,
    }


def test_atomic_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"before")

    def write(error: Exception) -> None:
        with atomic_write(path) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(ValueError, match="by the writer"):
        write(ValueError("by the writer"))
    with pytest.raises(StorageError, match=f"{tmp_path} cannot be written: quota"):
        write(OSError("quota"))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_write_replaces_a_link_and_not_its_target(tmp_path: Path) -> None:
    cached, path = tmp_path / "cached", tmp_path / "file"
    cached.write_bytes(b"in a cache")
    path.symlink_to(cached)
    write_bytes(path, b"new")
    assert (path.read_bytes(), cached.read_bytes(), path.is_symlink()) == (b"new", b"in a cache", False)


def test_atomic_write_names_the_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file/below cannot be written: "):
        write_bytes(tmp_path / "file" / "below" / "x", b"")


def test_write_bytes_beyond_the_disk_names_the_folder(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(StorageError, match=f"{tmp_path} cannot be written.*run the same command again") as caught:
            write_bytes(tmp_path / "file", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.EFBIG
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sync", [True, False])
def test_atomic_write_waits_for_the_disk_unless_told(
    tmp_path: Path, sync: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_for = []
    monkeypatch.setattr(files, "_sync", lambda path: waited_for.append(path.name.partition(".")[0]))
    write_bytes(tmp_path / "file", b"x", sync)
    assert waited_for == (["file", tmp_path.name] if sync else [])


def test_write_json_is_text_for_people(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"text": "ä", "list": [1]})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "text": "ä",\n  "list": [\n    1\n  ]\n}\n'.encode()


def test_atomic_folder_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    for content in ("first", "second"):
        (tmp_path / "made.partial").mkdir()
        (tmp_path / "made.partial" / "left of a killed process").touch()
        with atomic_folder(folder) as temporary:
            write_bytes(temporary / content, b"x")
        assert [path.name for path in folder.iterdir()] == [content]
    assert list(tmp_path.iterdir()) == [folder]


def test_atomic_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    with atomic_folder(folder) as temporary:
        write_bytes(temporary / "whole", b"x")

    def fill() -> None:
        with atomic_folder(folder) as temporary:
            write_bytes(temporary / "half", b"x")
            raise FileNotFoundError("an input")

    with pytest.raises(FileNotFoundError, match="an input"):
        fill()
    assert [path.name for path in folder.iterdir()] == ["whole"]
    assert list(tmp_path.iterdir()) == [folder]
