"""Servers that speak the Subsonic API (Navidrome, gonic, Jellyfin with a plug-in, ...), through py-sonic."""

import contextlib
import socket
import urllib.error
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import libsonic
from libsonic.errors import CredentialError, DataNotFoundError, SonicError

from kobza.library.records import Track
from kobza.library.search.entries import Entry
from kobza.players.local import PlayerError
from kobza.players.matching import Candidate, best_match, file_name
from kobza.players.server import Sent, known_entries
from kobza.players.settings import Settings

PORTS = {"http": 80, "https": 443}
MAX_CANDIDATES = 500  # the most that servers answer with
SECONDS_TO_ANSWER = 30
NOT_SUBSONIC = (LookupError, ValueError, TypeError, AttributeError)  # what other JSON, or none, ends in
UNSUPPORTED = (SonicError, urllib.error.HTTPError, *NOT_SUBSONIC)  # what a method that a server lacks ends in


@dataclass(frozen=True)
class SubsonicAddress:
    """A server and a user of it. `url` is without the user."""

    url: str
    user: str
    password: str = field(repr=False)

    def __str__(self) -> str:
        return self.url

    @property
    def text(self) -> str:
        """As a user gives it, without the password."""
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{urllib.parse.quote(self.user, safe='')}@{rest}"


def subsonic_address(text: str | None, settings: Settings) -> SubsonicAddress:
    """The address that `text`, or else the setting subsonic.url, names as https://[USER[:PASSWORD]@]HOST[:PORT][/PATH].

    The settings subsonic.user and subsonic.password are for that server only.

    Raises:
        PlayerError: something is missing.

    >>> subsonic_address("https://ann@music.example.org/sonic", {"subsonic.password": "secret"}.get)
    SubsonicAddress(url='https://music.example.org/sonic', user='ann')
    """
    usual = settings("subsonic.url")
    if not (text or usual):
        raise PlayerError("No Subsonic server is known; name one with --subsonic URL.")
    parts = _split(text or usual or "")
    user, password = urllib.parse.unquote(parts.username or ""), urllib.parse.unquote(parts.password or "")
    if not usual or _split(usual).hostname == parts.hostname:
        user = user or settings("subsonic.user") or ""
        password = password or settings("subsonic.password") or ""
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl().rstrip("/")
    if not user or not password:
        raise PlayerError(
            f"{url} needs a user and a password; name the user in the URL (https://USER@HOST), and set the password "
            "with: kobza config set subsonic.password PASSWORD"
        )
    return SubsonicAddress(url, user, password)


def _split(url: str) -> urllib.parse.SplitResult:
    """PlayerError: it is not the URL of a server."""
    with contextlib.suppress(ValueError):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme in PORTS and parts.hostname and parts.port != 0:
            return parts
    raise PlayerError("The address of a Subsonic server is a URL, such as https://USER@music.example.org.")


class SubsonicServer:
    """A `kobza.players.server.Server`."""

    def __init__(self, address: SubsonicAddress):
        """PlayerError: it cannot be reached, or refuses the user."""
        self.address = address
        self._connection = self._connect()
        with self._errors():
            try:
                self._connection.getMusicFolders()  # its `ping` hides what is wrong
            except CredentialError:
                raise
            except SonicError:
                # Servers that cannot check a salted hash of the password (supysonic, users in LDAP) need the password.
                self._connection = self._connect(legacy_auth=True)
                self._connection.getMusicFolders()

    def _connect(self, legacy_auth: bool = False) -> libsonic.Connection:
        parts = urllib.parse.urlsplit(self.address.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        password = self.address.password
        return libsonic.Connection(
            f"{parts.scheme}://{host}",
            self.address.user,
            # As its bytes in UTF-8, each a character: the client takes the numbers of characters for bytes.
            password.encode().decode("latin-1") if legacy_auth else password,
            port=parts.port or PORTS[parts.scheme],
            serverPath=f"{parts.path}/rest",
            appName="kobza",
            legacyAuth=legacy_auth,
        )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """For a block that talks to the server. The client has no time limit of its own."""
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(SECONDS_TO_ANSWER)
        try:
            yield
        except PlayerError:
            raise
        except SonicError as error:
            raise PlayerError(f"{self.address} refuses this: {str(error).rstrip('.')}.") from error
        except OSError as error:
            reason = getattr(error, "reason", None) or error
            reason = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
            raise PlayerError(f"{self.address} cannot be reached ({reason}); check the URL and the server.") from error
        except NOT_SUBSONIC as error:
            raise PlayerError(f"{self.address} does not answer as a Subsonic server does; check the URL.") from error
        finally:
            socket.setdefaulttimeout(before)

    def queue(self, entries: Sequence[Entry], play: bool) -> Sent:
        """Playing needs a jukebox, which is the server's own loudspeaker. Without `play` the entries go into the play
        queue that a user's programs have in common or, where the server has none, into that of the jukebox."""
        with self._errors():
            known, unknown = known_entries(entries, self._find, str(self.address))
            ids = [song for song, _ in known]
            if not play and self._append_to_play_queue(ids):
                return Sent(len(known), f"the play queue of {self.address.user} on {self.address}", unknown)
            self._append_to_jukebox(ids, known[0][1].start if play else None)
        return Sent(len(known), f"the jukebox of {self.address}", unknown)

    def _append_to_play_queue(self, ids: list[str]) -> bool:
        """False: the server has no play queues."""
        try:
            try:
                queue = self._connection.getPlayQueue().get("playQueue", {})
            except DataNotFoundError:  # what some servers answer a user who has none yet
                queue = {}
            before, current = [song["id"] for song in queue.get("entry", [])], queue.get("current")
            # A position without a song would be an error.
            self._connection.savePlayQueue([*before, *ids], current, queue.get("position") if current else None)
        except UNSUPPORTED:
            return False
        return True

    def _append_to_jukebox(self, ids: list[str], play_from: float | None) -> None:
        """`play_from`: the second of the first song at which it begins to play; None does not begin."""
        try:
            before = len(self._connection.jukeboxControl("get")["jukeboxPlaylist"].get("entry", []))
            self._connection.jukeboxControl("add", sids=ids)
            if play_from is not None:
                # Started first, because some (supysonic) forget the offset when they start.
                self._connection.jukeboxControl("start")
                self._connection.jukeboxControl("skip", index=before, offset=round(play_from))
        except UNSUPPORTED as error:
            raise PlayerError(
                f"{self.address} has no {'' if play_from is not None else 'play queue and no '}jukebox for "
                f"{self.address.user}; make a playlist there with --playlist NAME."
            ) from error

    def replace_playlist(self, name: str, entries: Sequence[Entry]) -> Sent:
        """A playlist of the user's own. It holds whole files only."""
        with self._errors():
            known, unknown = known_entries(entries, self._find, str(self.address))
            ids = [song for song, _ in known]
            lists = self._connection.getPlaylists()["playlists"].get("playlist", [])
            if own := own_playlist(lists, name, self.address.user):
                self._connection.createPlaylist(playlistId=own, songIds=ids)
            else:
                self._connection.createPlaylist(name=name, songIds=ids)
        return Sent(len(known), f'the playlist "{name}" on {self.address}', unknown)

    def close(self) -> None:
        """Nothing is to be closed: each request has a connection of its own."""

    def _find(self, track: Track) -> str | None:
        """A track's id on the server, which can only be searched for by title; untagged files have their name there."""
        for query in dict.fromkeys((track.title, file_name(track.file).rpartition(".")[0])):
            if query:
                found = self._connection.search3(query, artistCount=0, albumCount=0, songCount=MAX_CANDIDATES)
                match = best_match(track, map(_candidate, found.get("searchResult3", {}).get("song", [])))
                if match is not None:
                    return match.id
        return None


def own_playlist(playlists: Sequence[Mapping[str, Any]], name: str, user: str) -> str | None:
    """The id of the user's playlist `name` among those that a server shows: also those that others share.

    >>> shown = [{"id": "1", "name": "Rain", "owner": "bob"}, {"id": "2", "name": "Rain", "owner": "ann"}]
    >>> own_playlist(shown, "Rain", "ann")
    '2'
    """
    own = (one["id"] for one in playlists if one["name"] == name and one.get("owner") in (user, None))
    return next(own, None)


def _candidate(song: Mapping[str, Any]) -> Candidate:
    duration = float(song["duration"]) if "duration" in song else None
    texts = {name: song.get(name) or "" for name in ("path", "title", "artist", "album")}
    return Candidate(song["id"], **texts, duration=duration)
