"""What finished trainings have learnt, kept so that none is repeated that depends on nothing new.

work/<stage>/_finished/<fingerprint>/. The fingerprint covers what the result depends on, not which corpus asks for it:
corpora that share it, such as folds of one corpus, share the training. No corpus can have the name `_finished`.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from seds.resume.run_folder import SCRATCH
from seds.resume.snapshots import Snapshot, Snapshots, WriteError
from seds.system.files import digest

log = logging.getLogger(__name__)

KEPT = 8  # trainings of a stage, those that were used last


class Finished:
    """The result of one training. run: what it depends on, for JSON."""

    def __init__(self, stage: str, run: Mapping[str, Any]) -> None:
        self.folder = SCRATCH / stage / "_finished" / digest(dict(run))[:16]
        self._stage = stage

    def read(self) -> Snapshot | None:
        """What `write` has kept; None if there is nothing, or nothing readable."""
        kept = Snapshots(self.folder).newest()
        if kept is not None:
            with suppress(OSError):
                os.utime(self.folder)
            log.info("%s: the same was learnt before and is kept in %s", self._stage, self.folder)
        return kept

    def write(self, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Keep a result, and remove all but the KEPT that were used last. values: for JSON. A folder that cannot be
        written ends nothing: a warning says so.
        """
        try:
            Snapshots(self.folder).write(0, values, tensors, keep=1)
        except WriteError as error:
            log.warning("warning: %s. What was learnt is not kept, so the next run learns it again", error)
        for old in sorted(self.folder.parent.glob("*"), key=_used, reverse=True)[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)


def _used(folder: Path) -> float:
    """When a result was last written or read; 0 where another process has just removed it."""
    with suppress(OSError):
        return folder.stat().st_mtime
    return 0.0
