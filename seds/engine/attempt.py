"""One video in a worker: what the extractor makes of it, or why that failed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from seds.extraction.extractor import Extractor, Failure, Outcome, Video
from seds.video import VideoError, content_hash


@dataclass
class Attempt:
    """Video -> Outcome. Whatever the extractor raises becomes a Failure, except a broken GPU, which ends the process.

    The content is compared with what `prepare` saw both before and after, so that a result always belongs to the sha256
    under which it is stored. For several cuts of one long file it is read only once.
    """

    extractor: Extractor
    _file_state: object = field(default=None, init=False)  # of the file that was hashed last
    _sha256: str = field(default="", init=False)

    def __call__(self, video: Video) -> Outcome:
        if failure := self._content_failure(video):
            return failure
        outcome = self._extract(video)
        return self._content_failure(video) or outcome

    def _extract(self, video: Video) -> Outcome:
        try:
            return self.extractor(video)
        except ValueError as error:
            reason = "cannot be decoded" if isinstance(error, VideoError) else "refused by the extractor"
            return Failure(reason, str(error).removeprefix(f"{video.path}: "), lasting=True)
        except MemoryError as error:
            return Failure("out of memory", str(error) or "MemoryError")
        except OSError as error:
            return Failure("cannot be read", f"{type(error).__name__}: {error}")
        except Exception as error:
            if _broke_the_gpu(error):
                raise
            return Failure(type(error).__name__, str(error))

    def _content_failure(self, video: Video) -> Failure | None:
        """Why the content is not what the videos table says; None if it is."""
        try:
            state = _file_state(Path(video.path))
            if state != self._file_state:
                self._sha256, self._file_state = content_hash(video.path), state
        except FileNotFoundError:
            return Failure("vanished", "existed when prepare ran, is missing now")
        except (OSError, VideoError) as error:
            return Failure("cannot be read", f"{type(error).__name__}: {error}")
        if self._sha256 != video.sha256:
            return Failure("changed", "differs from what prepare read; if that is intended, run prepare again")
        return None


def make_attempt(make_extractor: Callable[[str], Extractor], device: str) -> Attempt:
    """In the worker: the extractor on its device."""
    return Attempt(make_extractor(device))


def _file_state(path: Path) -> object:
    """Differs after a file, or an image in a folder, was changed or replaced."""
    paths = sorted(path.iterdir()) if path.is_dir() else [path]
    return [(file, stat.st_ino, stat.st_size, stat.st_mtime_ns) for file in paths for stat in [file.stat()]]


def _broke_the_gpu(error: Exception) -> bool:
    """A CUDA error after which every further call in the process fails. Running out of GPU memory is not one."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.AcceleratorError)
