"""What goes wrong around videos: files that go or change under the run, full disks, two runs at once."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from helpers.toy_extractor import begun
from helpers.toy_runs import files, parts, run_toy

from seds.engine.attempt import Attempt
from seds.engine.command import run_extraction_stage
from seds.extraction.extractor import Extraction, Failure, Video
from seds.system.files import EngineError
from seds.system.jobs import JobShare
from seds.system.locks import lock
from seds.video import content_hash
from stages import pose

TESTS = str(Path(__file__).parents[1])


def script(folder: Path, call: str) -> list[str]:
    """The command of a program that makes a toy run as a stage does."""
    lines = (
        f"import sys; sys.path.insert(0, {TESTS!r})",
        "from pathlib import Path",
        "from helpers.toy_runs import run_toy, LocalExecutor",
        "from seds.system.commands import run_stage",
        f"if __name__ == '__main__': run_stage(lambda: {call})",
    )
    (folder / "pose.py").write_text("\n".join(lines))
    return [sys.executable, str(folder / "pose.py")]


def test_video_that_vanishes_or_changes_is_listed(tmp_path: Path) -> None:
    names = ("0", "1-vanish", "2-change", "3")
    index = run_toy(tmp_path, *names)
    assert index["status"].tolist() == ["ok", "failed", "failed", "ok"]
    assert index["detail"][1].startswith(f"{tmp_path}/videos/1-vanish.mp4: vanished")
    assert index["detail"][2].startswith(f"{tmp_path}/videos/2-change.mp4: changed")
    assert len(parts(tmp_path)) == 2, "a result of changed content is nobody's"


def test_failure_that_names_no_utf8_is_listed(tmp_path: Path) -> None:
    for _ in range(2):  # once found, once read from the disk
        index = run_toy(tmp_path, "0", "1-latin")
        assert index["detail"].tolist() == [
            "",
            rf"{tmp_path}/videos/1-latin.mp4: cannot be decoded: caf\xe9.png: damaged",
        ]


def test_attempt_hashes_a_file_once_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "long.mp4"
    path.write_text("long")
    seen = []

    def extractor(video: Video) -> Extraction:
        seen.append(video.start_s)
        return Extraction({}, 1, 1)

    attempt = Attempt(extractor)
    first, second = (Video("a", str(path), s, s + 1, 1, 25.0, 8, 8, content_hash(path)) for s in (0.0, 1.0))
    assert isinstance(attempt(first), Extraction)
    assert isinstance(attempt(second), Extraction)
    path.write_text("other")
    failure = attempt(first)
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.lasting) == ("changed", False)
    assert seen == [0.0, 1.0], "changed content is not extracted"


def test_run_stops_after_many_failures_outside_the_videos(tmp_path: Path) -> None:
    names = [f"{i}-odd" for i in range(60)]
    with pytest.raises(
        EngineError, match=r"20 videos in a row failed .*RuntimeError: odd.* run the same command again"
    ):
        run_toy(tmp_path, "99", *names)
    assert len(parts(tmp_path)) == 1
    assert (run_toy(tmp_path, *(f"{i}-bad" for i in range(60)))["status"] == "failed").all(), "broken videos do not"


@pytest.mark.slow
@pytest.mark.parametrize("where", ["work", "out"])
def test_full_disk_stops_the_run_by_name_and_loses_nothing(tmp_path: Path, where: str) -> None:
    """A real disk of 100 KB, in a mount namespace of its own."""
    names = [f"{i}" for i in range(3000, 3010)]  # as many frames: 24 KB a part
    command = script(tmp_path, f"run_toy(Path({str(tmp_path)!r}), *{names!r}, executor=LocalExecutor(['cpu']))")
    (tmp_path / where).mkdir()
    mount = f"mount -t tmpfs -o size=100k none {tmp_path}/{where}"
    full = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*full, mount], capture_output=True).returncode:
        pytest.skip("this system lets users mount nothing")
    keep = f"{mount} && {' '.join(command)}; code=$?; cp -r {tmp_path}/{where} {tmp_path}/kept; exit $code"
    done = subprocess.run([*full, keep], capture_output=True, text=True)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"pose: {tmp_path}/{where}")
    assert "No space left on device" in last
    assert last.count("cannot be written") == 1, last
    assert "then run the same command again" in last
    done_before = begun(tmp_path / "log")
    if where == "work":
        assert 2 <= len(done_before) < 10
        (tmp_path / "kept").rename(tmp_path / "work.kept")
        (tmp_path / "work").rmdir()
        (tmp_path / "work.kept").rename(tmp_path / "work")
        landed = parts(tmp_path)
        assert len(landed) >= 2
        assert not [path for path in tmp_path.glob("work/pose/*/parts/*/*") if path.suffix != ".safetensors"]
    else:
        assert not (tmp_path / "kept" / "index.parquet").exists(), "what is not whole has no index"
        landed = parts(tmp_path)
        assert len(landed) == len(done_before) == 10
    run_toy(tmp_path, *names)
    assert parts(tmp_path).items() >= landed.items()
    run_toy(tmp_path / "fresh", *names)
    assert files(tmp_path / "out") == files(tmp_path / "fresh" / "out")


@pytest.mark.slow
def test_second_run_waits_for_the_first_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = [f"{i}-slow" for i in range(4)]
    orphan = subprocess.Popen(script(tmp_path, f"run_toy(Path({str(tmp_path)!r}), *{names!r})"), start_new_session=True)
    while not begun(tmp_path / "log"):
        time.sleep(0.05)
    with caplog.at_level(logging.INFO):
        index = run_toy(tmp_path, *names)
    assert orphan.wait(60) == 0
    assert (index["status"] == "ok").all()
    assert len(begun(tmp_path / "log")) == 4, "the second computed nothing again"
    assert f"pose of out is already running: process {orphan.pid} on " in caplog.text


def test_lock_is_shared_by_jobs_and_only_by_them(tmp_path: Path) -> None:
    path, got = tmp_path / "a.lock", []

    def whole() -> None:
        with lock(path, "pose of a"):
            got.append("whole")

    with lock(path, "pose of a", shared=True), lock(path, "pose of a", shared=True):
        waiting = threading.Thread(target=whole)
        waiting.start()
        time.sleep(0.2)
        assert got == []
    waiting.join(10)
    assert got == ["whole"]


@pytest.mark.slow
def test_sigterm_does_not_count_as_a_crash_of_any_video(tmp_path: Path) -> None:
    names = ["0-slow-slow", "1-slow"]
    stage = subprocess.Popen(
        script(tmp_path, f"run_toy(Path({str(tmp_path)!r}), *{names!r}, executor=LocalExecutor(['cpu']))"),
        start_new_session=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not begun(tmp_path / "log"):
        time.sleep(0.01)
    os.killpg(stage.pid, signal.SIGTERM)  # as schedulers do: to all of them
    printed, _ = stage.communicate(timeout=60)
    assert stage.returncode == 130
    assert "run the same command again to continue" in printed
    assert not list(tmp_path.glob("work/pose/*/runs/*"))
    assert not list(tmp_path.glob("work/pose/*/crashes/*"))


@pytest.mark.slow
def test_workers_die_with_the_stage(tmp_path: Path) -> None:
    stage = subprocess.Popen(
        script(tmp_path, f"run_toy(Path({str(tmp_path)!r}), *{[f'{i}-slow' for i in range(50)]!r})"),
        start_new_session=True,
    )
    while len(begun(tmp_path / "log")) < 3:
        time.sleep(0.05)
    workers = {int(line.split()[2]) for line in (tmp_path / "log").read_text().splitlines()}
    os.kill(stage.pid, signal.SIGKILL)
    stage.wait()
    until = time.monotonic() + 10
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_jobs_are_disjoint_complete_and_stable(tmp_path: Path) -> None:
    videos = [Video(str(i), "", None, None, 1, 25.0, 8, 8, f"{i:064x}") for i in range(500)]
    for count in (1, 3, 7):
        owners = [
            [i for i in range(1, count + 1) if JobShare(i, count).includes(int(video.identity, 16))] for video in videos
        ]
        assert all(len(owner) == 1 for owner in owners)
        sizes = [sum(owner == [i] for owner in owners) for i in range(1, count + 1)]
        assert min(sizes) > 0.7 * len(videos) / count
    moved = Video("renamed", "elsewhere.mp4", None, None, 1, 25.0, 8, 8, f"{7:064x}")
    assert moved.identity == videos[7].identity


@pytest.mark.parametrize("text", ["0/4", "5/4", "x", "1", "1/0", "-1/4", "1/4/2", "1.5/4", ""])
def test_job_that_is_invalid_is_named(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start_stage(monkeypatch, f"--job={text}") == 2
    assert f"'--job': {text!r}: expected i/n with i from 1 to n" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--shard=5/4"], ["--shard", "5/4"]])
def test_job_by_its_old_option_is_understood(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start_stage(monkeypatch, *arguments) == 2
    printed = capsys.readouterr().err
    assert "--shard is deprecated; use --job" in printed
    assert "'--job': '5/4': expected i/n" in printed


@pytest.mark.slow
def test_stage_as_it_is_typed_knows_jobs_alone() -> None:
    command = [sys.executable, "-m", "stages.pose", "demo"]
    printed = subprocess.run([*command, "--help"], capture_output=True, text=True).stdout
    assert "--job" in printed
    assert "--shard" not in printed
    assert subprocess.run([*command, "--job=5/4"], capture_output=True).returncode == 2


def start_stage(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    """What `python -m stages.pose demo` with these arguments ends with, in this process."""
    monkeypatch.setattr(sys, "argv", ["stages/pose.py", "demo", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_extraction_stage(pose.main)
    return ended.value.code
