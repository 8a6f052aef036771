"""Tensor files: what was written is read back, and a file that is damaged, foreign or of another schema is named."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from seds.tensorfile import TensorFileError, open_tensors, read_tensors, write_tensors

TENSORS = {"b": np.arange(6, dtype=np.float16).reshape(3, 2), "a": np.arange(5), "turned": np.ones((4, 3)).T}
HEADER = {"schema": "test-1", "kind": "toy", "ids": ["ä", "b"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_tensors(tmp_path / "folder" / "x.safetensors", TENSORS, HEADER)
    return tmp_path / "folder" / "x.safetensors"


def test_tensors_are_read_as_written(path: Path) -> None:
    tensors, header = read_tensors(path, "toy", "test-1", kind="toy")
    assert header == HEADER
    assert tensors.keys() == TENSORS.keys()
    for name, expected in TENSORS.items():
        assert tensors[name].dtype == expected.dtype
        np.testing.assert_array_equal(tensors[name], expected)
    views, _ = read_tensors(path, "toy", "test-1", "pt")
    assert views["b"].equal(torch.from_numpy(TENSORS["b"]))


def test_equal_tensors_and_headers_make_equal_bytes(path: Path) -> None:
    other = path.with_name("y.safetensors")
    write_tensors(other, dict(reversed(TENSORS.items())), HEADER)
    assert other.read_bytes() == path.read_bytes()
    with safe_open(path, "numpy") as file:
        assert file.metadata() == {"seds": json.dumps(HEADER)}


@pytest.mark.parametrize("keep", [0, 5, 40, -1])
def test_truncated_file_is_named(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(TensorFileError, match=rf"{path} is not a readable toy \("):
        open_tensors(path, "toy", "test-1")


@pytest.mark.parametrize("header", ["[]", "3", '{"schema": "test-0", "kind": "toy"}', None])
def test_foreign_file_is_refused_with_its_schema(tmp_path: Path, header: str | None) -> None:
    path = tmp_path / "x.safetensors"
    save_file(TENSORS, path, {"seds": header} if header else {})
    found = "'test-0' of kind 'toy'" if header and "test-0" in header else "None of kind None"
    with pytest.raises(TensorFileError, match=f"{path}: expected schema 'test-1' of kind 'toy', found {found}"):
        open_tensors(path, "toy", "test-1", kind="toy")


def test_header_that_is_not_json_is_named(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "x.safetensors", {"seds": "{"})
    with pytest.raises(TensorFileError, match=r"x.safetensors is not a readable toy"):
        open_tensors(tmp_path / "x.safetensors", "toy", "test-1")


def test_entries_that_differ_are_told_with_what_was_expected(path: Path) -> None:
    with pytest.raises(TensorFileError, match="expected schema 'test-1' of kind 'other', found 'test-1' of kind 'toy'"):
        open_tensors(path, "toy", "test-1", kind="other")
    with pytest.raises(TensorFileError, match=r"expected schema 'test-2', found 'test-1'$"):
        open_tensors(path, "toy", "test-2")
