"""Parts: what is written is read, what is not whole or another's is refused, folders stay small."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seds.engine.parts import Parts
from seds.extraction.assemble import PartError
from seds.extraction.extractor import Extraction, Failure

ID, OTHER = "ab" + "0" * 30, "cd" + "1" * 30
RESULT = Extraction({"features": np.ones((3, 4), np.float16), "starts": np.arange(3, dtype=np.int32)}, 20, 3)


def test_parts_return_results_and_failures_unchanged(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    assert parts.present() == set()
    parts.write(ID, RESULT)
    parts.write(OTHER, Failure("cannot be decoded", "truncated", lasting=True))
    assert parts.present() == {ID, OTHER}
    assert parts.failed() == {OTHER}
    read = parts.read(ID)
    assert isinstance(read, Extraction)
    assert (read.frames, read.rows) == (20, 3)
    for name, tensor in RESULT.tensors.items():
        assert read.tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(read.tensors[name], tensor)
    assert parts.read(OTHER) == Failure("cannot be decoded", "truncated", lasting=True)
    assert parts.bytes() == (tmp_path / "parts" / "ab" / f"{ID}.safetensors").stat().st_size
    for identity in (ID, OTHER):
        parts.discard(identity)
    assert parts.present() == set()


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_part_that_is_truncated_is_refused_by_name(tmp_path: Path, keep: int) -> None:
    parts = Parts(tmp_path)
    parts.write(ID, RESULT)
    path = tmp_path / "parts" / "ab" / f"{ID}.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PartError, match=str(path)):
        parts.read(ID)


def test_part_of_another_video_or_altered_is_refused(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    parts.write(ID, RESULT)
    path = tmp_path / "parts" / "ab" / f"{ID}.safetensors"
    foreign = tmp_path / "parts" / "cd" / f"{OTHER}.safetensors"
    foreign.parent.mkdir()
    foreign.write_bytes(path.read_bytes())
    with pytest.raises(PartError, match=f"expected schema 'seds-part-1' of identity '{OTHER}', found .*{ID}"):
        parts.read(OTHER)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(PartError, match="not those that were written"):
        parts.read(ID)
    path.write_bytes(b"\x00" * 1000)  # what a power cut can leave of a file
    with pytest.raises(PartError, match="not a readable part"):
        parts.read(ID)


@pytest.mark.slow
def test_thirty_thousand_parts_are_listed_at_once(tmp_path: Path) -> None:
    names = [f"{i * 2654435761 % 2**32:08x}".ljust(32, "0") for i in range(30_000)]
    for name in names:
        folder = tmp_path / "parts" / name[:2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.safetensors").touch()
    count = "import os; from pathlib import Path; from seds.engine.parts import Parts; calls = []; scan = os.scandir; "
    count += "os.scandir = lambda f: calls.append(f) or scan(f); print(len(Parts(Path('.')).present()), len(calls))"
    printed = subprocess.check_output([sys.executable, "-c", count], cwd=tmp_path, text=True)
    assert printed.split() == ["30000", "258"], "one look at each of 256 folders, their parent and the failures"
