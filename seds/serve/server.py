"""`seds serve`: bind the port, open the gallery, serve until Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h11
import torch
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from seds.config import load_params
from seds.errors import SedsError
from seds.search.gallery import Gallery
from seds.serve.app import build_app
from seds.serve.scratch import scratch
from seds.serve.service import SearchService

_HEADERS_S = 10.0  # within which a request's head has to come
_CONNECTIONS = 1000  # at a time; more get 503
_HEAD_BYTES = 16_384  # of a request's head, its URL included; more get 400
FOLDER = Path("work/serve")  # below it a folder a corpus


class ServeError(SedsError, RuntimeError):
    """The server cannot start; the message says why, and what to do."""


class HeaderTimeoutProtocol(H11Protocol):
    """uvicorn's, which waits for ever for the rest of a head; this one for a while."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop()

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._stop()
        elif self._waiting is None and self.timeout_keep_alive_task is None:
            self._waiting = self.loop.call_later(_HEADERS_S, self.transport.close)

    def _stop(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


def serve(dataset: str, host: str, port: int, say: Callable[[str], None], root: Path = Path()) -> None:
    """Serve the gallery of a corpus below `root` until a signal ends it. `say` is told the URL.

    Raises ServeError: the address cannot be had. SearchError, ConfigError.
    """
    limits = load_params(root / "params.yaml").serve
    with bind(host, port) as listener:  # first: a busy port should not wait for a model to load
        # A search is one of many at a time: each in one thread (seds.serve.executor).
        torch.set_num_threads(1)
        gallery = Gallery.open(dataset, root)
        folder = root / FOLDER / dataset
        with scratch(folder) as clips:
            service = SearchService(gallery, limits, root, folder / "media", clips)
            server = uvicorn.Server(settings(service))
            say(f"{len(gallery.videos):,} videos of {dataset}: {url(listener, host)}  (Ctrl-C ends it)")
            with ended_by_signal():
                server.run(sockets=[listener])


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """Ctrl-C and SIGTERM, which uvicorn raises once more when it has closed, end this block and not the process: there
    are folders to remove."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def settings(service: SearchService) -> uvicorn.Config:
    """How uvicorn runs the application of a service."""
    return uvicorn.Config(
        build_app(service),
        http=HeaderTimeoutProtocol,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        timeout_graceful_shutdown=3,
    )


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises ServeError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, OverflowError, UnicodeError):
        raise ServeError(f"{host!r} with port {port} is no address of this machine; try --host 127.0.0.1") from None
    family, kind, protocol, _, address = found[0]
    # Of a socket that does not say it is TCP, asyncio leaves Nagle's algorithm on: every answer, whose head and body
    # are two pieces, would wait 40 ms for the browser to acknowledge the first.
    listener = socket.socket(family, kind, protocol)
    try:
        # A server that was just stopped leaves the port in a waiting state, which this passes over.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_CONNECTIONS)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ServeError(
                f"port {port} of {host} is in use by another program; choose one with --port, such as {port + 1}"
            ) from None
        raise ServeError(f"cannot listen on port {port} of {host}: {error.strerror}") from None
    return listener


def url(listener: socket.socket, host: str) -> str:
    """Where a browser of this machine finds the page."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{listener.getsockname()[1]}/"
