"""Search results as text: JSON, and the moments of a recording."""

import dataclasses
import json
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from kobza.library.calibration import FAIR_Z_SCORE
from kobza.library.filters.tree import SEPARATOR
from kobza.library.paths import path_to_text
from kobza.library.records import Hit, Track
from kobza.library.search.columns import clock, iso_time
from kobza.library.search.moments import Moment, MomentScores

if TYPE_CHECKING:
    from rich.table import Table

BARS = "▁▂▃▄▅▆▇█"
SPARKLINE_WIDTH = 72  # characters
RIGHT_ALIGNED = ("score", "moment", "tracks")  # columns of numbers
SEVERAL = ("artist", "composer", "genre")  # of `SEVERAL_VALUES`, those that are lists in JSON


def no_good_match(results: Sequence[Hit | Moment]) -> bool:
    """Whether there are results for a description, and none of them is a fair match or better."""
    return bool(results) and all(one.z_score is not None and one.z_score < FAIR_Z_SCORE for one in results)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in RIGHT_ALIGNED else "left", overflow="fold")
    for cells in rows:
        table.add_row(*map(Text, cells))  # as Text, because rich reads square brackets in strings as markup
    return table


def as_json(hits: Sequence[Hit]) -> str:
    """A list of objects. Bytes of a path that are not UTF-8 become escaped lone surrogates."""
    rows = [
        {
            "score": hit.score,
            "moment": hit.moment,
            "strength": hit.z_score,
            "match": hit.match,
            "available": hit.available,
            "sound": hit.sound,
            "words": [found._asdict() for found in hit.words],
            "copies": list(map(path_to_text, hit.copies)),
        }
        | as_dict(hit.track)
        for hit in hits
    ]
    return json.dumps(rows, indent=2)


def as_dict(track: Track) -> dict[str, Any]:
    """A track for JSON: its fields, with `added` in ISO 8601, and the lists `artists`, `composers` and `genres`.

    >>> as_dict(Track("/a.mp3", genre="Jazz; Blues"))["genres"]
    ['Jazz', 'Blues']
    """
    lists = {f"{name}s": list(filter(None, getattr(track, name).split(SEPARATOR))) for name in SEVERAL}
    return (
        dataclasses.asdict(track) | {"path": path_to_text(track.path), "added": iso_time(track.added) or None} | lists
    )


def values_table(field: str, counts: Sequence[tuple[str | float, int]]) -> "Table":
    """The values of a field, each with its number of tracks."""
    return _table(("tracks", field), [(str(count), f"{value}") for value, count in counts])


def sparkline(scores: MomentScores, width: int = SPARKLINE_WIDTH) -> str:
    """The score over time as a line of bars, and the start and end times below it. A bar that stands for several
    windows shows the best of them."""
    values = [moment.score for moment in scores.moments]
    width = min(width, len(values))
    edges = [round(i * len(values) / width) for i in range(width + 1)]
    best = [max(values[a:b]) for a, b in pairwise(edges)]
    low, high = min(best), max(best)
    levels = [int((value - low) / (high - low or 1) * (len(BARS) - 1) + 0.5) for value in best]
    first, last = clock(scores.moments[0].start), clock(scores.moments[-1].end)
    return "".join(BARS[level] for level in levels) + f"\n{first} {last.rjust(width - len(first) - 1)}"


def moments_table(moments: Sequence[Moment]) -> "Table":
    """The moments of one recording as a table."""
    rows = [(clock(moment.start), f"{moment.score:.3f}", moment.match) for moment in moments]
    return _table(["moment", "score", "match"], rows)


def moments_json(scores: MomentScores) -> str:
    """An object with the recording's path and all its windows in order of time."""
    rows = [
        {
            "start": moment.start,
            "end": moment.end,
            "score": moment.score,
            "strength": moment.z_score,
            "match": moment.match,
        }
        for moment in scores.moments
    ]
    return json.dumps({"path": path_to_text(scores.path), "moments": rows}, indent=2)
