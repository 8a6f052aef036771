"""The HTTP layer: a page, what it asks for, and the videos. `seds.serve.security` stands before all of it.

GET  /                                the page; ?q=SENTENCE, ?video=ID or ?clip=NUMBER is what it shows
GET  /api/search?q=&k=&stream=        videos of a sentence
GET  /api/video?video=&k=&stream=     sentences of a video of the gallery
GET  /api/why?q=&video=&stream=       when the words of a sentence are in a video; ?clip= for one's own
GET  /api/film?video=                 where to play a video: {url, start, end}
GET  /media?video=  /poster?video=    bytes, by ranges too
POST /api/clips                       a clip of one's own, the body being the file -> 202 {clip}
GET  /api/clips/NUMBER?k=&stream=     202 while it is worked on, then its sentences
GET  /media?clip=                     a clip of one's own, to play
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from seds.index.store import SearchError
from seds.messages import printable
from seds.serve import pages
from seds.serve.problem import Problem
from seds.serve.security import SecurityMiddleware
from seds.serve.service import SearchService

_METHODS = ["GET", "HEAD"]
_BRIEFLY = {"Cache-Control": "private, max-age=600"}
_REVALIDATED = {"Cache-Control": "private, no-cache"}

Text = Annotated[str, Query(alias="q")]
Count = Annotated[int, Query(alias="k")]


def build_app(service: SearchService) -> FastAPI:
    """The application of a service, which it closes when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    # Its documentation pages would load scripts from another host.
    app = FastAPI(title="seds serve", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.add_middleware(SecurityMiddleware, names=service.limits.hosts)
    _answer_problems(app)
    page, files = pages.render(service), pages.static_files()

    @app.api_route("/", methods=_METHODS)
    async def _() -> Response:
        return HTMLResponse(page, headers=_REVALIDATED)

    @app.api_route("/static/{name}", methods=_METHODS)
    async def _(name: str) -> Response:
        if name not in files:
            raise Problem(404, "there is no such file")
        return Response(files[name].content, media_type=files[name].media_type, headers=_REVALIDATED)

    @app.get("/api/search")
    async def _(q: Text, k: Count = 10, stream: str | None = None) -> JSONResponse:
        return JSONResponse(await service.search(q, k, stream))

    @app.get("/api/video")
    async def _(video: str, k: Count = 10, stream: str | None = None) -> JSONResponse:
        return JSONResponse(await service.similar(video, k, stream))

    @app.get("/api/why")
    async def _(q: Text, video: str | None = None, clip: str | None = None, stream: str | None = None) -> JSONResponse:
        return JSONResponse(await service.why(q, video, clip, stream))

    @app.get("/api/film")
    async def _(video: str) -> JSONResponse:
        film = await service.film(video)
        return JSONResponse({"start": film.start_s, "end": film.end_s})

    @app.api_route("/media", methods=_METHODS)
    async def _(video: str | None = None, clip: str | None = None) -> Response:
        found = await service.film(video, clip)
        return _file(found.path, found.media_type, _REVALIDATED)

    @app.api_route("/poster", methods=_METHODS)
    async def _(video: str) -> Response:
        return _file(await service.poster(video), "image/jpeg", _BRIEFLY)

    @app.post("/api/clips")
    async def _(request: Request) -> JSONResponse:
        clip = await service.uploads.receive(request.headers, request.stream())
        return JSONResponse(service.progress(clip), 202)

    @app.get("/api/clips/{number}")
    async def _(number: str, k: Count = 10, stream: str | None = None) -> JSONResponse:
        clip = service.uploads.get(number)
        if clip.problem is not None:
            raise clip.problem
        if clip.state != "ready":
            return JSONResponse(service.progress(clip), 202)
        return JSONResponse(await service.sentences_of(clip, k, stream))

    return app


def _file(path: Path, media_type: str, headers: Mapping[str, str]) -> Response:
    """A file, or the ranges of it that are asked for."""
    try:
        found = os.stat(path)
    except OSError:
        raise Problem(404, "this file is gone") from None
    return FileResponse(path, media_type=media_type, headers=headers, stat_result=found)


def _answer_problems(app: FastAPI) -> None:
    """Every refusal is {"error": words}."""

    def answer(status: int, words: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
        return JSONResponse({"error": words}, status, headers)

    @app.exception_handler(Problem)
    async def _(_: Request, problem: Problem) -> JSONResponse:
        return answer(problem.status, problem.words, problem.headers)

    @app.exception_handler(SearchError)
    async def _(_: Request, error: SearchError) -> JSONResponse:
        return answer(422, str(error))

    @app.exception_handler(RequestValidationError)
    async def _(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer(422, "; ".join(map(_what_is_wrong, error.errors()[:5])))

    @app.exception_handler(HTTPException)
    async def _(_: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, str(error.detail).lower(), error.headers)

    @app.exception_handler(Exception)
    async def _(_: Request, error: Exception) -> JSONResponse:
        return answer(500, "something went wrong here; the server's log says what")


def _what_is_wrong(error: Mapping[str, Any]) -> str:
    return printable(f"{error['loc'][-1]}: {error['msg']}", 200)
