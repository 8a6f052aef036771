"""`seds serve`: bind the port, open the gallery, serve until Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import re
import secrets
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import h11
import torch
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from seds.config import load_params
from seds.errors import SedsError
from seds.search.gallery import Gallery
from seds.serve import running
from seds.serve.app import build_app
from seds.serve.scratch import scratch
from seds.serve.security import Access
from seds.serve.service import SearchService

_HEADERS_S = 10.0  # within which a request's headers must arrive
_CONNECTIONS = 1000  # at a time; more get 503
_HEADER_BYTES = 16_384  # of a request's headers and URL; more get 400
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


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


@dataclass(frozen=True)
class Lock:
    """Who may use the server. token: what visitors need; None = a random one, and none on the loopback address. open:
    nobody needs one. certificate, key: PEM files, for TLS.
    """

    token: str | None = None
    open: bool = False
    certificate: Path | None = None
    key: Path | None = None

    def check(self) -> None:
        """Raises ServeError for options that do not fit, and files that are no certificate and key."""
        if self.token is not None and self.open:
            raise ServeError("--token and --open exclude each other")
        if self.token is not None and not re.fullmatch(r"[A-Za-z0-9_-]{8,200}", self.token):
            raise ServeError("--token: expected 8 to 200 letters from a to z, digits, _ and -")
        if (self.certificate is None) != (self.key is None):
            raise ServeError("--certificate and --key belong together")
        if self.certificate is not None:
            try:
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                context.load_cert_chain(self.certificate, self.key, lambda: "")  # or it would ask for a password
            except (OSError, ValueError) as error:  # SSLError is an OSError
                reason = error.strerror if isinstance(error, OSError) and error.strerror else error
                raise ServeError(
                    f"{self.certificate} and {self.key} are not a certificate and its key (PEM, no password): {reason}"
                ) from None

    def access(self, listener: socket.socket) -> Access | None:
        """What visitors of that address have to show; None = nothing."""
        address, port = listener.getsockname()[:2]
        if self.open or (self.token is None and ipaddress.ip_address(address).is_loopback):
            return None
        return Access(self.token or secrets.token_urlsafe(24), f"seds-{port}", self.certificate is not None)


def serve(
    dataset: str,
    host: str,
    port: int,
    echo: Callable[[str], None],
    lock: Lock | None = None,
    root: Path = Path(),
    drawn: bool = False,
) -> None:
    """Serve the gallery of a corpus below `root` until a signal ends it. echo: prints the lines with the URL.

    drawn: its videos are shown as skeletons.

    Raises ServeError: the address is not available, or the lock's options do not fit. SearchError, ConfigError.
    """
    lock = lock or Lock()
    lock.check()
    limits = load_params(root / "params.yaml").serve
    with bind(host, port) as listener:  # first, so that a busy port is reported before a model is loaded
        # Searches run side by side, each in one thread (seds.serve.executor).
        torch.set_num_threads(1)
        version = running.opened(dataset, root)
        gallery = Gallery.open(dataset, root)
        folder = root / running.FOLDER / dataset
        with scratch(folder) as clips:
            service = SearchService(gallery, limits, root, folder / "media", clips, drawn)
            access, key = lock.access(listener), running.new_key()
            server = uvicorn.Server(settings(service, access, lock, key))
            if lock.certificate is None:  # else the search would have to know whom it is made out to
                token = access.token if access else None
                running.announce(clips, own_address(listener), token, key, version)
            here, *elsewhere = urls(listener, host, access, lock)
            echo(f"{len(gallery.videos):,} videos of {dataset}: {here}  (Ctrl-C to stop)")
            for address in elsewhere:
                echo(f"from other machines: {address}")
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


def settings(service: SearchService, access: Access | None, lock: Lock, key: str) -> uvicorn.Config:
    """uvicorn's configuration for a service."""
    return uvicorn.Config(
        build_app(service, access, key),
        ssl_certfile=lock.certificate,
        ssl_keyfile=lock.key,
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


def own_address(listener: socket.socket) -> tuple[str, int]:
    """Where this machine reaches the server."""
    address, port = listener.getsockname()[:2]
    return _LOOPBACK.get(address, address), port


def urls(listener: socket.socket, host: str, access: Access | None, lock: Lock) -> list[str]:
    """The URL of the page on this machine and, where every address is listened to, that for others."""
    names = [_LOOPBACK[host], socket.gethostname()] if host in _LOOPBACK else [host]
    scheme, query = "https" if lock.certificate else "http", f"?token={access.token}" if access else ""
    port = listener.getsockname()[1]
    return [f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}/{query}" for name in names]
