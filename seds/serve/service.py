"""What a running server consists of (gallery, threads, sandboxes, media, uploads) and what it answers."""

from __future__ import annotations

import threading
import unicodedata
from functools import partial
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException

from seds.config import Serve
from seds.messages import printable
from seds.search.answer import Answer, Question, answer
from seds.search.gallery import EncodedClip, Gallery
from seds.serve import clip_worker, downloads, responses, video_tasks
from seds.serve.cache import Cache
from seds.serve.executor import BoundedExecutor
from seds.serve.media import Media, PlayableVideo
from seds.serve.sandbox import InvalidInputError, Sandbox, SandboxError
from seds.serve.skeletons import Skeletons
from seds.serve.uploads import UploadedClip, Uploads
from seds.system.workers import cores
from seds.video import VideoInfo

_VET_S, _TRANSCODE_S = 30.0, 120.0  # time limits for a clip
_VIDEO_MB = 1000  # memory of the sandboxes that decode videos, and the largest file that they may write

Clip = UploadedClip[EncodedClip]


class SearchService:
    """Searches a gallery and plays its videos. Every request raises HTTPException, a search SearchError too.

    gallery: open. root: below which the videos' paths are. cache: folder of files that can be made again. scratch:
    folder for uploaded clips, empty, removed after this is closed. drawn: the gallery's videos are shown as skeletons.
    """

    def __init__(
        self, gallery: Gallery, limits: Serve, root: Path, cache: Path, scratch: Path, drawn: bool = False
    ) -> None:
        self.gallery, self.limits = gallery, limits
        self._scratch = scratch
        self._search_threads = BoundedExecutor(cores(), limits.queue, "search")
        # These mostly wait for one of the sandboxes below.
        self._poster_threads = BoundedExecutor(4, limits.queue, "poster")
        self._playable_threads = BoundedExecutor(4, limits.queue, "playable")
        self._vet_threads = BoundedExecutor(1, limits.clips, "vet")
        self._clip_threads = BoundedExecutor(1, limits.clips, "clip")
        self._posters, self._transcoder, self._vetting = (
            Sandbox(video_tasks.build, _VIDEO_MB, _VIDEO_MB) for _ in range(3)
        )
        self._extraction: Sandbox | None = None
        self._lock = threading.Lock()
        skeletons = Skeletons(root / "data" / "pose" / gallery.header.dataset)
        files = Cache(cache, limits.cache_mb)
        self._media = Media(gallery.video, root, files, self._posters, self._transcoder, skeletons, drawn)
        self.uploads: Uploads[EncodedClip] = Uploads(scratch, limits, self._vet, self._process)

    def close(self) -> None:
        """End the processes and forget the clips."""
        self.uploads.close()
        for sandbox in (self._posters, self._transcoder, self._vetting, self._extraction):
            if sandbox is not None:
                sandbox.close()
        for executor in (
            self._search_threads,
            self._poster_threads,
            self._playable_threads,
            self._vet_threads,
            self._clip_threads,
        ):
            executor.close()

    async def search(self, text: str, k: int, stream: str | None) -> dict[str, Any]:
        """Videos for a sentence."""
        text = self._checked_text(text)
        hits = await self._search_threads.run(partial(self.gallery.search_text, text, self._checked_k(k), stream))
        warning = await self._search_threads.run(partial(self.gallery.warning, text))
        return {"warning": warning, "results": [responses.video_hit(hit) for hit in hits]}

    async def answer(self, question: Question) -> Answer:
        """What `seds search` would find by itself."""
        return await self._search_threads.run(partial(answer, self.gallery, question))

    async def sentences_for_video(self, video_id: str, k: int, stream: str | None) -> dict[str, Any]:
        """Sentences for a video of the gallery."""
        row = self._media.row(video_id)
        results = await self._sentences(self.gallery.clip(video_id), k, stream, row["sentence_id"])
        return {"video": responses.video(row), "results": results}

    async def sentences_for_clip(self, clip: Clip, k: int, stream: str | None) -> dict[str, Any]:
        """Sentences for an uploaded clip that is ready."""
        assert clip.encoded is not None
        results = await self._sentences(clip.encoded, k, stream, None)
        return self.progress(clip) | {"results": results, "seconds": clip.encoded.duration_s}

    async def videos_like(self, video_id: str | None, number: str | None, k: int, stream: str | None) -> dict[str, Any]:
        """Videos that sign like a video of the gallery, or like an uploaded clip that is ready."""
        clip = self._encoded(video_id, number)
        hits = await self._search_threads.run(partial(self.gallery.search_like, clip, self._checked_k(k), stream))
        results = [responses.video_hit(hit) for hit in hits]
        if number is None:
            return {"video": responses.video(self._media.row(clip.video_id)), "results": results}
        return self.progress(self.uploads.get(number)) | {"results": results, "seconds": clip.duration_s}

    async def why_like(
        self, found: str, video_id: str | None, number: str | None, stream: str | None
    ) -> dict[str, Any]:
        """Which seconds of the video `found` are like which of the one searched with."""
        like, hit = self._encoded(video_id, number), self._encoded(found, None)
        alignment = await self._search_threads.run(partial(self.gallery.explain_like, like, hit, stream))
        return responses.why(alignment, hit.duration_s, alike=True)

    async def why(self, text: str, video_id: str | None, number: str | None, stream: str | None) -> dict[str, Any]:
        """When each word of a sentence is signed in a video of the gallery or in the uploaded clip of that number."""
        text, encoded = self._checked_text(text), self._encoded(video_id, number)
        alignment = await self._search_threads.run(partial(self.gallery.explain_clip, text, encoded, stream))
        return responses.why(alignment, encoded.duration_s)

    async def videos_csv(self, text: str, k: int, stream: str | None) -> str:
        """Videos for a sentence, as a table."""
        text = self._checked_text(text)
        hits = await self._search_threads.run(partial(self.gallery.search_text, text, self._checked_k(k), stream))
        return downloads.table(hits)

    async def like_csv(self, video_id: str | None, number: str | None, k: int, stream: str | None) -> str:
        """What `videos_like` gives, as a table."""
        clip = self._encoded(video_id, number)
        return downloads.table(
            await self._search_threads.run(partial(self.gallery.search_like, clip, self._checked_k(k), stream))
        )

    async def videos_zip(self, text: str, k: int, stream: str | None) -> bytes:
        """Videos for a sentence, and the moments of its words, as ELAN files and subtitles."""
        text, k = self._checked_text(text), self._checked_k(k)
        return await self._search_threads.run(partial(downloads.places, self.gallery, text, k, stream))

    async def sentences_csv(self, video_id: str | None, number: str | None, k: int, stream: str | None) -> str:
        """Sentences for a video of the gallery or for an uploaded clip that is ready, as a table."""
        clip = self._encoded(video_id, number)
        return downloads.table(
            await self._search_threads.run(partial(self.gallery.search_video, clip, self._checked_k(k), stream))
        )

    async def playable(self, video_id: str | None, number: str | None = None) -> PlayableVideo:
        """What to play of a video of the gallery, or of the uploaded clip of that number."""
        source = self._video_or_clip(video_id, number)
        if not isinstance(source, UploadedClip):
            return await self._playable_threads.run(partial(self._media.playable, source))
        if source.playable is None:
            raise HTTPException(404, "this clip cannot be played")
        return source.playable

    async def poster(self, video_id: str) -> Path:
        return await self._poster_threads.run(partial(self._media.poster, video_id))

    def progress(self, clip: Clip) -> dict[str, Any]:
        """How far a clip is. `film`: whether there is a video of it to play."""
        return {
            "clip": clip.number,
            "state": clip.state,
            "before": self.uploads.count_before(clip),
            "done": round(clip.done, 3),
            "film": clip.playable is not None,
        }

    async def _sentences(
        self, clip: EncodedClip, k: int, stream: str | None, own_sentence: str | None
    ) -> list[dict[str, Any]]:
        hits = await self._search_threads.run(partial(self.gallery.search_video, clip, self._checked_k(k), stream))
        results = []
        for hit in hits:
            first_ids = hit.video_ids[: responses.SENTENCE_VIDEOS]
            videos = [responses.video(self._media.row(video_id)) for video_id in first_ids]
            results.append(responses.sentence_hit(hit, videos, is_own=hit.sentence_id == own_sentence))
        return results

    def _encoded(self, video_id: str | None, number: str | None) -> EncodedClip:
        """A video of the gallery, or the uploaded clip of that number."""
        source = self._video_or_clip(video_id, number)
        if not isinstance(source, UploadedClip):
            return self.gallery.clip(source)
        if source.encoded is None:
            raise HTTPException(409, "this clip is still being processed")
        return source.encoded

    def _video_or_clip(self, video_id: str | None, number: str | None) -> str | Clip:
        """The id of a video that the gallery has, or an uploaded clip."""
        if number is not None and video_id is None:
            return self.uploads.get(number)
        if video_id is not None and number is None:
            self._media.row(video_id)
            return video_id
        raise HTTPException(422, "give either video or clip")

    def _checked_text(self, text: str) -> str:
        text = text.strip()
        limit = self.limits.query_chars
        if not text:
            raise HTTPException(422, "the query is empty; type a sentence")
        if len(text) > limit:
            raise HTTPException(422, f"the query has {len(text):,} characters; at most {limit:,} are allowed")
        if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n\r" for c in text):
            raise HTTPException(422, f"the query contains control characters: {printable(text, 60)}")
        return text

    def _checked_k(self, k: int) -> int:
        if not 1 <= k <= self.limits.results:
            raise HTTPException(422, f"k is {k}, expected from 1 to {self.limits.results}")
        return k

    async def _vet(self, path: Path) -> dict[str, Any]:
        limits = self.limits
        bounds = {"max_frames": limits.clip_frames, "max_pixels": limits.clip_pixels, "max_s": limits.clip_s}
        task = {"do": "vet", "path": str(path), **bounds}
        try:
            answer = await self._vet_threads.run(lambda: self._vetting.run(task, _VET_S))
        except InvalidInputError as error:
            raise HTTPException(422, f"this clip cannot be used: {error}") from None
        except SandboxError as error:
            raise HTTPException(422, f"this clip cannot be read: {error}") from None
        return video_tasks.read(answer)

    async def _process(self, clip: Clip) -> None:
        await self._clip_threads.run(partial(self._encode, clip))

    def _encode(self, clip: Clip) -> None:
        def on_progress(share: float) -> None:
            clip.done = share

        try:
            answer = self._extraction_sandbox().run({"path": str(clip.path)}, self.limits.clip_work_s, on_progress)
            extracted = clip_worker.read(answer)
            clip.encoded = self.gallery.encode_extracted(clip.path, extracted)
        except (InvalidInputError, SandboxError, ValueError) as error:
            reason = printable(str(error).removeprefix(f"{clip.path}: ").removeprefix(f"{clip.path.name}: "))
            raise HTTPException(422, f"this clip cannot be used: {reason}") from None
        clip.playable = self._playable(clip.path, extracted.info)

    def _playable(self, path: Path, info: VideoInfo) -> PlayableVideo | None:
        """The clip itself if browsers can play it, else a transcoded file; None if none can be made."""
        transcoded = self._scratch / f"{path.name}.mp4"
        task = {
            "do": "transcode", "path": str(path), "output": str(transcoded), "start_s": None, "end_s": None,
            "fps": info.fps, "seconds": info.frames / info.fps,
        }  # fmt: skip
        try:
            media_type = video_tasks.read(self._vetting.run({"do": "media_type", "path": str(path)}, _VET_S))
            if media_type in video_tasks.MEDIA_TYPES:
                return PlayableVideo(path, media_type, 0.0, None)
            self._transcoder.run(task, _TRANSCODE_S)
        except (InvalidInputError, SandboxError):
            transcoded.unlink(missing_ok=True)
            return None
        return PlayableVideo(transcoded, "video/mp4", 0.0, None)

    def _extraction_sandbox(self) -> Sandbox:
        """Made for the first clip: most users upload none."""
        with self._lock:
            if self._extraction is None:
                build = partial(clip_worker.build, self.gallery.extractors())
                self._extraction = Sandbox(build, self.limits.clip_memory_mb)
            return self._extraction
