"""The guard: who may talk to the console, and what browsers may do with its answers.

A server on the loopback interface can be reached by every page that the person has open. So each
request must name this very host and port (a foreign name that was rebound to 127.0.0.1 does not),
come with the cookie that the printed link was exchanged for, and, if it changes something, from
this page itself (its origin, and a token that only this page can read).
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from matinv.errors import ErrorInfo
from matinv.jobs.error_answers import FORBIDDEN, UNAUTHORIZED, answer_of

CSRF_HEADER: Final = "x-matinv-csrf"

_SECRET_BYTES: Final = 32
_SAFE: Final = frozenset({"GET", "HEAD"})
_OWN_SITES: Final = frozenset({None, "same-origin", "none"})  # old browsers send no Sec-Fetch-Site
_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def _secret() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)


@dataclass(slots=True)
class Session:
    """The secrets that one run of the console shares with its user's browser.

    Parameters
    ----------
    port : int
        The port on the loopback interface.
    token : str or None
        In the printed link; None once it was used.
    key : str
        In the cookie.
    csrf : str
        The token that the page must send along with changes.
    """

    port: int
    token: str | None = field(default_factory=_secret, repr=False)
    key: str = field(default_factory=_secret, repr=False)
    csrf: str = field(default_factory=_secret, repr=False)

    @property
    def link(self) -> str:
        """The address to open, once."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers send a host's cookies to all of its ports."""
        return f"matinv-console-{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """The allowed values of the Host header."""
        return frozenset({f"127.0.0.1:{self.port}", f"localhost:{self.port}"})

    def redeem(self, token: str) -> bool:
        """Whether this is the link's token; it works once."""
        if self.token is None or not _same(token, self.token):
            return False
        self.token = None
        return True


class Guard:
    """ASGI middleware that lets nothing through which the module's text does not allow.

    Parameters
    ----------
    app : ASGIApp
        The guarded application.
    session : Session
        The session that may pass.
    """

    def __init__(self, app: ASGIApp, session: Session) -> None:
        self._app = app
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that may not pass, hand on one that may; mark every answer."""
        if scope["type"] != "http":  # the lifespan; there are no websockets
            await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await (self._answer(scope) or self._app)(scope, receive, marked)

    def _answer(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if headers.get("host") not in self._session.hosts:
            return _no("the request names another host than this console", "open 127.0.0.1")
        if scope["path"] == "/" and (entered := self._enter(scope, headers)):
            return entered
        if not self._knows(headers):
            return _no("no session", "open the link that `matinv console` printed", UNAUTHORIZED)
        if headers.get("sec-fetch-site") not in _OWN_SITES:
            return _no("the request comes from another page", "use the console's own")
        if scope["method"] in _SAFE:
            return None
        if headers.get("origin") not in {f"http://{host}" for host in self._session.hosts}:
            return _no("the change comes from another page", "use the console's own")
        if not _same(headers.get(CSRF_HEADER, ""), self._session.csrf):
            return _no("the change lacks the page's token", "load the page again")
        return None

    def _enter(self, scope: Scope, headers: Headers) -> Response | None:
        """Exchange the link's token for a cookie, and take it out of the address."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if given and self._session.redeem(given):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(
                self._session.cookie, self._session.key, httponly=True, samesite="strict", path="/"
            )
            return answer
        if self._knows(headers):
            return RedirectResponse("/", 303) if given else None
        return PlainTextResponse(
            "This link was used before, or belongs to another run of the console.\n"
            "Start `matinv console` again and open the link that it prints.\n",
            401,
        )

    def _knows(self, headers: Headers) -> bool:
        cookies = SimpleCookie(headers.get("cookie", ""))
        morsel = cookies.get(self._session.cookie)
        return morsel is not None and _same(morsel.value, self._session.key)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _no(message: str, hint: str, code: str = FORBIDDEN) -> Response:
    info = ErrorInfo(code, message, hint)
    return JSONResponse({"error": info.document()}, answer_of(code).status)
