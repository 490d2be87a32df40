"""How much one visitor may ask for, and all together; over that, 429 and a sentence that says when to try again."""

import ipaddress
import math
import os
import time
from collections import Counter, OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kobza.webui.errors import PageError
from kobza.webui.security import refusal

MAX_VISITORS = 10_000  # remembered; the one that came first is forgotten first
MAX_BODY_BYTES = 256 * 1024  # of anything but a clip, which has a limit of its own
CLIPS_PATH = "/api/clips"
EVERYONE = ""


class RateLimit:
    """So many requests a second for each visitor and for all, after a burst.

    >>> limit = RateLimit(per_second=1, burst=2, total_per_second=100, total_burst=100, clock=lambda: 0.0)
    >>> [limit.wait("ann") for _ in range(3)], limit.wait("bob")
    ([0.0, 0.0, 1.0], 0.0)
    """

    def __init__(
        self,
        per_second: float,
        burst: float,
        total_per_second: float,
        total_burst: float,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._own = (per_second, burst)
        self._total = (total_per_second, total_burst)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # visitor -> (requests left, at this time)

    def wait(self, who: str) -> float:
        """0 and the request counts, or the seconds until it may be sent again."""
        now = self._clock()
        states = {EVERYONE: self._refilled(EVERYONE, now, self._total), who: self._refilled(who, now, self._own)}
        rates = {EVERYONE: self._total[0], who: self._own[0]}
        waits = [(1 - left) / rates[key] for key, left in states.items() if left < 1]
        if waits:
            return max(waits)
        for key, left in states.items():
            self._left[key] = (left - 1, now)
            self._left.move_to_end(key)
        while len(self._left) > MAX_VISITORS:
            self._left.popitem(last=False)
        return 0.0

    def _refilled(self, key: str, now: float, rule: tuple[float, float]) -> float:
        per_second, burst = rule
        left, at = self._left.get(key, (burst, now))
        return min(burst, left + (now - at) * per_second)

    def forget(self, who: str) -> None:
        """The visitor starts anew."""
        self._left.pop(who, None)


def visitor(scope: Scope) -> str:
    """Who asks: the address, of IPv6 the network that one customer has. On the Hub it is in a header of its proxy."""
    client = scope.get("client")
    address = client[0] if client else "unknown"
    if "SPACE_ID" in os.environ:
        address = Headers(scope=scope).get("x-forwarded-for", address).split(",")[0].strip()
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address


def too_many(scope: Scope, code: str, wait: float) -> Response:
    """429, with the seconds to wait."""
    seconds = max(1, math.ceil(wait))
    return refusal(scope, PageError(code, 429, retry_after=seconds, n=seconds))


class Limits:
    """Limits the rate of what is asked, how much is asked at once, and the size of what is sent.

    A page that is typed in asks for less than 5 answers a second; two cores give some 60.
    """

    def __init__(self, app: ASGIApp, max_at_once: int = 24, max_in_all: int = 400):
        self.app = app
        self.rate = RateLimit(per_second=10, burst=60, total_per_second=100, total_burst=500)
        self.max_at_once = max_at_once
        self.max_in_all = max_in_all
        self._now: Counter[str] = Counter()  # visitor -> requests that are being answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/static/"):
            await self.app(scope, receive, send)
            return
        who = visitor(scope)
        refused = self._refused(who, scope)
        if refused is not None:
            await refused(scope, receive, send)
            return
        self._now[who] += 1
        try:
            await self.app(scope, receive if _is_clip(scope) else _limited(receive), send)
        finally:
            self._now[who] -= 1
            if not self._now[who]:
                del self._now[who]

    def _refused(self, who: str, scope: Scope) -> Response | None:
        length = Headers(scope=scope).get("content-length", "0")
        if not _is_clip(scope) and length.isdecimal() and int(length) > MAX_BODY_BYTES:
            return refusal(scope, PageError("too_large", 413, n=MAX_BODY_BYTES // 1024))
        if self._now[who] >= self.max_at_once:
            return too_many(scope, "too_much_at_once", 2)
        if self._now.total() >= self.max_in_all:
            return too_many(scope, "too_many_visitors", 5)
        if scope["path"].startswith("/api/") and (wait := self.rate.wait(who)):
            return too_many(scope, "too_fast", wait)
        return None


def _is_clip(scope: Scope) -> bool:
    return scope["path"] == CLIPS_PATH and scope["method"] == "POST"


def _limited(receive: Receive) -> Receive:
    """Ends a body that is too large as if its sender had gone."""
    size = 0

    async def receiving() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        return {"type": "http.disconnect"} if size > MAX_BODY_BYTES else message

    return receiving
