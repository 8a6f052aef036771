"""Security checks and headers for every request: whom the server answers, and what browsers may do with the answers.

The page is for the users of this machine or, where --host opens it to a network, for those who have its token. Other
web sites that they visit must not be able to read or use it through their browsers.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
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
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
_SAFE = ("GET", "HEAD")


@dataclass(frozen=True)
class Access:
    """What a visitor has to show: the token, once in the page's address and then in a cookie, or as `Authorization:
    Bearer TOKEN` in each request.

    cookie: its name; browsers send cookies to every port of a host. secure: the server speaks TLS.
    """

    token: str
    cookie: str
    secure: bool

    def response(self, scope: Scope) -> Response | None:
        """None for a request that may go on; otherwise what to answer."""
        connection = HTTPConnection(scope)
        at_page = scope["path"] == "/" and scope["method"] in _SAFE
        if at_page and self._matches(connection.query_params.get("token", "")):
            others = [(name, value) for name, value in connection.query_params.multi_items() if name != "token"]
            # Lax, since the links of a report lead here from another site.
            answer = RedirectResponse(f"/?{urlencode(others)}" if others else "/", 303)
            answer.set_cookie(self.cookie, self.token, httponly=True, samesite="lax", secure=self.secure)
            return answer
        scheme, _, bearer = connection.headers.get("authorization", "").partition(" ")
        if self._matches(connection.cookies.get(self.cookie, "")) or (
            scheme.lower() == "bearer" and self._matches(bearer.strip())
        ):
            return None
        message = "open the page by the address, with its token, that seds serve has printed"
        headers = {"WWW-Authenticate": "Bearer", "Connection": "close"}
        return PlainTextResponse(message, 401, headers) if at_page else JSONResponse({"error": message}, 401, headers)

    def _matches(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(errors="replace"), self.token.encode())


class SecurityMiddleware:
    """ASGI middleware that rejects requests of other origins and of strangers, and adds the security headers.

    names: host names that the server answers to, besides localhost, this machine's name and any IP address. access:
    None = whoever reaches the server may use it.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = (), access: Access | None = None) -> None:
        self._app, self._access = app, access
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
        if rejection is not None:
            status, message = rejection
            answer: Response | None = JSONResponse({"error": message}, status, {"Connection": "close"})
        else:
            answer = self._access.response(scope) if self._access else None
        await (answer or self._app)(scope, receive, with_headers)


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
