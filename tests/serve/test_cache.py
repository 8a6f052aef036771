"""The bounded folder: a file is made once, fails once, and the least recently used goes first."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seds.serve.cache import Cache
from seds.serve.sandbox import InvalidInputError

MB = 1 << 20


def test_a_file_is_made_once_and_seen_whole(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 100)
    made: list[Path] = []

    def make(path: Path) -> None:
        made.append(path)
        with path.open("wb") as file:
            for _ in range(10):
                file.write(b"x" * 1000)
                time.sleep(0.005)

    with ThreadPoolExecutor(16) as pool:
        sizes = list(pool.map(lambda i: cache.get(["film", i % 2], ".mp4", make).stat().st_size, range(64)))
    assert sizes == [10_000] * 64
    assert len(made) == 2
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".mp4", ".mp4"]
    again = Cache(tmp_path, 100)  # another server later
    again.get(["film", 0], ".mp4", make)
    assert len(made) == 2
    assert again.get(["film", 0], ".jpg", make) != again.get(["film", 0], ".mp4", make)


def test_invalid_input_is_not_tried_again_but_failures_are(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 100)
    tried: list[str] = []

    def refuse(path: Path) -> None:
        path.write_bytes(b"half")
        tried.append("refuse")
        raise InvalidInputError("no video")

    def fail(path: Path) -> None:
        tried.append("fail")
        raise OSError("disk full")

    for _ in range(3):
        with pytest.raises(InvalidInputError, match="no video"):
            cache.get("a", ".mp4", refuse)
        with pytest.raises(OSError, match="disk full"):
            cache.get("b", ".mp4", fail)
    assert sorted(tried) == ["fail"] * 3 + ["refuse"]
    assert list(tmp_path.iterdir()) == []


def test_the_least_recently_used_files_go_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 3)
    paths = [cache.get(i, ".mp4", lambda path: path.write_bytes(b"x" * MB)) for i in range(6)]
    assert all(path.exists() for path in paths), "all are in use"
    changed = paths[0].stat().st_mtime_ns
    for age, path in enumerate(paths):
        os.utime(path, ns=(time.time_ns() - (1000 - age) * 10**9, path.stat().st_mtime_ns))
    cache.get(0, ".mp4", lambda path: pytest.fail("it is there"))
    assert paths[0].stat().st_mtime_ns == changed, "browsers know a file by it"
    cache.get(6, ".mp4", lambda path: path.write_bytes(b"x" * MB))
    assert [path.exists() for path in paths] == [True, False, False, False, False, True]


def test_an_unfinished_file_of_a_killed_server_is_removed(tmp_path: Path) -> None:
    (tmp_path / "abc.mp4.partial").write_bytes(b"half")
    Cache(tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_slow_file_does_not_delay_others(tmp_path: Path) -> None:
    cache, go = Cache(tmp_path, 1), threading.Event()

    def slow(path: Path) -> None:
        assert go.wait(10)
        path.write_bytes(b"slow")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(cache.get, "slow", ".mp4", slow)
        assert cache.get("quick", ".mp4", lambda path: path.write_bytes(b"quick")).read_bytes() == b"quick"
        assert not waiting.done()
        go.set()
        assert waiting.result(10).read_bytes() == b"slow"
