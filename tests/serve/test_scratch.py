"""Folders for clips do not outlive their server."""

import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

from seds.serve.scratch import scratch


def hold(parent: Path, told: Connection) -> None:
    with scratch(parent) as folder:
        (folder / "clip-a").write_bytes(b"x")
        told.send(str(folder))
        time.sleep(60)


def test_a_scratch_folder_does_not_outlive_its_server(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(tmp_path, theirs))
    process.start()
    left = Path(ours.recv())
    with scratch(tmp_path) as mine:
        assert left.is_dir(), "its server lives"
        assert mine != left
        assert mine.stat().st_mode & 0o777 == 0o700
    assert not mine.exists()
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert left.is_dir()
    with scratch(tmp_path) as mine:
        assert [mine] == list(tmp_path.iterdir()), "what the killed one left is gone"
    assert list(tmp_path.iterdir()) == []
