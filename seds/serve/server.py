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

_HEADERS_S = 10.0  # within which a request's headers must arrive
_CONNECTIONS = 1000  # at a time; more get 503
_HEADER_BYTES = 16_384  # of a request's headers and URL; more get 400
FOLDER = Path("work/serve")  # has a folder for each corpus


class ServeError(SedsError, RuntimeError):
    """The server cannot start; the message says why, and what to do."""


class HeaderTimeoutProtocol(H11Protocol):
    """uvicorn's protocol, which has no timeout for a request's headers, with one."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._update_timer()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._update_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_timer()

    def _update_timer(self) -> None:
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            self._stop_timer()
        elif self._timer is None and self.timeout_keep_alive_task is None:
            self._timer = self.loop.call_later(_HEADERS_S, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def serve(dataset: str, host: str, port: int, echo: Callable[[str], None], root: Path = Path()) -> None:
    """Serve the gallery of a corpus below `root` until a signal ends it. echo: prints the line with the URL.

    Raises ServeError: the address is not available. SearchError, ConfigError.
    """
    limits = load_params(root / "params.yaml").serve
    with bind(host, port) as listener:  # first, so that a busy port is reported before a model is loaded
        # Searches run side by side, each in one thread (seds.serve.executor).
        torch.set_num_threads(1)
        gallery = Gallery.open(dataset, root)
        folder = root / FOLDER / dataset
        with scratch(folder) as clips:
            service = SearchService(gallery, limits, root, folder / "media", clips)
            server = uvicorn.Server(settings(service))
            echo(f"{len(gallery.videos):,} videos of {dataset}: {url(listener, host)}  (Ctrl-C to stop)")
            with ended_by_signal():
                server.run(sockets=[listener])


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """Ctrl-C and SIGTERM, which uvicorn raises again after it has shut down, end this block and not the process: there
    are folders to remove.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


def settings(service: SearchService) -> uvicorn.Config:
    """uvicorn's configuration for a service."""
    return uvicorn.Config(
        build_app(service),
        http=HeaderTimeoutProtocol,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_graceful_shutdown=3,
    )


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises ServeError."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, OverflowError, UnicodeError):
        raise ServeError(f"{host!r} with port {port} is not an address of this machine; try --host 127.0.0.1") from None
    family, kind, protocol, _, address = addresses[0]
    # Without an explicit protocol, asyncio leaves Nagle's algorithm on: every response, whose headers and body are two
    # writes, would wait 40 ms for the browser to acknowledge the first.
    listener = socket.socket(family, kind, protocol)
    try:
        # Or a server that was just stopped would block the port for a while.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_CONNECTIONS)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ServeError(
                f"port {port} of {host} is in use by another program; choose another one, such as --port {port + 1}"
            ) from None
        raise ServeError(f"cannot listen on port {port} of {host}: {error.strerror}") from None
    return listener


def url(listener: socket.socket, host: str) -> str:
    """The URL of the page on this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{listener.getsockname()[1]}/"
