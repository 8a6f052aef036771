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

GET  /api/openapi.json                the description of all of this, for programs; docs/api.md is for people

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
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException

from seds.index.store import SearchError
from seds.messages import printable
from seds.search.answer import Question, to_json
from seds.serve import pages, running, schema
from seds.serve.ranges import normalised
from seds.serve.security import Access, SecurityMiddleware
from seds.serve.service import SearchService

_METHODS = ["GET", "HEAD"]
_CACHED = {"Cache-Control": "private, max-age=600"}
_REVALIDATED = {"Cache-Control": "private, no-cache"}

_DESCRIPTION = (
    "The search page of a corpus of sign-language videos, for programs. A server that is open to a network wants its "
    "token in each request, as Authorization: Bearer TOKEN."
)
_ERRORS = {
    400: "the upload was interrupted, or the address is no UTF-8",
    401: "the token is missing or wrong",
    403: "another site sent this, or a POST has no Origin header with the address of the server",
    404: "no such video or clip; a clip may have expired",
    408: "the upload took too long",
    409: "the clip is still being processed",
    413: "the clip is too large, or a GET has a body",
    415: "the body of an upload is not said to be a video",
    421: "a host name that the server does not answer to",
    422: "what is asked for cannot be answered: an unknown stream, an empty query, a clip that is no video, ...",
    429: "other clips are being processed; Retry-After says for how many seconds",
    503: "too many requests wait",
    507: "no room for the clip",
}
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_OF_ALL = (401, 403, 404, 421, 422, 503)


def _file_of(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: _BYTES}, "description": "the file"}}


_TABLE: dict[str, Any] = {"response_class": Response, "responses": _file_of("text/csv")}

Text = Annotated[str, Query(alias="q", description="a sentence")]
Count = Annotated[int, Query(alias="k", description="how many results, at most")]
Stream = Annotated[str | None, Query(description="the stream to compare by; the model's main one by default")]
VideoId = Annotated[str | None, Query(description="the id of a video of the gallery; or give clip")]
ClipNumber = Annotated[str | None, Query(description="the number of an uploaded clip; or give video")]
OneVideo = Annotated[str, Query(description="the id of a video of the gallery")]


def build_app(service: SearchService, access: Access | None, own_key: str) -> FastAPI:
    """The application of a service, which it closes when it ends. access: see SecurityMiddleware. own_key: what the
    requests have of the user whose server it is, who may know the paths of files.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    # FastAPI's documentation pages would load scripts from another host.
    app = FastAPI(
        title="seds serve",
        description=_DESCRIPTION,
        version=service.gallery.header.build[:12],
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        responses=_errors(*_OF_ALL),
        generate_unique_id_function=_operation,
        lifespan=lifespan,
    )
    app.add_middleware(SecurityMiddleware, names=service.limits.hosts, access=access)
    _add_error_handlers(app)
    page, files = pages.render(service), pages.static_files()

    @app.api_route("/", methods=_METHODS, include_in_schema=False)
    async def _() -> Response:
        return HTMLResponse(page, headers=_REVALIDATED)

    @app.api_route("/static/{name}", methods=_METHODS, include_in_schema=False)
    async def _(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "not found")
        return Response(files[name].content, media_type=files[name].media_type, headers=_REVALIDATED)

    @app.get("/api/search", summary="Videos for a sentence")
    async def _(q: Text, k: Count = 10, stream: Stream = None) -> schema.VideosForSentence:
        return schema.VideosForSentence.model_validate(await service.search(q, k, stream))

    @app.get("/api/video", summary="Sentences for a video of the gallery")
    async def _(video: OneVideo, k: Count = 10, stream: Stream = None) -> schema.SentencesForVideo:
        return schema.SentencesForVideo.model_validate(await service.sentences_for_video(video, k, stream))

    @app.get("/api/like", summary="Videos that sign like another one")
    async def _(
        video: VideoId = None, clip: ClipNumber = None, k: Count = 10, stream: Stream = None
    ) -> schema.VideosLikeVideo | schema.VideosLikeClip:
        answer = await service.videos_like(video, clip, k, stream)
        return (schema.VideosLikeVideo if clip is None else schema.VideosLikeClip).model_validate(answer)

    @app.get("/api/like/why", summary="Which seconds of a video that was found are like which of the one searched with")
    async def _(found: OneVideo, video: VideoId = None, clip: ClipNumber = None, stream: Stream = None) -> schema.Why:
        return schema.Why.model_validate(await service.why_like(found, video, clip, stream))

    @app.get("/api/why", summary="When each word of a sentence is signed in a video")
    async def _(q: Text, video: VideoId = None, clip: ClipNumber = None, stream: Stream = None) -> schema.Why:
        return schema.Why.model_validate(await service.why(q, video, clip, stream))

    @app.get("/api/film", summary="Where a video of the gallery lies in the file of /media")
    async def _(video: OneVideo) -> schema.Film:
        playable = await service.playable(video)
        return schema.Film.model_validate({"start": playable.start_s, "end": playable.end_s})

    @app.api_route(
        "/media",
        methods=_METHODS,
        summary="A video's file, or the ranges of it that are asked for",
        response_class=FileResponse,
        responses=_file_of("video/mp4"),
    )
    async def _(request: Request, video: VideoId = None, clip: ClipNumber = None) -> Response:
        playable = await service.playable(video, clip)
        return _file(request, playable.path, playable.media_type, _REVALIDATED)

    @app.api_route(
        "/poster",
        methods=_METHODS,
        summary="A picture of a video of the gallery",
        response_class=FileResponse,
        responses=_file_of("image/jpeg"),
    )
    async def _(request: Request, video: OneVideo) -> Response:
        return _file(request, await service.poster(video), "image/jpeg", _CACHED)

    @app.post(
        "/api/clips",
        summary="Upload a clip: the body is the file",
        status_code=202,
        response_model=schema.Clip,
        responses=_errors(400, 408, 413, 415, 429, 507),
        openapi_extra={"requestBody": {"required": True, "content": {"video/*": _BYTES}}},
    )
    async def _(request: Request) -> JSONResponse:
        clip = await service.uploads.receive(request.headers, request.stream())
        return JSONResponse(_checked(schema.Clip, service.progress(clip)), 202)

    @app.get(
        "/api/clips/{number}",
        summary="Sentences for an uploaded clip, once it is processed",
        response_model=schema.SentencesForClip,
        responses={202: {"model": schema.Clip, "description": "it is still being processed: ask again"}},
    )
    async def _(number: str, k: Count = 10, stream: Stream = None) -> JSONResponse:
        clip = service.uploads.get(number)
        clip.raise_error()
        if clip.state != "ready":
            return JSONResponse(_checked(schema.Clip, service.progress(clip)), 202)
        found = await service.sentences_for_clip(clip, k, stream)
        return JSONResponse(_checked(schema.SentencesForClip, found))

    @app.get("/download/videos.csv", summary="What /api/search gives, as a table", **_TABLE)
    async def _(q: Text, k: Count = 10, stream: Stream = None) -> Response:
        return _table(await service.videos_csv(q, k, stream))

    @app.get("/download/like.csv", summary="What /api/like gives, as a table", **_TABLE)
    async def _(video: VideoId = None, clip: ClipNumber = None, k: Count = 10, stream: Stream = None) -> Response:
        return _table(await service.like_csv(video, clip, k, stream))

    @app.get(
        "/download/videos.zip",
        summary="What /api/search gives, as ELAN files and subtitles",
        response_class=Response,
        responses=_file_of("application/zip"),
    )
    async def _(q: Text, k: Count = 10, stream: Stream = None) -> Response:
        return _download(await service.videos_zip(q, k, stream), "application/zip")

    @app.get("/download/sentences.csv", summary="What /api/video or /api/clips/NUMBER gives, as a table", **_TABLE)
    async def _(video: VideoId = None, clip: ClipNumber = None, k: Count = 10, stream: Stream = None) -> Response:
        return _table(await service.sentences_csv(video, clip, k, stream))

    @app.get(running.ANSWER, include_in_schema=False)
    async def _(
        k: Count,
        explained: int,
        key: Annotated[str, Header(alias=running.KEY)] = "",
        q: str | None = None,
        video: str | None = None,
        like: str | None = None,
        stream: Stream = None,
    ) -> JSONResponse:
        if not secrets.compare_digest(key.encode(), own_key.encode()):
            raise HTTPException(404, "not found")
        return JSONResponse(to_json(await service.answer(Question(q, video, like, k, stream, explained))))

    return app


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": schema.Error, "description": _ERRORS[status]} for status in statuses}


def _checked(model: type[schema.Part], answer: dict[str, Any]) -> dict[str, Any]:
    return model.model_validate(answer).model_dump()


def _operation(route: APIRoute) -> str:
    """A name for clients that are made from the description: get_api_like_why."""
    method = min(route.methods or {"GET"})
    return f"{method}{route.path}".lower().translate(str.maketrans("/.{", "___", "}"))


def _download(content: str | bytes, media_type: str) -> Response:
    """A file to keep. Its name is the link's, or the end of the address."""
    return Response(content, media_type=media_type, headers={"Content-Disposition": "attachment"})


def _table(content: str | bytes) -> Response:
    return _download(content, "text/csv; charset=utf-8")


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
