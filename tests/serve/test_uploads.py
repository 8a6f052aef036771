"""The queue of clips and the queue of searches, without a server: what waits, what is forgotten, what is rejected."""

import asyncio
import resource
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from seds.config import Serve
from seds.serve.executor import BoundedExecutor
from seds.serve.media import PlayableVideo
from seds.serve.uploads import UploadedClip, Uploads

VIDEO = Headers({"content-type": "video/mp4"})


async def body(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def vet(path: Path) -> dict[str, Any]:
    if path.read_bytes() != b"video":
        raise HTTPException(422, "no video")
    return {"frames": 1}


def test_clips_are_processed_in_turn_and_the_oldest_forgotten(tmp_path: Path) -> None:
    async def run() -> None:
        processed: list[str] = []
        most = 0

        async def process(clip: UploadedClip[str]) -> None:
            nonlocal most
            processed.append(clip.number)
            most = max(most, sum(c.state == "working" for c in clips._clips.values()))
            assert clip.path.read_bytes() == b"video"
            await asyncio.sleep(0.02)
            if clip.number != processed[0]:  # the first is played as it is
                clip.playable = PlayableVideo(tmp_path / f"{clip.number}.mp4", "video/mp4", 0.0, None)
                clip.playable.path.write_bytes(b"film")
            else:
                clip.playable = PlayableVideo(clip.path, "video/mp4", 0.0, None)
            clip.encoded = clip.number

        clips: Uploads[str] = Uploads(tmp_path, Serve(clips=2, clips_kept=3), vet, process)
        taken = [await clips.receive(VIDEO, body(b"vi", b"", b"deo")) for _ in range(3)]
        assert [clips.count_before(clip) for clip in taken] == [0, 1, 2]
        with pytest.raises(HTTPException, match="other clips") as refused:
            await clips.receive(VIDEO, body(b"video"))
        assert (refused.value.status_code, "Retry-After" in refused.value.headers) == (429, True)
        while taken[-1].state != "ready":
            await asyncio.sleep(0.01)
        assert processed == [clip.number for clip in taken]
        assert most == 1
        assert clips.get(taken[0].number).encoded == taken[0].number  # looked at, so the second is the oldest
        fourth = await clips.receive(VIDEO, body(b"video"))
        with pytest.raises(HTTPException, match="this clip has expired; drop it again"):
            clips.get(taken[1].number)
        while fourth.state != "ready":
            await asyncio.sleep(0.01)
        kept = {taken[0].path, *(tmp_path / f"{clip.number}.mp4" for clip in (taken[2], fourth))}
        assert set(tmp_path.iterdir()) == kept
        clips.close()
        assert list(tmp_path.iterdir()) == []

    asyncio.run(run())


def test_a_clip_that_fails_keeps_its_error_and_makes_room(tmp_path: Path) -> None:
    async def run() -> None:
        async def process(clip: UploadedClip[str]) -> None:
            raise HTTPException(422, "no hand in it")

        clips: Uploads[str] = Uploads(tmp_path, Serve(clips=1), vet, process)
        for _ in range(5):
            clip = await clips.receive(VIDEO, body(b"video"))
            while clip.state != "failed":
                await asyncio.sleep(0.01)
            for _ in range(3):
                with pytest.raises(HTTPException, match="no hand in it") as failure:
                    clips.get(clip.number).raise_error()
                assert len(failure.traceback) == 2, "this test and raise_error, however often it is asked for"
            with pytest.raises(HTTPException, match="no video"):
                await clips.receive(VIDEO, body(b"text"))
        assert list(tmp_path.iterdir()) == []

    asyncio.run(run())


def test_a_full_disk_is_reported_and_makes_room(tmp_path: Path) -> None:
    async def run() -> None:
        async def process(clip: UploadedClip[str]) -> None:
            raise AssertionError

        # A file that may not grow is what a full disk looks like.
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            clips: Uploads[str] = Uploads(tmp_path, Serve(clips=1), vet, process)
            for _ in range(5):
                with pytest.raises(HTTPException, match="cannot store the clip: File too large") as refused:
                    await clips.receive(VIDEO, body(b"x" * 20_000))
                assert refused.value.status_code == 507
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert list(tmp_path.iterdir()) == []

    asyncio.run(run())


def test_a_full_executor_says_when_to_retry() -> None:
    async def run() -> None:
        executor, go = BoundedExecutor(2, 3, "test"), threading.Event()
        waiting = [asyncio.create_task(executor.run(lambda: go.wait(10))) for _ in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(HTTPException) as refused:
            await executor.run(lambda: None)
        assert (refused.value.status_code, refused.value.headers) == (503, {"Retry-After": "1"})
        go.set()
        assert await asyncio.gather(*waiting) == [True] * 5
        assert await executor.run(lambda: 7) == 7
        executor.close()

    asyncio.run(run())
