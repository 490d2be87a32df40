"""What was found, as text: a table for people, JSON for programs, a playlist for players."""

import dataclasses
import json
import os
import urllib.parse
from collections.abc import Sequence

from kobza.audio import printable
from kobza.library.records import Hit


def clock(seconds: float) -> str:
    """75.3 -> 1:15"""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def as_table(hits: Sequence[Hit]):
    """A `rich.table.Table`; on a narrow terminal long cells go on in the next line."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name, side in (
        ("score", "right"),
        ("title", "left"),
        ("artist", "left"),
        ("moment", "right"),
        ("path", "left"),
    ):
        table.add_column(name, justify=side, overflow="fold")
    for hit in hits:
        track = hit.track
        cells = (f"{hit.score:.3f}", track.title, track.artist, clock(hit.moment), printable(track.path))
        table.add_row(*map(Text, cells))  # as Text: a title's square brackets are no mark-up
    return table


def as_json(hits: Sequence[Hit]) -> str:
    """A list of objects. Bytes of a path that are no UTF-8 are lone surrogates, escaped, as os.fsencode takes them."""
    rows = [{"score": hit.score, "moment": hit.moment} | dataclasses.asdict(hit.track) for hit in hits]
    return json.dumps(rows, indent=2)


def as_m3u(hits: Sequence[Hit]) -> bytes:
    """An extended M3U playlist; bytes, because paths are."""
    lines = [b"#EXTM3U"]
    for hit in hits:
        track, path = hit.track, os.fsencode(hit.track.path)
        if b"\n" in path or b"\r" in path:  # a playlist is made of lines: only an address can hold such a name
            path = b"file://" + urllib.parse.quote(path).encode()
        name = f"{track.artist} - {track.title}" if track.artist else track.title
        lines += [f"#EXTINF:{round(track.duration)},{name}".encode(), path]
    return b"\n".join(lines) + b"\n"
