"""Finished trainings that are kept: found by what they depend on, checked, and only the last ones."""

import os
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
import torch
from helpers.logs import logged

from seds.resume.finished import KEPT, Finished


@pytest.fixture(autouse=True)
def project(tmp_path: Path) -> Iterator[Path]:
    with chdir(tmp_path):
        yield tmp_path


def test_result_is_found_by_what_it_depends_on() -> None:
    weights = torch.arange(6.0).view(2, 3)
    Finished("adapt", {"seed": 1}).write({"history": [1.5]}, {"w": weights})
    found = Finished("adapt", {"seed": 1}).read()
    assert found is not None
    assert found.values == {"history": [1.5]}
    assert torch.equal(found.tensors["w"], weights)
    assert Finished("adapt", {"seed": 2}).read() is None
    assert Finished("pretrain", {"seed": 1}).read() is None


def test_damaged_result_is_not_used(project: Path) -> None:
    finished = Finished("adapt", {})
    finished.write({}, {"w": torch.ones(100)})
    (path,) = project.rglob("*.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with logged() as messages:
        assert finished.read() is None
    assert "is damaged" in "\n".join(messages)


def test_results_that_were_used_last_are_kept() -> None:
    runs = [Finished("adapt", {"seed": seed}) for seed in range(KEPT + 2)]
    for second, run in enumerate(runs[:-1]):
        run.write({}, {"w": torch.ones(1)})
        os.utime(run.folder, (second, second))
        if second == 2:
            assert runs[0].read() is not None  # now it was used
    runs[-1].write({}, {"w": torch.ones(1)})
    assert [run.folder.is_dir() for run in runs] == [True, False, False, *[True] * (KEPT - 1)]
