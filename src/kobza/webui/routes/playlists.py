"""The queue of the page as a playlist: a file, or on a music server of the user's settings."""

import contextlib
import ipaddress
import threading
import urllib.parse
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from kobza.audio import printable
from kobza.config import ConfigError
from kobza.library.search.entries import Entry
from kobza.library.search.m3u import as_m3u
from kobza.players.choice import PlayerChoice, configured_servers, open_server
from kobza.players.server import Sent
from kobza.webui.collection import Collection
from kobza.webui.errors import PageError

MAX_TRACKS = 1000  # of a playlist
MAX_NAME_LETTERS = 200
M3U = "audio/x-mpegurl"
FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")  # what proxies add


class Playlist(BaseModel):
    """Tracks by their links, in order."""

    links: Annotated[list[str], Field(min_length=1, max_length=MAX_TRACKS)]
    name: Annotated[str, Field(max_length=MAX_NAME_LETTERS)] = ""


class Sending(Playlist):
    """Where the tracks go: behind a server's queue, or into the playlist `name` there."""

    to: Literal["mpd", "subsonic"]
    action: Literal["queue", "playlist"]


def router(collection: Collection) -> APIRouter:
    """`playlist` as a file, and `send` to a music server."""
    routes = APIRouter(prefix="/api")
    is_sending = threading.Lock()  # a server that does not answer keeps one visitor waiting, not all

    @routes.post("/playlist")
    def playlist(wanted: Playlist, request: Request) -> Response:
        """An M3U8 file. Who sits at this machine gets the paths of the files, which play without this server; others
        get addresses of this page, and see no path."""
        entries = _entries(collection, wanted.links)
        origin = request.headers.get("Origin") or str(request.base_url).rstrip("/")
        base = f"{origin}{request.scope.get('root_path', '')}"
        content = as_m3u(
            entries,
            url_of=None if is_own_machine(request) else lambda track: f"{base}/track/{collection.link(track)}",
        )
        return Response(content, media_type=M3U, headers={"Content-Disposition": attachment(wanted.name)})

    @routes.post("/send")
    def send(wanted: Sending, request: Request) -> dict[str, Any]:
        """-> {count, place, unknown: titles of tracks that the server does not know}"""
        if wanted.to not in players(request):
            raise PageError("player_unknown", player=wanted.to)
        name = " ".join(wanted.name.split())
        if wanted.action == "playlist" and not name:
            raise PageError("playlist_nameless")
        entries = _entries(collection, wanted.links)
        if not is_sending.acquire(blocking=False):
            raise PageError("playlist_busy", 429, retry_after=2)
        try:
            sent = _send(entries, wanted.to, name if wanted.action == "playlist" else None)
        finally:
            is_sending.release()
        unknown = [printable(track.title) for track in sent.unknown]
        return {"count": sent.count, "place": sent.place, "unknown": unknown}

    return routes


def _send(entries: Sequence[Entry], to: str, playlist: str | None) -> Sent:
    server = open_server(PlayerChoice(to))
    try:
        return server.queue(entries, play=False) if playlist is None else server.replace_playlist(playlist, entries)
    finally:
        server.close()


def players(request: Request) -> list[str]:
    """The music servers of the user's settings, for whoever sits at this machine or knows the password: what they play
    sounds in a room. None if the settings cannot be read."""
    with contextlib.suppress(ConfigError):
        return configured_servers() if is_own_machine(request) or is_known(request) else []
    return []


def _entries(collection: Collection, links: Sequence[str]) -> list[Entry]:
    """The tracks of these links that are still in the library, each from its beginning. PageError: none is left."""
    tracks = []
    for link in links:
        with contextlib.suppress(PageError):
            tracks.append(collection.track(link))
    if not tracks:
        raise PageError("tracks_gone")
    return [Entry(track, track.start, track.end) for track in tracks]


def attachment(name: str) -> str:
    """The header that gives a downloaded file its name, with any letters.

    >>> attachment("Дощ")
    "attachment; filename*=utf-8''%D0%94%D0%BE%D1%89.m3u8"
    """
    return f"attachment; filename*=utf-8''{urllib.parse.quote(name or 'Kobza', safe='')}.m3u8"


def is_known(request: Request) -> bool:
    """Whether who asks has given the password of this page, which has one."""
    return bool(getattr(request.state, "is_known", False))


def is_own_machine(request: Request) -> bool:
    """Whether who asks sits at this machine: its own address is in the browser, and there is no proxy in between."""
    client = request.client.host if request.client else ""
    forwarded = any(name in request.headers for name in FORWARDED)
    return not forwarded and _is_loopback(client) and _is_loopback(request.url.hostname or "")


def _is_loopback(host: str) -> bool:
    """
    >>> _is_loopback("127.0.0.1"), _is_loopback("localhost"), _is_loopback("192.168.0.7")
    (True, True, False)
    """
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
