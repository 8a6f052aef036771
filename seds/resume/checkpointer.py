"""When the state of a training run is written and how it is resumed; SIGTERM and Ctrl-C stop a run after its step.

The state is written at intervals, when the run ends, and when the process receives SIGTERM, as schedulers send it
before they end a job, or Ctrl-C. The same command then resumes.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor

from seds.model import distributed
from seds.resume.snapshots import Snapshot, Snapshots, WriteError

log = logging.getLogger(__name__)


class Resumable(Protocol):
    """The state of a run, alike in all processes: seds.training.run_state, seds.resume.network_state."""

    @property
    def step(self) -> int:
        """Optimiser steps done."""

    @property
    def device(self) -> torch.device: ...

    def values(self) -> Mapping[str, Any]:
        """The part that JSON represents exactly."""

    def tensors(self) -> Mapping[str, Tensor]:
        """The rest, by name."""

    def restore(self, snapshot: Snapshot | None) -> bool:
        """Take over the snapshot that the first process has read, in every process; False, unchanged, for None."""


class StopSignal:
    """number: of the signal that asked this process to stop; None as long as none did."""

    def __init__(self) -> None:
        self.number: int | None = None


@contextmanager
def catch_stop_signals() -> Iterator[StopSignal]:
    """Inside, a first SIGTERM or Ctrl-C is only recorded; a second one of the same kind has its usual effect."""
    stop = StopSignal()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # Python installs signal handlers in the main thread only
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def record(number: int, frame: FrameType | None) -> None:
        stop.number = number
        signal.signal(number, before[number])

    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # as under nohup and for background jobs of a shell
            signal.signal(number, record)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Checkpointer:
    """Writes a run's state to a folder and reads it back. All processes call it alike; the first reads and writes."""

    def __init__(self, folder: Path, minutes: float, stop: StopSignal, stage: str = "train") -> None:
        """minutes: between two checkpoints; 0 = after every step. stage: named in what is logged.

        A folder that cannot be written does not end the training: a warning says so, the last checkpoint stays, and the
        next attempt follows at the usual time.
        """
        self.folder, self.stage = folder, stage
        self._snapshots, self._minutes, self._stop = Snapshots(folder), minutes, stop
        self._written_at, self._failing = time.monotonic(), False

    def resume(self, state: Resumable) -> None:
        """Restore the newest checkpoint, if there is one."""
        snapshot = self._snapshots.newest() if distributed.rank() == 0 else None
        if state.restore(snapshot):
            log.info("%s: resumed after step %d, from %s", self.stage, state.step, self.folder)

    def maybe_save(self, state: Resumable) -> None:
        """To be called after every step and every epoch: writes a checkpoint when one is due. Raises SystemExit, after
        writing one, when any process was asked to stop.
        """
        stop_signal = distributed.all_max(self._stop.number or 0, state.device)
        if stop_signal or time.monotonic() - self._written_at >= 60 * self._minutes:
            self._write(state)
        if stop_signal:
            log.info("%s: stopped after step %d; the same command resumes it", self.stage, state.step)
            raise SystemExit(128 + stop_signal)

    def finish(self, state: Resumable) -> None:
        """To be called when nothing is left to train: the last state replaces all others."""
        self._write(state, keep=1)

    def _write(self, state: Resumable, keep: int = 2) -> None:
        if distributed.rank() == 0:
            try:
                self._snapshots.write(state.step, state.values(), state.tensors(), keep)
                if self._failing:
                    log.info("%s: %s can be written again; saved step %d", self.stage, self.folder, state.step)
                self._failing = False
            except WriteError as error:
                if not self._failing:
                    last = next(iter(self._snapshots.numbers()), None)
                    saved = "nothing is saved yet" if last is None else f"step {last} stays saved"
                    log.warning("warning: %s. Training continues and tries again later; %s", error, saved)
                self._failing = True
        self._written_at = time.monotonic()
