"""Who may ask, and for what."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

__all__ = ["Guard"]

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Lets through GET and HEAD, to the right host, from the browser that has exchanged the token for a cookie.

    The host has to be one of those given, so that a page elsewhere cannot reach the dashboard under a name of its own (DNS
    rebinding). The token is good for one exchange; the cookie cannot be read by scripts, and is not sent from other sites.

    Args:
        app: what is guarded.
        token: the secret of the first address.
        hosts: allowed values of the Host header, port included.
        name: of the cookie.
    """

    def __init__(self, app: App, *, token: str, hosts: frozenset[str], name: str = "poptrain") -> None:
        self._app = app
        self._token: str | None = token
        self._hosts = hosts
        self._name = name
        self._session = secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)  # the server's own messages; there are no web sockets
            return
        request = Request(scope)
        refusal = self._refusal(request)
        if refusal is not None:
            refusal.headers.update(_HEADERS)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, _with_headers(send))

    def _refusal(self, request: Request) -> Response | None:
        """Return the answer to whom the application must not answer, or to whom brings the token."""
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("this page can only be read\n", 405, headers={"Allow": "GET, HEAD"})
        if request.headers.get("host", "") not in self._hosts:
            return PlainTextResponse("wrong host\n", 421)
        token = request.query_params.get("token")
        if token is not None and request.method == "GET":
            return self._exchange(token)
        if not hmac.compare_digest(request.cookies.get(self._name, "").encode(), self._session.encode()):
            return PlainTextResponse("open the address that the dashboard printed when it was started\n", 401)
        return None

    def _exchange(self, token: str) -> Response:
        if self._token is None or not hmac.compare_digest(token.encode(), self._token.encode()):
            return PlainTextResponse("this address was used already, or is wrong: start the dashboard again\n", 401)
        self._token = None
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._name, self._session, httponly=True, samesite="strict", path="/")
        return answer


def _with_headers(send: Send) -> Send:
    """Return a `send` that adds the headers which every answer has, unless it has them already."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            known = {name.lower() for name, _ in headers}
            headers += [(n.lower().encode(), v.encode()) for n, v in _HEADERS.items() if n.lower().encode() not in known]
            message = {**message, "headers": headers}
        await send(message)

    return sending
