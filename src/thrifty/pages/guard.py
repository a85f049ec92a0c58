"""Who may ask, and how much: the door that every request to the pages goes through.

A server on loopback is open to every program of this machine, and every page in the browser can send requests to it. So a request must
name a host that the server goes by (a foreign name that was made to point here does not), one that changes something must come from
these pages, none may be larger than a label needs, and where others can reach the server it must carry the token.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "thrifty-token"
LARGEST = 1 << 20
"""Bytes of a request: the boxes of a frame take some hundred each."""
_READING = frozenset({"GET", "HEAD"})
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True)
class Guard:
    """The door.

    Attributes:
        app: What lies behind it.
        hosts: Names the server goes by, as browsers write them: with the port, but for that of the scheme.
        token: What a request must carry, in the cookie that a visit to `/?token=...` sets; `None` where only this machine
            can ask.
    """

    app: ASGIApp
    hosts: frozenset[str]
    token: str | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        await self.app(scope, _bounded(receive), _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if headers.get("host", "").lower() not in self.hosts:
            return _said(
                421,
                "this server does not go by that name; use the address that it was started with",
            )
        if self.token is not None:
            asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if _equal(asked, self.token):
                return _welcome(self.token)
            if not _equal(_cookie(headers, _cookie_of(self.token)), self.token):
                return _said(
                    401, "open the address that `thrifty ui` printed; it carries the token"
                )
        if scope["method"] not in _READING and not self._is_own(headers):
            return _said(403, "changes are taken from these pages alone")
        if int(headers.get("content-length", "0") or 0) > LARGEST:
            return _said(413, f"a request may have {LARGEST} bytes")
        return None

    def _is_own(self, headers: Headers) -> bool:
        """Whether a page of this server sent it: browsers say so, and other pages cannot make them lie."""
        site = headers.get("sec-fetch-site")
        if site is not None and site != "same-origin":
            return False
        origin = headers.get("origin")
        return origin is not None and urlsplit(origin).netloc.lower() in self.hosts


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _cookie_of(token: str) -> str:
    """Its name: browsers do not keep the cookies of several ports of one machine apart."""
    return f"{COOKIE}-{hashlib.sha256(token.encode()).hexdigest()[:8]}"


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _welcome(token: str) -> Response:
    # The address bar, history and logs of proxies should not keep the token.
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(_cookie_of(token), token, httponly=True, samesite="strict")
    return answer


def _said(status: int, message: str) -> Response:
    return PlainTextResponse(f"thrifty: {message}\n", status)


class TooLarge(Exception):  # noqa: N818 - no error of the server
    """More came than was announced or is taken."""


def _bounded(receive: Receive) -> Receive:
    left = LARGEST

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise TooLarge
        return message

    return bounded


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
            message["headers"] = [*message.get("headers", ()), *own]
        await send(message)

    return sent
