"""Interrupted runs of other settings, code or data: listed with what a person needs to decide, and never removed."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.logs import logged

from seds.resume import run_folder

RUN = {
    "dataset": {"profile": "small"},
    "train": {"lr": 1e-3, "losses": {"match_weight": 0.4}},
    "weights": {},
    "data": {"manifest": "a", "pose": "b", "rgb": "c"},
    "code": "d",
    "torch": "2.14.1",
    "processes": 1,
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def interrupted_run(days: float = 0, **changes: Any) -> Path:
    """The folder of a run that differs by `changes`, whose state of 2.5 MB was written so many days ago."""
    folder = run_folder.run_folder("toy", RUN | changes)
    state = folder / "3" / "000000012.safetensors"
    state.parent.mkdir()
    state.write_bytes(bytes(2_500_000))
    written = time.time() - 86400 * days
    for path in (state, folder / "run.json"):
        os.utime(path, (written, written))
    return folder


def listed(folder: Path) -> list[str]:
    with logged() as messages:
        run_folder.list_other_runs(folder)
    return messages


@pytest.mark.parametrize("days", [1, 40, 400])
def test_other_runs_are_listed_and_never_removed(days: float) -> None:
    other = interrupted_run(days, train={"lr": 5e-4, "losses": {"match_weight": 0.4}})
    before = {path: path.read_bytes() for path in other.rglob("*") if path.is_file()}
    (said,) = listed(run_folder.run_folder("toy", RUN))
    assert {path: path.read_bytes() for path in other.rglob("*") if path.is_file()} == before
    assert f"{other} (3 MB, last written {days} day{'s' * (days > 1)} ago)" in said
    assert f"To remove it: rm -r {other}" in said


def test_other_runs_exclude_this_one() -> None:
    assert listed(interrupted_run()) == []


def test_other_settings_resume_by_the_same_command() -> None:
    interrupted_run(train={"lr": 5e-4, "losses": {"match_weight": 0.5}})
    (said,) = listed(run_folder.run_folder("toy", RUN))
    assert "differs in train.lr 0.0005 (here 0.001), train.losses.match_weight 0.5 (here 0.4)" in said
    assert "With its settings, the same command resumes it." in said
    assert "code" not in said


def test_other_code_resumes_with_that_code_only() -> None:
    interrupted_run(code="e")
    (said,) = listed(run_folder.run_folder("toy", RUN))
    assert "differs in the code." in said
    assert "Only its version of the code can resume it." in said
    assert "settings" not in said


def test_other_code_and_settings_need_both_to_resume() -> None:
    interrupted_run(code="e", train={"lr": 5e-4, "losses": {"match_weight": 0.4}})
    (said,) = listed(run_folder.run_folder("toy", RUN))
    assert "Only its version of the code, with its settings, can resume it." in said


def test_other_data_and_torch_are_named_as_conditions() -> None:
    interrupted_run(data={"manifest": "a", "pose": "x", "rgb": "y"}, torch="2.13.0", processes=2)
    (said,) = listed(run_folder.run_folder("toy", RUN))
    assert "differs in data pose, data rgb, torch 2.13.0 (here 2.14.1), processes 2 (here 1)." in said
    assert "With its data and torch version and settings, the same command resumes it." in said


def test_run_without_a_readable_record_is_listed() -> None:
    other = interrupted_run(code="e")
    (other / "run.json").write_text("{")
    (said,) = listed(run_folder.run_folder("toy", RUN))
    assert f"{other / 'run.json'} is not readable" in said
    assert f"To remove it: rm -r {other}" in said
    assert json.loads((run_folder.run_folder("toy", RUN) / "run.json").read_text()) == RUN
