"""Security checks and headers for every request: whom the server answers, and what browsers may do with the answers.

The page is for the users of this machine, or of the network that --host opens it to. Other web sites that they visit
must not be able to read or use it through their browsers.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Iterable
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    # The page loads nothing from other hosts.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_SAFE = ("GET", "HEAD")


class SecurityMiddleware:
    """ASGI middleware that rejects requests of other origins and adds the security headers.

    names: host names that the server answers to, besides localhost, this machine's name and any IP address.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = ()) -> None:
        self._app = app
        self._names = {name.lower() for name in (*names, "localhost", socket.gethostname())}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        rejection = reject(scope, self._names)
        if rejection is None:
            await self._app(scope, receive, with_headers)
        else:
            status, message = rejection
            response = JSONResponse({"error": message}, status, {"Connection": "close"})
            await response(scope, receive, with_headers)


def reject(scope: Scope, names: Collection[str]) -> tuple[int, str] | None:
    """Status and message for a request that must not be answered; None for one that may."""
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    # Another site can point its own name at this machine (DNS rebinding) and would then share our origin. But it cannot
    # make the browser send our address or one of our names as the host.
    if len(headers.getlist("host")) != 1 or not known_host(host, names):
        return 421, f"unknown host {host[:100]!r}; add it to serve.hosts in params.yaml to allow it"
    if headers.get("sec-fetch-site") in ("cross-site", "same-site") and scope["path"] != "/":
        return 403, "other sites may only link to the page"
    if scope["method"] not in _SAFE:
        origin = urlsplit(headers.get("origin", ""))
        if origin.scheme not in ("http", "https") or origin.netloc.lower() != host.lower():
            return 403, "only the page itself may send data here (the Origin header names another site, or none)"
    elif headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return 413, f"a {scope['method']} request must not have a body"
    try:
        unquote_to_bytes(scope["query_string"]).decode()
    except UnicodeDecodeError:
        return 400, "the URL is not valid UTF-8"
    return None


def known_host(host: str, names: Collection[str]) -> bool:
    """Whether a Host header is an IP address or one of the names, with or without a port."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = (parts.hostname or "").rstrip("."), parts.port  # .port raises ValueError if invalid
    except ValueError:
        return False
    if parts.netloc != host or "@" in host:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in names
    return True
