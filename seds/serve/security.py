"""What stands before every request: whom the server answers, and what browsers may do with its answers.

The page is for the people of this machine, or of the network that --host opens it to; other web sites that they visit
must not read or use it through their browsers.
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
    # Everything comes from here.
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
    """ASGI middleware. names: host names it answers to, beside localhost, this machine's name and any address."""

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

        refused = refusal(scope, self._names)
        if refused is None:
            await self._app(scope, receive, with_headers)
        else:
            status, words = refused
            answer = JSONResponse({"error": words}, status, {"Connection": "close"})
            await answer(scope, receive, with_headers)


def refusal(scope: Scope, names: Collection[str]) -> tuple[int, str] | None:
    """Why a request gets no answer: status and words; None where it gets one."""
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    # A page elsewhere can point its own name at this machine (DNS rebinding) and would count as of one origin with us.
    # It cannot make the browser call us by address or by our names.
    if len(headers.getlist("host")) != 1 or not known_host(host, names):
        return 421, f"this server is not called {host[:100]!r}; serve.hosts in params.yaml names what else it is called"
    if headers.get("sec-fetch-site") in ("cross-site", "same-site") and scope["path"] != "/":
        return 403, "other sites may link to the page, and use nothing else of it"
    if scope["method"] not in _SAFE:
        origin = urlsplit(headers.get("origin", ""))
        if origin.scheme not in ("http", "https") or origin.netloc.lower() != host.lower():
            return 403, "only the page itself may send anything here (the header Origin says another one, or none)"
    elif headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return 413, f"a {scope['method']} request has no body here"
    try:
        unquote_to_bytes(scope["query_string"]).decode()
    except UnicodeDecodeError:
        return 400, "the address is not valid UTF-8"
    return None


def known_host(host: str, names: Collection[str]) -> bool:
    """Whether a Host header is an IP address or one of the names, with or without a port."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = (parts.hostname or "").rstrip("."), parts.port  # port: ValueError where it is none
    except ValueError:
        return False
    if parts.netloc != host or "@" in host:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in names
    return True
