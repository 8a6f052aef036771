"""Which videos have killed what worked on them, remembered beyond the death of the process that would know.

A run keeps a journal of the videos in its workers' hands; one that dies leaves it, and the next run reads from it who
was there. A death counts 1 for a video whose own worker died, or that was alone in the hands of a run that died;
where others shared the run or machine that died, each of them counts 1/2, for any may have been the cause. From 1 on
a video runs alone, after all others; at 2 it is set aside, so that one poisoned video cannot stop a corpus for ever.

<folder>/runs/<run>.jsonl         journal of a run, locked while it lives
<folder>/deaths/<identity>.json   the deaths a video was there at; removing it has the video tried again
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from seds.extraction.extractor import Video
from seds.system.files import StorageError, write_bytes
from seds.system.locks import try_lock

ALONE = 1.0  # weight from which on a video runs alone
LIMIT = 2.0  # weight at which it is set aside


class Suspects:
    """The deaths that videos were there at, below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.deaths, self.runs = folder / "deaths", folder / "runs"
        self._known: dict[str, dict[str, dict]] = {
            path.stem: json.loads(path.read_bytes())["deaths"] for path in self.deaths.glob("*.json")
        }
        self._recover()

    def weight(self, video: Video) -> float:
        return sum(death["weight"] for death in self._known.get(video.identity, {}).values())

    def last_words(self, video: Video) -> str:
        """How it ended the last time."""
        return list(self._known[video.identity].values())[-1]["how"]

    def file(self, video: Video) -> Path:
        """What to remove for the video to be tried again."""
        return self.deaths / f"{video.identity}.json"

    def blame(self, video: Video, how: str, certain: bool) -> None:
        """A death happened to this video's worker; not `certain` where that machine died and others with it."""
        self._add(video.identity, video.video_id, uuid4().hex, how, 1.0 if certain else 0.5)

    def absolve(self, video: Video) -> None:
        """It has come through."""
        if self._known.pop(video.identity, None):
            self.file(video).unlink(missing_ok=True)

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        """The journal of this run. An exception is no death: whoever raised it has closed the books."""
        path = self.runs / f"{uuid4().hex}.jsonl"
        unlocked = path.with_suffix(".new")  # invisible to others until it is locked
        try:
            self.runs.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
            try_lock(descriptor)
            unlocked.rename(path)
        except OSError as error:
            raise StorageError(self.runs, error) from error
        try:
            yield Journal(descriptor, self.runs)
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def _recover(self) -> None:
        """Turn the journals of dead runs into deaths."""
        for path in sorted(self.runs.glob("*.jsonl")):
            with suppress(FileNotFoundError), path.open("r+b") as file:  # another run may recover the same
                if not try_lock(file.fileno()):
                    continue
                present = _in_flight(file.read())
                for identity, video_id in present.items():
                    weight = 1.0 if len(present) == 1 else 0.5
                    self._add(identity, video_id, path.stem, "the whole run died while it was at work on it", weight)
                path.unlink()

    def _add(self, identity: str, video_id: str, event: str, how: str, weight: float) -> None:
        # By event: a journal read twice, as when its reader dies too, counts once.
        deaths = self._known.setdefault(identity, {})
        deaths[event] = {"how": how, "weight": weight}
        text = json.dumps({"video_id": video_id, "deaths": deaths}, indent=1)
        write_bytes(self.deaths / f"{identity}.json", text.encode())


class Journal:
    """Says on disk which videos are in the hands of workers."""

    def __init__(self, descriptor: int, folder: Path) -> None:
        self._descriptor, self._folder = descriptor, folder

    def begin(self, video: Video) -> None:
        """Before a worker gets it. Raises StorageError."""
        self._append(["begin", video.identity, video.video_id])
        os.fdatasync(self._descriptor)  # the machine may go down with it

    def end(self, video: Video) -> None:
        """After its outcome has landed, or its death has been recorded. Raises StorageError."""
        self._append(["end", video.identity, video.video_id])

    def _append(self, entry: list[str]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        try:
            if os.write(self._descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise StorageError(self._folder, error) from error


def _in_flight(journal: bytes) -> dict[str, str]:
    """{identity: video_id} of those begun and not ended; a last line cut short by the end of the writer is left out."""
    present = {}
    for line in journal.split(b"\n")[:-1]:
        event, identity, video_id = json.loads(line)
        if event == "begin":
            present[identity] = video_id
        else:
            present.pop(identity, None)
    return present
