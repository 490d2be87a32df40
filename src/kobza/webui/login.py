"""A password for the whole page, kept in a cookie that scripts and other sites cannot use."""

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kobza.webui.errors import PageError
from kobza.webui.limits import RateLimit, too_many, visitor
from kobza.webui.security import STARTUP_PATH, refusal

SESSION_SECONDS = 30 * 24 * 3600
MAX_BODY_BYTES = 4096
LOGIN_PATH = "/api/login"


class Sessions:
    """Cookies that this server has signed. They end after `SESSION_SECONDS`, and with the server."""

    def __init__(self, clock: Callable[[], float] = time.time):
        self._key = secrets.token_bytes(32)
        self._clock = clock

    def new(self) -> str:
        end = str(int(self._clock()) + SESSION_SECONDS)
        return f"{end}.{self._signature(end)}"

    def is_valid(self, value: str) -> bool:
        end, _, signature = value.partition(".")
        is_signed = hmac.compare_digest(signature.encode(), self._signature(end).encode())
        return is_signed and self._clock() < int(end)

    def _signature(self, end: str) -> str:
        return hmac.new(self._key, end.encode(), hashlib.sha256).hexdigest()


def same_text(given: str, expected: str) -> bool:
    """Compared in a time that depends on neither, nor on their lengths."""
    digests = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (given, expected))
    return hmac.compare_digest(*digests)


class Login:
    """Lets in who has the cookie, and gives it to who knows the password. The files of the page are open: they hold
    nothing of the library. Behind it, `request.state.is_known` is true.

    Args:
        form: the HTML of the page that asks for the password.
    """

    def __init__(self, app: ASGIApp, password: str, form: str, clock: Callable[[], float] = time.monotonic):
        self.app = app
        self._password = password
        self._form = form
        self._sessions = Sessions()
        self._tries = RateLimit(per_second=1 / 20, burst=5, total_per_second=1, total_burst=100, clock=clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/static/") or scope["path"] == STARTUP_PATH:
            await self.app(scope, receive, send)
        elif scope["path"] == LOGIN_PATH:
            response = await self._log_in(Request(scope, receive))
            await response(scope, receive, send)
        elif self._is_known(scope):
            scope.setdefault("state", {})["is_known"] = True
            await self.app(scope, receive, send)
        elif scope["path"] == "/":
            await HTMLResponse(self._form, 401, {"Cache-Control": "no-store"})(scope, receive, send)
        else:
            await refusal(scope, PageError("password_needed", 401))(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        cookies: SimpleCookie = SimpleCookie()
        for value in Headers(scope=scope).getlist("cookie"):
            try:
                cookies.load(value)
            except CookieError:
                return False
        cookie = cookies.get(cookie_name(scope))
        return cookie is not None and self._sessions.is_valid(cookie.value)

    async def _log_in(self, request: Request) -> Response:
        if request.method != "POST":
            return JSONResponse({"error": "Send the password with POST."}, 405)
        if wait := self._tries.wait(visitor(request.scope)):
            return too_many(request.scope, "too_many_tries", wait)
        given = await _password_in(request)
        if given is None:
            return JSONResponse({"error": 'Send the password as JSON: {"password": "..."}.'}, 400)
        if not same_text(given, self._password):
            return refusal(request.scope, PageError("password_wrong", 401))
        self._tries.forget(visitor(request.scope))
        response = JSONResponse({})
        is_secure = request.scope["scheme"] == "https" or "SPACE_ID" in os.environ  # the Hub has TLS before its Spaces
        name = cookie_name(request.scope)
        value = self._sessions.new()
        response.set_cookie(name, value, SESSION_SECONDS, path="/", httponly=True, samesite="lax", secure=is_secure)
        return response


def cookie_name(scope: Scope) -> str:
    """With the port in it: browsers send a cookie to all ports of a machine, where another library may be."""
    server = scope.get("server") or ("", "")
    return f"kobza_session_{server[1]}"


async def _password_in(request: Request) -> str | None:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    try:
        password = json.loads(body)["password"]
    except (ValueError, TypeError, KeyError):
        return None
    return password if isinstance(password, str) else None
