"""MPD, the Music Player Daemon, through python-mpd2."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mpd

from kobza.library.filters.tree import SEPARATOR
from kobza.library.records import Track
from kobza.library.search.entries import Entry
from kobza.library.search.m3u import seconds
from kobza.players.local import PlayerError
from kobza.players.matching import Candidate, best_match, file_name
from kobza.players.server import Sent, known_entries
from kobza.players.settings import Settings

DEFAULT_PORT = 6600
SECONDS_TO_ANSWER = 30  # a search in a database of 100,000 tracks takes a fraction of a second


@dataclass(frozen=True)
class MPDAddress:
    """A host and port, or the path of a socket (port 0)."""

    host: str
    port: int = DEFAULT_PORT
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"MPD at {self.text}"

    @property
    def text(self) -> str:
        """As a user gives it, without the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


def mpd_address(text: str | None, settings: Settings) -> MPDAddress:
    """The address that `text`, or else the setting mpd.host, names as [PASSWORD@]HOST[:PORT].

    Raises:
        PlayerError: the port is not a number.

    >>> mpd_address("nas:6601", {}.get), mpd_address(None, {"mpd.host": "secret@nas"}.get)
    (MPDAddress(host='nas', port=6601), MPDAddress(host='nas', port=6600))
    """
    usual = settings("mpd.host") or "localhost"
    password, _, host = (text or usual).rpartition("@")
    if not password and host == usual.rpartition("@")[2]:
        password = settings("mpd.password") or usual.rpartition("@")[0]
    if host.startswith("/"):
        return MPDAddress(host, 0, password)
    port = settings("mpd.port") or str(DEFAULT_PORT)
    if host.startswith("["):  # IPv6
        host, _, rest = host[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    if not (port.isdecimal() and 0 < int(port) < 65536):
        raise PlayerError(f"{port!r} is not a port; give the address of MPD as HOST:PORT, such as localhost:6600.")
    return MPDAddress(host, int(port), password)


class MPDServer:
    """A `kobza.players.server.Server`."""

    def __init__(self, address: MPDAddress):
        """PlayerError: it cannot be reached, or refuses the password."""
        self.address = address
        self._parts: set[str] = set()  # of the paths that were found, those that are parts of files there, too
        self._client = mpd.MPDClient()
        self._client.timeout = SECONDS_TO_ANSWER
        with self._errors():
            self._client.connect(address.host, address.port or None)
            if address.password:
                self._client.password(address.password)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except mpd.CommandError as error:  # "[50@0] {addid} No such song"
            raise PlayerError(f"{self.address} refuses this: {str(error).rpartition('} ')[2]}.") from error
        except (mpd.MPDError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise PlayerError(
                f"{self.address} cannot be reached ({reason}); start it, or name another one with --mpd HOST:PORT."
            ) from error

    def queue(self, entries: Sequence[Entry], play: bool) -> Sent:
        """Part of a recording is queued as such: MPD begins and ends there. What MPD itself has as a part, by a cue
        sheet, can have no other range; the first one of all is still played from its moment."""
        with self._errors():
            known, unknown = known_entries(entries, self._find, str(self.address))
            ids = [self._client.addid(uri) for uri, _ in known]
            for song, (uri, entry) in zip(ids, known, strict=True):
                if uri not in self._parts and (entry.start or entry.end is not None):
                    end = "" if entry.end is None else seconds(entry.end)
                    self._client.rangeid(song, f"{seconds(entry.start)}:{end}")
            if play:
                uri, first = known[0]
                self._client.playid(ids[0])
                if uri in self._parts:
                    self._client.seekid(ids[0], seconds(first.start - first.track.start))
        return Sent(len(known), f"the queue of {self.address}", unknown)

    def replace_playlist(self, name: str, entries: Sequence[Entry]) -> Sent:
        """A stored playlist of MPD holds whole files only."""
        with self._errors():
            known, unknown = known_entries(entries, self._find, str(self.address))
            exists = any(one["playlist"] == name for one in self._client.listplaylists())
            self._client.command_list_ok_begin()  # sent at once, so that nobody sees half of it
            if exists:
                self._client.playlistclear(name)
            for uri, _ in known:
                self._client.playlistadd(name, uri)
            self._client.command_list_end()
        return Sent(len(known), f'the playlist "{name}" of {self.address}', unknown)

    def close(self) -> None:
        with contextlib.suppress(mpd.MPDError, OSError):
            self._client.close()
        self._client.disconnect()

    def _find(self, track: Track) -> str | None:
        """The track's path in MPD's music_directory, which MPD does not tell: searched for by the file's name, or by
        the title if there is no such file."""
        for kind, value in (("file", file_name(track.file)), ("title", track.title)):
            if not value or not value.isprintable():  # MPD has no names that are not UTF-8, or not one line
                continue
            songs = self._client.search(kind, value)
            match = best_match(track, map(_candidate, songs))
            if match is not None:
                self._parts |= {song["file"] for song in songs if "range" in song}
                return match.id
        return None


def _candidate(song: Mapping[str, Any]) -> Candidate:
    """From MPD's answer, in which a tag with several values is a list."""
    tags = {name: song.get(name, "") for name in ("title", "artist", "album")}
    tags["artist"] = tags["artist"] or song.get("albumartist", "")  # the only one that a cue sheet may have
    one_line = {name: value if isinstance(value, str) else SEPARATOR.join(value) for name, value in tags.items()}
    duration = float(song["duration"]) if "duration" in song else None
    return Candidate(song["file"], song["file"], **one_line, duration=duration)
