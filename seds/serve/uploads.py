"""Clips that somebody drops into the page: received within bounds, vetted, extracted one at a time, and forgotten.

A clip's file has a random name in a folder that only this server uses; the name it had is never asked for. What is kept
of the latest clips is what the model made of them, and one video to play: the file itself where browsers play it, else
what was made of it. All of a clip that is refused is gone at once, of the others when they are forgotten.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from seds.config import Serve
from seds.serve.media import PlayableVideo
from seds.serve.problem import Problem, busy
from seds.serve.sandbox import MB

Encoded = TypeVar("Encoded")

_SILENCE_S = 10.0  # longest pause between two pieces of a body
_LINGER_S = 1.0  # a body that is refused is read on for so long, so that whoever sends it sees the answer


@dataclass
class UploadedClip(Generic[Encoded]):
    """state: waiting -> working -> ready, or failed for the reason `problem`."""

    number: str  # random; who knows it sees the results
    path: Path
    facts: dict[str, Any]  # frames, seconds, width, height
    state: Literal["waiting", "working", "ready", "failed"] = "waiting"
    done: float = 0.0  # share of the work
    problem: Problem | None = None
    encoded: Encoded | None = None
    film: PlayableVideo | None = None  # what browsers play of it; None where nothing could be made that they do
    since: float = field(default_factory=time.monotonic)


class Uploads(Generic[Encoded]):
    """vet: path -> facts, raises Problem. work: clip -> sets `encoded` (and `film`), raises Problem; one at a time."""

    def __init__(
        self,
        folder: Path,
        limits: Serve,
        vet: Callable[[Path], Awaitable[dict[str, Any]]],
        work: Callable[[UploadedClip[Encoded]], Awaitable[None]],
    ) -> None:
        self._folder, self._limits, self._vet, self._work = folder, limits, vet, work
        self._clips: OrderedDict[str, UploadedClip[Encoded]] = OrderedDict()
        self._unfinished = 0  # that arrive, wait or are worked on
        self._turn = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()
        self._seconds = 10.0  # that the last one's work took

    def get(self, number: str) -> UploadedClip[Encoded]:
        """Raises Problem 404."""
        if number not in self._clips:
            raise Problem(404, "this clip is no longer here; drop it once more")
        self._clips.move_to_end(number)
        return self._clips[number]

    def place(self, clip: UploadedClip[Encoded]) -> int:
        """How many are worked on before it."""
        return sum(c.state in ("waiting", "working") and c.since < clip.since for c in self._clips.values())

    async def receive(self, headers: Headers, body: AsyncIterator[bytes]) -> UploadedClip[Encoded]:
        """Take a clip in and queue it. Raises Problem: 400, 408, 413, 415, 422, 429, 507."""
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        if kind.split("/")[0] != "video" and kind != "application/octet-stream":
            await _linger(headers, body)
            raise Problem(415, f"send the video itself, as video/* or application/octet-stream, not as {kind[:100]!r}")
        declared = headers.get("content-length")
        if declared is not None and int(declared) > self._limits.clip_mb * MB:
            await _linger(headers, body)
            raise self._too_large()
        if self._unfinished > self._limits.clips:
            await _linger(headers, body)
            raise busy("other clips are being worked on; try again in a while", round(self._seconds) + 1, 429)
        self._unfinished += 1
        path = None
        try:
            descriptor, name = tempfile.mkstemp(dir=self._folder, prefix="clip-")
            path = Path(name)
            with os.fdopen(descriptor, "wb") as file:
                await self._fill(file.write, headers, body)
            clip = UploadedClip[Encoded](secrets.token_urlsafe(16), path, await self._vet(path))
        except BaseException as error:
            self._unfinished -= 1
            if path is not None:
                path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise Problem(507, f"the server cannot keep the clip: {error.strerror}") from error
            raise
        self._keep(clip)
        task = asyncio.create_task(self._finish(clip))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return clip

    def close(self) -> None:
        for task in self._running:
            task.cancel()
        for clip in self._clips.values():
            _forget(clip)

    async def _fill(self, write: Callable[[bytes], Any], headers: Headers, body: AsyncIterator[bytes]) -> None:
        got, most = 0, self._limits.clip_mb * MB
        try:
            async with asyncio.timeout(self._limits.clip_arrive_s):
                while chunk := await _next(body):
                    got += len(chunk)
                    if got > most:
                        await _linger(headers, body)
                        raise self._too_large()
                    write(chunk)
        except ClientDisconnect:
            raise Problem(400, "the clip did not arrive whole") from None
        except TimeoutError:
            raise Problem(408, "the clip came too slowly", {"Connection": "close"}) from None
        if not got:
            raise Problem(422, "the file is empty (0 bytes)")

    async def _finish(self, clip: UploadedClip[Encoded]) -> None:
        try:
            async with self._turn:
                clip.state, started = "working", time.monotonic()
                await self._work(clip)
                clip.state, self._seconds = "ready", time.monotonic() - started
        except Problem as problem:
            clip.state, clip.problem = "failed", problem
        except Exception:
            clip.state, clip.problem = "failed", Problem(500, "something went wrong here; the server's log says what")
            raise
        finally:
            if clip.state != "ready" or clip.film is None or clip.film.path != clip.path:
                clip.path.unlink(missing_ok=True)
            self._unfinished -= 1

    def _keep(self, clip: UploadedClip[Encoded]) -> None:
        self._clips[clip.number] = clip
        finished = [c for c in self._clips.values() if c.state in ("ready", "failed")]
        for old in finished[: max(0, len(self._clips) - self._limits.clips_kept)]:
            _forget(self._clips.pop(old.number))

    def _too_large(self) -> Problem:
        return Problem(413, f"the clip is larger than {self._limits.clip_mb} MB", {"Connection": "close"})


def _forget(clip: UploadedClip[Any]) -> None:
    clip.path.unlink(missing_ok=True)
    if clip.film is not None:
        clip.film.path.unlink(missing_ok=True)


async def _next(body: AsyncIterator[bytes]) -> bytes:
    """The next piece that is not empty; b"" at the end. Raises TimeoutError after a long silence."""
    async with asyncio.timeout(_SILENCE_S):
        async for chunk in body:
            if chunk:
                return chunk
    return b""


async def _linger(headers: Headers, body: AsyncIterator[bytes]) -> None:
    """Read on a little and keep nothing: to close on somebody who still sends would take the answer from him."""
    if "expect" in headers:  # he waits for a word before he sends
        return
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_LINGER_S):
            async for _ in body:
                pass
