"""The HTTP layer: the page, its API, and the videos. `seds.serve.security` checks every request before it gets here.

GET  /                                the page; ?q=SENTENCE, ?video=ID or ?clip=NUMBER is what it shows; the last two
                                      with &find=videos
GET  /api/search?q=&k=&stream=        videos for a sentence
GET  /api/video?video=&k=&stream=     sentences for a video of the gallery
GET  /api/like?video=&k=&stream=      videos that sign like a video of the gallery; ?clip= like an uploaded clip
GET  /api/like/why?found=&video=&stream=    which seconds of a video found are like which of that video; or ?clip=
GET  /api/why?q=&video=&stream=       when each word of a sentence is signed in a video; ?clip= for an uploaded clip
GET  /api/film?video=                 {start, end} of the video in /media?video=, in s; end is null for the file's
GET  /media?video=  /poster?video=    the file, in ranges if asked
POST /api/clips                       upload a clip, the body being the file -> 202 {clip}
GET  /api/clips/NUMBER?k=&stream=     202 while it is processed, then sentences for it
GET  /media?clip=                     an uploaded clip, to play
GET  /download/videos.csv?q=&k=&stream=     what /api/search gives, as a table
GET  /download/videos.zip?q=&k=&stream=     the same as ELAN files and subtitles of the files that are found
GET  /download/like.csv?video=&k=&stream=   what /api/like gives; ?clip= for an uploaded clip
GET  /download/sentences.csv?video=&k=&stream=    what /api/video gives; ?clip= for an uploaded clip
GET  /api/answer?q=&k=...             for `seds search` of the user whose server it is: seds.search.answer

Every error is {"error": message}.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException

from seds.index.store import SearchError
from seds.messages import printable
from seds.search.answer import Question, to_json
from seds.serve import pages, running
from seds.serve.ranges import normalised
from seds.serve.security import Access, SecurityMiddleware
from seds.serve.service import SearchService

_METHODS = ["GET", "HEAD"]
_CACHED = {"Cache-Control": "private, max-age=600"}
_REVALIDATED = {"Cache-Control": "private, no-cache"}

Text = Annotated[str, Query(alias="q")]
Count = Annotated[int, Query(alias="k")]


def build_app(service: SearchService, access: Access | None, own_key: str) -> FastAPI:
    """The application of a service, which it closes when it ends. access: see SecurityMiddleware. own_key: what the
    requests have of the user whose server it is, who may know the paths of files.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    # FastAPI's documentation pages would load scripts from another host.
    app = FastAPI(title="seds serve", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.add_middleware(SecurityMiddleware, names=service.limits.hosts, access=access)
    _add_error_handlers(app)
    page, files = pages.render(service), pages.static_files()

    @app.api_route("/", methods=_METHODS)
    async def _() -> Response:
        return HTMLResponse(page, headers=_REVALIDATED)

    @app.api_route("/static/{name}", methods=_METHODS)
    async def _(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "not found")
        return Response(files[name].content, media_type=files[name].media_type, headers=_REVALIDATED)

    @app.get("/api/search")
    async def _(q: Text, k: Count = 10, stream: str | None = None) -> JSONResponse:
        return JSONResponse(await service.search(q, k, stream))

    @app.get("/api/video")
    async def _(video: str, k: Count = 10, stream: str | None = None) -> JSONResponse:
        return JSONResponse(await service.sentences_for_video(video, k, stream))

    @app.get("/api/like")
    async def _(
        video: str | None = None, clip: str | None = None, k: Count = 10, stream: str | None = None
    ) -> JSONResponse:
        return JSONResponse(await service.videos_like(video, clip, k, stream))

    @app.get("/api/like/why")
    async def _(
        found: str, video: str | None = None, clip: str | None = None, stream: str | None = None
    ) -> JSONResponse:
        return JSONResponse(await service.why_like(found, video, clip, stream))

    @app.get("/api/why")
    async def _(q: Text, video: str | None = None, clip: str | None = None, stream: str | None = None) -> JSONResponse:
        return JSONResponse(await service.why(q, video, clip, stream))

    @app.get("/api/film")
    async def _(video: str) -> JSONResponse:
        playable = await service.playable(video)
        return JSONResponse({"start": playable.start_s, "end": playable.end_s})

    @app.api_route("/media", methods=_METHODS)
    async def _(request: Request, video: str | None = None, clip: str | None = None) -> Response:
        playable = await service.playable(video, clip)
        return _file(request, playable.path, playable.media_type, _REVALIDATED)

    @app.api_route("/poster", methods=_METHODS)
    async def _(request: Request, video: str) -> Response:
        return _file(request, await service.poster(video), "image/jpeg", _CACHED)

    @app.post("/api/clips")
    async def _(request: Request) -> JSONResponse:
        clip = await service.uploads.receive(request.headers, request.stream())
        return JSONResponse(service.progress(clip), 202)

    @app.get("/api/clips/{number}")
    async def _(number: str, k: Count = 10, stream: str | None = None) -> JSONResponse:
        clip = service.uploads.get(number)
        clip.raise_error()
        if clip.state != "ready":
            return JSONResponse(service.progress(clip), 202)
        return JSONResponse(await service.sentences_for_clip(clip, k, stream))

    @app.get("/download/videos.csv")
    async def _(q: Text, k: Count = 10, stream: str | None = None) -> Response:
        return _download(await service.videos_csv(q, k, stream), "text/csv; charset=utf-8")

    @app.get("/download/like.csv")
    async def _(
        video: str | None = None, clip: str | None = None, k: Count = 10, stream: str | None = None
    ) -> Response:
        return _download(await service.like_csv(video, clip, k, stream), "text/csv; charset=utf-8")

    @app.get("/download/videos.zip")
    async def _(q: Text, k: Count = 10, stream: str | None = None) -> Response:
        return _download(await service.videos_zip(q, k, stream), "application/zip")

    @app.get("/download/sentences.csv")
    async def _(
        video: str | None = None, clip: str | None = None, k: Count = 10, stream: str | None = None
    ) -> Response:
        return _download(await service.sentences_csv(video, clip, k, stream), "text/csv; charset=utf-8")

    @app.get(running.ANSWER)
    async def _(
        k: Count,
        explained: int,
        key: Annotated[str, Header(alias=running.KEY)] = "",
        q: str | None = None,
        video: str | None = None,
        like: str | None = None,
        stream: str | None = None,
    ) -> JSONResponse:
        if not secrets.compare_digest(key.encode(), own_key.encode()):
            raise HTTPException(404, "not found")
        return JSONResponse(to_json(await service.answer(Question(q, video, like, k, stream, explained))))

    return app


def _download(content: str | bytes, media_type: str) -> Response:
    """A file to keep. Its name is the link's, or the end of the address."""
    return Response(content, media_type=media_type, headers={"Content-Disposition": "attachment"})


def _file(request: Request, path: Path, media_type: str, headers: Mapping[str, str]) -> Response:
    """A file, or the ranges of it that are asked for."""
    try:
        stat = os.stat(path)
    except OSError:
        raise HTTPException(404, "this file no longer exists") from None
    asked = MutableHeaders(scope=request.scope)  # FileResponse reads them there
    # Several Range headers are one malformed one.
    wanted = normalised(", ".join(asked.getlist("range")), stat.st_size) if request.method == "GET" else None
    del asked["range"]
    if wanted is not None:
        asked["range"] = wanted
    return FileResponse(path, media_type=media_type, headers=headers, stat_result=stat)


def _add_error_handlers(app: FastAPI) -> None:
    """Every error becomes {"error": message}."""

    def respond(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
        return JSONResponse({"error": message}, status, headers)

    @app.exception_handler(HTTPException)
    async def _(_: Request, error: HTTPException) -> JSONResponse:
        return respond(error.status_code, error.detail, error.headers)

    @app.exception_handler(SearchError)
    async def _(_: Request, error: SearchError) -> JSONResponse:
        return respond(422, str(error))

    @app.exception_handler(RequestValidationError)
    async def _(_: Request, error: RequestValidationError) -> JSONResponse:
        return respond(422, "; ".join(map(_validation_message, error.errors()[:5])))

    @app.exception_handler(Exception)
    async def _(_: Request, error: Exception) -> JSONResponse:
        return respond(500, "internal error; see the server's log")


def _validation_message(error: Mapping[str, Any]) -> str:
    return printable(f"{error['loc'][-1]}: {error['msg']}", 200)
