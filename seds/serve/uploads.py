"""Uploaded clips: received within limits, vetted, extracted one at a time, and forgotten.

A clip's file has a random name in a folder that only this server uses; the name it had is never read. Of the latest
clips the server keeps what the model computed and one video to play: the uploaded file if browsers can play it, else a
transcoded one. A rejected clip is deleted at once, any other one when it is forgotten.
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
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from seds.config import Serve
from seds.serve.media import PlayableVideo
from seds.serve.sandbox import MB

Encoded = TypeVar("Encoded")

_SILENCE_S = 10.0  # longest pause between two chunks of a body
_DRAIN_S = 1.0  # how long a rejected body is read on, so that its sender sees the response


@dataclass
class UploadedClip(Generic[Encoded]):
    """A clip and what has become of it. state: waiting -> working -> ready, or failed with `error`."""

    number: str  # random; whoever knows it can see the results
    path: Path
    properties: dict[str, Any]  # frames, seconds, width, height
    state: Literal["waiting", "working", "ready", "failed"] = "waiting"
    done: float = 0.0  # share of the work
    error: HTTPException | None = None
    encoded: Encoded | None = None
    playable: PlayableVideo | None = None  # None if no video that browsers can play could be made of it
    received: float = field(default_factory=time.monotonic)

    def raise_error(self) -> None:
        """Raises `error` if there is one."""
        if self.error is not None:
            raise self.error.with_traceback(None)  # or it would grow with each request


class Uploads(Generic[Encoded]):
    """The clips that have been uploaded; the oldest are forgotten.

    folder: for their files. vet: returns the properties of a file. process: sets `encoded` and `playable` of a clip;
    called for one clip at a time. Both raise HTTPException.
    """

    def __init__(
        self,
        folder: Path,
        limits: Serve,
        vet: Callable[[Path], Awaitable[dict[str, Any]]],
        process: Callable[[UploadedClip[Encoded]], Awaitable[None]],
    ) -> None:
        self._folder, self._limits, self._vet, self._process = folder, limits, vet, process
        self._clips: OrderedDict[str, UploadedClip[Encoded]] = OrderedDict()
        self._unfinished = 0  # being received, waiting or being processed
        self._one_at_a_time = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()
        self._seconds = 10.0  # that processing the last one took

    def get(self, number: str) -> UploadedClip[Encoded]:
        """Raises HTTPException 404."""
        if number not in self._clips:
            raise HTTPException(404, "this clip has expired; drop it again")
        self._clips.move_to_end(number)
        return self._clips[number]

    def count_before(self, clip: UploadedClip[Encoded]) -> int:
        """How many clips will be processed before this one."""
        return sum(c.state in ("waiting", "working") and c.received < clip.received for c in self._clips.values())

    async def receive(self, headers: Headers, body: AsyncIterator[bytes]) -> UploadedClip[Encoded]:
        """Receive a clip and queue it. Raises HTTPException: 400, 408, 413, 415, 422, 429, 507."""
        media_type = headers.get("content-type", "").split(";")[0].strip().lower()
        if media_type.split("/")[0] != "video" and media_type != "application/octet-stream":
            await _drain(headers, body)
            raise HTTPException(
                415, f"send the file itself as video/* or application/octet-stream, not as {media_type[:100]!r}"
            )
        declared = headers.get("content-length")
        if declared is not None and int(declared) > self._limits.clip_mb * MB:
            await _drain(headers, body)
            raise self._too_large()
        if self._unfinished > self._limits.clips:
            await _drain(headers, body)
            raise HTTPException(
                429,
                "other clips are being processed; try again later",
                {"Retry-After": str(round(self._seconds) + 1)},
            )
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
                raise HTTPException(507, f"the server cannot store the clip: {error.strerror}") from error
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
        received, limit = 0, self._limits.clip_mb * MB
        try:
            async with asyncio.timeout(self._limits.clip_arrive_s):
                while chunk := await _next(body):
                    received += len(chunk)
                    if received > limit:
                        await _drain(headers, body)
                        raise self._too_large()
                    write(chunk)
        except ClientDisconnect:
            raise HTTPException(400, "the upload was interrupted") from None
        except TimeoutError:
            raise HTTPException(408, "the upload took too long", {"Connection": "close"}) from None
        if not received:
            raise HTTPException(422, "the file is empty (0 bytes)")

    async def _finish(self, clip: UploadedClip[Encoded]) -> None:
        try:
            async with self._one_at_a_time:
                clip.state, started = "working", time.monotonic()
                await self._process(clip)
                clip.state, self._seconds = "ready", time.monotonic() - started
        except HTTPException as error:
            clip.state, clip.error = "failed", error
        except Exception:
            clip.state, clip.error = "failed", HTTPException(500, "internal error; see the server's log")
            raise
        finally:
            if clip.state != "ready" or clip.playable is None or clip.playable.path != clip.path:
                clip.path.unlink(missing_ok=True)
            self._unfinished -= 1

    def _keep(self, clip: UploadedClip[Encoded]) -> None:
        self._clips[clip.number] = clip
        finished = [c for c in self._clips.values() if c.state in ("ready", "failed")]
        for old in finished[: max(0, len(self._clips) - self._limits.clips_kept)]:
            _forget(self._clips.pop(old.number))

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"the clip is larger than {self._limits.clip_mb} MB", {"Connection": "close"})


def _forget(clip: UploadedClip[Any]) -> None:
    clip.path.unlink(missing_ok=True)
    if clip.playable is not None:
        clip.playable.path.unlink(missing_ok=True)


async def _next(body: AsyncIterator[bytes]) -> bytes:
    """The next chunk that is not empty; b"" at the end. Raises TimeoutError after a long pause."""
    async with asyncio.timeout(_SILENCE_S):
        async for chunk in body:
            if chunk:
                return chunk
    return b""


async def _drain(headers: Headers, body: AsyncIterator[bytes]) -> None:
    """Read on for a while and discard it: if the connection closed at once, the sender would not see the response."""
    if "expect" in headers:  # the sender waits for our answer before the body
        return
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_DRAIN_S):
            async for _ in body:
                pass
