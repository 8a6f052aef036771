"""Which videos were being processed when a worker, a run or a machine died, remembered by the runs that follow.

A run keeps a journal of the videos that its workers have. A run that dies leaves its journal behind, and the next run
reads from it which videos those were. A death counts 1 for a video whose own worker died, or that was the only one in a
run that died. Where several videos shared the run or the machine that died, each counts 1/2, since any of them may have
been the cause. From 1 on a video runs alone, after all others. At 2 it is quarantined, so that one video that crashes
its worker cannot hold up a corpus forever.

<folder>/runs/<run>.jsonl          journal of a run, locked while the run lives
<folder>/crashes/<identity>.json   the deaths of a video; remove the file to have the video tried again
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
from seds.system.files import storage_errors, write_bytes
from seds.system.locks import try_lock

RUN_ALONE = 1.0  # from this weight on a video runs alone
QUARANTINE = 2.0  # at this weight it is not run any more


class CrashLog:
    """The deaths below `folder`, by video."""

    def __init__(self, folder: Path) -> None:
        self.crashes, self.runs = folder / "crashes", folder / "runs"
        self._deaths: dict[str, dict[str, dict]] = {  # by the video's identity, then by event
            path.stem: json.loads(path.read_bytes())["deaths"] for path in self.crashes.glob("*.json")
        }
        self._read_journals_of_dead_runs()

    def weight(self, video: Video) -> float:
        return sum(death["weight"] for death in self._deaths.get(video.identity, {}).values())

    def last_error(self, video: Video) -> str:
        """How its last run ended."""
        return list(self._deaths[video.identity].values())[-1]["how"]

    def path(self, video: Video) -> Path:
        """The file to remove for the video to be tried again."""
        return self.crashes / f"{video.identity}.json"

    def record(self, video: Video, how: str, certain: bool) -> None:
        """The video's worker died; not `certain` if its machine died, and other videos' workers with it."""
        self._add(video.identity, video.video_id, uuid4().hex, how, 1.0 if certain else 0.5)

    def clear(self, video: Video) -> None:
        """The video has been processed."""
        if self._deaths.pop(video.identity, None):
            self.path(video).unlink(missing_ok=True)

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        """The journal of this run. An exception is not a crash: the journal is then closed in order."""
        path = self.runs / f"{uuid4().hex}.jsonl"
        unlocked = path.with_suffix(".new")  # no other run looks at it before it is locked
        with storage_errors(self.runs):
            self.runs.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
            try_lock(descriptor)
            unlocked.rename(path)
        try:
            yield Journal(descriptor, self.runs)
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def _read_journals_of_dead_runs(self) -> None:
        for path in sorted(self.runs.glob("*.jsonl")):
            with suppress(FileNotFoundError), path.open("r+b") as file:  # another run may be reading it, too
                if not try_lock(file.fileno()):
                    continue
                in_flight = _in_flight(file.read())
                for identity, video_id in in_flight.items():
                    weight = 1.0 if len(in_flight) == 1 else 0.5
                    self._add(identity, video_id, path.stem, "the whole run died while processing it", weight)
                path.unlink()

    def _add(self, identity: str, video_id: str, event: str, how: str, weight: float) -> None:
        # By event, so that a journal that is read twice, because its reader died too, counts once.
        deaths = self._deaths.setdefault(identity, {})
        deaths[event] = {"how": how, "weight": weight}
        text = json.dumps({"video_id": video_id, "deaths": deaths}, indent=1)
        write_bytes(self.crashes / f"{identity}.json", text.encode())


class Journal:
    """Records on disk which videos the workers have."""

    def __init__(self, descriptor: int, folder: Path) -> None:
        self._descriptor, self._folder = descriptor, folder

    def begin(self, video: Video) -> None:
        """Call before a worker gets the video. Raises StorageError."""
        self._append(["begin", video.identity, video.video_id])
        os.fdatasync(self._descriptor)  # the video may bring the machine down

    def end(self, video: Video) -> None:
        """Call after its outcome has been stored, or its death recorded. Raises StorageError."""
        self._append(["end", video.identity, video.video_id])

    def _append(self, entry: list[str]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        with storage_errors(self._folder):
            if os.write(self._descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _in_flight(journal: bytes) -> dict[str, str]:
    """{identity: video_id} of videos begun but not ended. A last line cut short by the writer's death is ignored."""
    in_flight = {}
    for line in journal.split(b"\n")[:-1]:
        event, identity, video_id = json.loads(line)
        if event == "begin":
            in_flight[identity] = video_id
        else:
            in_flight.pop(identity, None)
    return in_flight
