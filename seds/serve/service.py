"""What a running server consists of: the gallery, where its work is done, its films and clips; and what it is asked."""

from __future__ import annotations

import threading
import unicodedata
from functools import partial
from pathlib import Path
from typing import Any

from seds.config import Serve
from seds.messages import printable
from seds.search.gallery import EncodedClip, Gallery
from seds.serve import clip_worker, responses, video_tasks
from seds.serve.cache import Cache
from seds.serve.executor import BoundedExecutor
from seds.serve.media import Media, PlayableVideo
from seds.serve.problem import Problem
from seds.serve.sandbox import InvalidInputError, Sandbox, SandboxError
from seds.serve.uploads import UploadedClip, Uploads
from seds.system.workers import cores
from seds.video import VideoInfo

_VET_S = 30.0  # longest that reading a clip's packets may take
_TRANSCODE_S = 120.0  # longest that making a clip playable may take
_VIDEO_MB = 1000  # memory of the processes that decode videos, and the largest file that they write

Upload = UploadedClip[EncodedClip]


class SearchService:
    """gallery: open; folder: for files that can be made again; scratch: for clips, empty, gone after this."""

    def __init__(self, gallery: Gallery, limits: Serve, root: Path, folder: Path, scratch: Path) -> None:
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
        self._media = Media(gallery.video, root, Cache(folder, limits.cache_mb), self._posters, self._transcoder)
        self.uploads: Uploads[EncodedClip] = Uploads(scratch, limits, self._vet, self._work)

    def close(self) -> None:
        """End the processes and forget the clips."""
        self.uploads.close()
        for process in (self._posters, self._transcoder, self._vetting, self._extraction):
            if process is not None:
                process.close()
        for executor in (
            self._search_threads,
            self._poster_threads,
            self._playable_threads,
            self._vet_threads,
            self._clip_threads,
        ):
            executor.close()

    async def search(self, text: str, k: int, stream: str | None) -> dict[str, Any]:
        """Videos of a sentence. Raises Problem, SearchError."""
        text = self._sentence(text)
        hits = await self._search_threads.run(partial(self.gallery.search_text, text, self._count(k), stream))
        return {"results": [responses.video_hit(hit) for hit in hits]}

    async def similar(self, video_id: str, k: int, stream: str | None) -> dict[str, Any]:
        """Sentences of a video of the gallery. Raises Problem, SearchError."""
        row = self._media.row(video_id)
        results = await self._sentences(self.gallery.clip(video_id), k, stream, row["sentence_id"])
        return {"video": responses.video(row), "results": results}

    async def sentences_of(self, clip: Upload, k: int, stream: str | None) -> dict[str, Any]:
        """Sentences of a clip that is ready. Raises Problem, SearchError."""
        assert clip.encoded is not None
        results = await self._sentences(clip.encoded, k, stream, None)
        return self.progress(clip) | {"results": results, "seconds": clip.encoded.duration_s}

    async def why(self, text: str, video: str | None, clip: str | None, stream: str | None) -> dict[str, Any]:
        """When each word is in a video of the gallery or in a clip. Raises Problem, SearchError."""
        text, asked = self._sentence(text), self._asked(video, clip)
        if isinstance(asked, UploadedClip):
            if asked.encoded is None:
                raise Problem(409, "this clip is still being worked on")
            encoded = asked.encoded
        else:
            encoded = self.gallery.clip(asked)
        alignment = await self._search_threads.run(partial(self.gallery.explain_clip, text, encoded, stream))
        return responses.why(alignment, encoded.duration_s)

    async def film(self, video: str | None, clip: str | None = None) -> PlayableVideo:
        """What to play of a video of the gallery or of a clip. Raises Problem."""
        asked = self._asked(video, clip)
        if not isinstance(asked, UploadedClip):
            return await self._playable_threads.run(partial(self._media.film, asked))
        if asked.film is None:
            raise Problem(404, "of this clip there is no video to play")
        return asked.film

    async def poster(self, video_id: str) -> Path:
        """Raises Problem."""
        return await self._poster_threads.run(partial(self._media.poster, video_id))

    def progress(self, clip: Upload) -> dict[str, Any]:
        """How far a clip is. `film`: whether there is a video of it to play."""
        return {
            "clip": clip.number,
            "state": clip.state,
            "before": self.uploads.place(clip),
            "done": round(clip.done, 3),
            "film": clip.film is not None,
        }

    async def _sentences(self, clip: EncodedClip, k: int, stream: str | None, own: str | None) -> list[dict[str, Any]]:
        hits = await self._search_threads.run(partial(self.gallery.search_video, clip, self._count(k), stream))
        results = []
        for hit in hits:
            first = [responses.video(self._media.row(video)) for video in hit.video_ids[: responses.SENTENCE_VIDEOS]]
            results.append(responses.sentence_hit(hit, first, own=hit.sentence_id == own))
        return results

    def _asked(self, video: str | None, clip: str | None) -> str | Upload:
        """The id of a video of the gallery, or a clip. Raises Problem."""
        if clip is not None and video is None:
            return self.uploads.get(clip)
        if video is not None and clip is None:
            self._media.row(video)
            return video
        raise Problem(422, "ask for a video or for a clip")

    def _sentence(self, text: str) -> str:
        """Raises Problem for a text that nobody would type."""
        text = text.strip()
        if not text:
            raise Problem(422, "the query is empty; type a sentence")
        if len(text) > self.limits.query_chars:
            raise Problem(422, f"the query has {len(text):,} characters; at most {self.limits.query_chars:,} are read")
        if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n\r" for c in text):
            raise Problem(422, f"the query holds control characters: {printable(text, 60)}")
        return text

    def _count(self, k: int) -> int:
        if not 1 <= k <= self.limits.results:
            raise Problem(422, f"k: from 1 to {self.limits.results} results can be asked for, not {k}")
        return k

    async def _vet(self, path: Path) -> dict[str, Any]:
        limits = self.limits
        bounds = {"most_frames": limits.clip_frames, "most_pixels": limits.clip_pixels, "most_s": limits.clip_s}
        try:
            answer = await self._vet_threads.run(
                lambda: self._vetting.run({"do": "vet", "path": str(path), **bounds}, _VET_S)
            )
        except InvalidInputError as error:
            raise Problem(422, f"this clip cannot be used: {error}") from None
        except SandboxError as error:
            raise Problem(422, f"this clip cannot be read: {error}") from None
        return video_tasks.read(answer)

    async def _work(self, clip: Upload) -> None:
        await self._clip_threads.run(partial(self._encode, clip))

    def _encode(self, clip: Upload) -> None:
        def report(share: float) -> None:
            clip.done = share

        try:
            answer = self._extractor().run({"path": str(clip.path)}, self.limits.clip_work_s, report)
            found = clip_worker.read(answer)
            clip.encoded = self.gallery.encode_extracted(clip.path, found)
        except (InvalidInputError, SandboxError, ValueError) as error:
            reason = printable(str(error).removeprefix(f"{clip.path}: ").removeprefix(f"{clip.path.name}: "))
            raise Problem(422, f"this clip cannot be used: {reason}") from None
        clip.film = self._playable(clip.path, found.info)

    def _playable(self, path: Path, info: VideoInfo) -> PlayableVideo | None:
        """The clip itself where browsers play it, else a film of it; None where none can be made."""
        film = self._scratch / f"{path.name}.mp4"
        task = {
            "do": "film", "path": str(path), "output": str(film), "start_s": None, "end_s": None,
            "fps": info.fps, "seconds": info.frames / info.fps,
        }  # fmt: skip
        try:
            kind = video_tasks.read(self._vetting.run({"do": "kind", "path": str(path)}, _VET_S))
            if kind in video_tasks.MEDIA_TYPES:
                return PlayableVideo(path, kind, 0.0, None)
            self._transcoder.run(task, _TRANSCODE_S)
        except (InvalidInputError, SandboxError):
            film.unlink(missing_ok=True)
            return None
        return PlayableVideo(film, "video/mp4", 0.0, None)

    def _extractor(self) -> Sandbox:
        """Made at the first clip: most who search drop none."""
        with self._lock:
            if self._extraction is None:
                build = partial(clip_worker.build, self.gallery.extractors())
                self._extraction = Sandbox(build, self.limits.clip_memory_mb)
            return self._extraction
