"""How the work on a video can end, and what stops the work on all of them."""

from __future__ import annotations

from dataclasses import dataclass

from seds.extraction.extractor import Extraction


@dataclass(frozen=True)
class Failure:
    """A video without a result.

    reason   the kind, for counting: "cannot be decoded"
    detail   this case, for a person; the video's path is said elsewhere
    lasting  holds for this content, settings and code; else the next run tries again
    """

    reason: str
    detail: str
    lasting: bool = False

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


Outcome = Extraction | Failure


class EngineError(RuntimeError):
    """What lies with the machine and not with a video: the run stops. The message says where and what to do next."""


class StorageError(EngineError):
    """A folder that cannot be written: full, read-only, over quota, of a file system without locks."""

    def __init__(self, folder: object, error: OSError) -> None:
        super().__init__(
            f"{folder} cannot be written: {error.strerror or error}. What had landed is kept; free or mend that disk, "
            "then the same command continues"
        )
