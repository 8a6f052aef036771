"""When the state of a training run is written, and how one is taken up again; with the notice of those who stop it.

Written every so many minutes, when the run ends, and when the process is told to stop: SIGTERM, as schedulers send it
before the end, or Ctrl-C. Training then stops after the step that is being made, and the same command continues.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from seds.model import distributed
from seds.resume.snapshots import Snapshot, Snapshots, WriteError


class Resumable(Protocol):
    """What is kept of a run, alike in all processes; seds.training.run_state has it."""

    @property
    def step(self) -> int:
        """Optimiser steps that are done."""

    @property
    def device(self) -> torch.device: ...

    def values(self) -> Mapping[str, Any]:
        """What of it JSON can say, exactly."""

    def tensors(self) -> Mapping[str, Tensor]:
        """The rest, by name."""

    def restore(self, snapshot: Snapshot | None) -> bool:
        """Become what the first process has read, in all of them; False, and unchanged, where that is None."""


class Notice:
    """The signal by which this process was told to stop, None as long as it was not."""

    def __init__(self) -> None:
        self.signal: int | None = None


@contextmanager
def noticing() -> Iterator[Notice]:
    """Inside, a first SIGTERM or Ctrl-C is only noted; a second one of its kind acts as ever."""
    notice = Notice()
    if threading.current_thread() is not threading.main_thread():
        yield notice  # where Python sets no handlers
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def note(number: int, frame: FrameType | None) -> None:
        notice.signal = number
        signal.signal(number, before[number])

    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # as nohup and background jobs of a shell have it
            signal.signal(number, note)
    try:
        yield notice
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Keeper:
    """Keeps a run's state in a folder; the first process writes and reads, all of them call it alike.

    minutes: between two writings; 0 = after every step. A folder that cannot be written ends no training: that is told,
    what was written before stays, and the next attempt follows as usual.
    """

    def __init__(self, folder: Path, minutes: float, notice: Notice, tell: Callable[[str], None] = tqdm.write) -> None:
        self.folder = folder
        self._snapshots, self._minutes, self._notice = Snapshots(folder), minutes, notice
        self._tell = tell if distributed.rank() == 0 else lambda text: None
        self._written_at, self._failing = time.monotonic(), False

    def resume(self, state: Resumable) -> None:
        """Take up the state that was written last, if any."""
        found = self._snapshots.newest(self._tell) if distributed.rank() == 0 else None
        if state.restore(found):
            self._tell(f"train: continued after step {state.step}, as kept in {self.folder}")

    def look(self, state: Resumable) -> None:
        """To be called after every step and every epoch: writes when it is time, and ends the process when told to."""
        told = distributed.most(self._notice.signal or 0, state.device)
        if told or time.monotonic() - self._written_at >= 60 * self._minutes:
            self._write(state)
        if told:
            self._tell(f"train: stopped after step {state.step}; the same command continues")
            raise SystemExit(128 + told)

    def finish(self, state: Resumable) -> None:
        """To be called when nothing is left to train: the last state replaces all others."""
        self._write(state, kept=1)

    def _write(self, state: Resumable, kept: int = 2) -> None:
        if distributed.rank() == 0:
            try:
                self._snapshots.write(state.step, state.values(), state.tensors(), kept)
                if self._failing:
                    self._tell(f"train: {self.folder} can be written again, step {state.step} is kept")
                self._failing = False
            except WriteError as error:
                if not self._failing:
                    last = next(iter(self._snapshots.numbers()), None)
                    kept_one = "nothing is kept yet" if last is None else f"step {last} stays kept"
                    self._tell(f"warning: {error}. Training goes on and tries again; until then {kept_one}")
                self._failing = True
        self._written_at = time.monotonic()
