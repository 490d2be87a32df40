"""What was found, as text: a table for people, JSON for programs, a playlist for players."""

import dataclasses
import json
import os
import urllib.parse
from collections.abc import Sequence
from itertools import pairwise

from kobza.audio import printable
from kobza.library.calibration import FAIR
from kobza.library.paths import path_to_text
from kobza.library.records import Hit
from kobza.library.search.moments import Moment, Trace

BARS = "▁▂▃▄▅▆▇█"
RIGHT = ("score", "moment")  # columns of numbers


def clock(seconds: float) -> str:
    """75.3 -> 1:15, 3675.3 -> 1:01:15"""
    minutes, hours = int(seconds) // 60 % 60, int(seconds) // 3600
    return (f"{hours}:{minutes:02d}" if hours else f"{minutes}") + f":{int(seconds) % 60:02d}"


def nothing_fits(found: Sequence[Hit | Moment]) -> bool:
    """Whether there are answers, and not one of them is a fair match of what was described."""
    return bool(found) and all(one.strength is not None and one.strength < FAIR for one in found)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]):
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in RIGHT else "left", overflow="fold")
    for cells in rows:
        table.add_row(*map(Text, cells))  # as Text: a title's square brackets are no mark-up
    return table


def as_table(hits: Sequence[Hit]):
    """A `rich.table.Table`; on a narrow terminal long cells go on in the next line."""
    described = any(hit.match for hit in hits)
    rows = []
    for hit in hits:
        track = hit.track
        match = [hit.match or ""] * described
        rows.append([f"{hit.score:.3f}", *match, track.title, track.artist, clock(hit.moment), printable(track.path)])
    return _table(["score", *["match"] * described, "title", "artist", "moment", "path"], rows)


def as_json(hits: Sequence[Hit]) -> str:
    """A list of objects. Bytes of a path that are no UTF-8 are lone surrogates, escaped."""
    rows = [
        {"score": hit.score, "moment": hit.moment, "strength": hit.strength, "match": hit.match}
        | dataclasses.asdict(hit.track)
        | {"path": path_to_text(hit.track.path)}
        for hit in hits
    ]
    return json.dumps(rows, indent=2)


def sparkline(trace: Trace, width: int = 72) -> str:
    """The score over time as a line of bars, each the best of its share of the windows, above the times of the ends."""
    scores = [moment.score for moment in trace.moments]
    width = min(width, len(scores))
    ends = [round(i * len(scores) / width) for i in range(width + 1)]
    best = [max(scores[a:b]) for a, b in pairwise(ends)]
    low, high = min(best), max(best)
    levels = [int((score - low) / (high - low or 1) * (len(BARS) - 1) + 0.5) for score in best]
    first, last = clock(trace.moments[0].start), clock(trace.moments[-1].end)
    return "".join(BARS[level] for level in levels) + f"\n{first} {last.rjust(width - len(first) - 1)}"


def moments_table(moments: Sequence[Moment]):
    """As `as_table`, for the moments of one recording."""
    return _table(["moment", "score", "match"], [(clock(m.start), f"{m.score:.3f}", m.match) for m in moments])


def moments_json(trace: Trace) -> str:
    """An object with the recording's path and all its windows in order of time."""
    rows = [dataclasses.asdict(moment) | {"match": moment.match} for moment in trace.moments]
    return json.dumps({"path": path_to_text(trace.path), "moments": rows}, indent=2)


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
