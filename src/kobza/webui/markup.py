"""The page's own HTML, from the Jinja templates in `templates`, which escape whatever they are given."""

from collections.abc import Callable, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from kobza.library import Hit, Totals, Track
from kobza.library.search.columns import clock

Link = Callable[[Track], str]

FULL_BAR_COSINE = 0.5  # of sentence and recording; few pairs reach it
FULL_BAR_SCORE = 4.0  # of a description: a strong match of the sound and a word in the tags

_environment = jinja2.Environment(
    loader=jinja2.PackageLoader("kobza.webui"), autoescape=True, undefined=jinja2.StrictUndefined
)
_environment.filters["clock"] = clock


def render(template: str, **values: Any) -> str:
    """Fill in a template of the folder `templates`."""
    return _environment.get_template(template).render(values)


def header(totals: Totals, is_demo: bool) -> str:
    plural = "" if totals.tracks == 1 else "s"
    return render(
        "header.html", summary=f"{totals.tracks:,} track{plural} · {_length(totals.seconds)}", is_demo=is_demo
    )


def _length(seconds: float) -> str:
    """
    >>> _length(600), _length(9000)
    ('10 min', '2.5 hours')
    """
    return f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{max(1, round(seconds / 60))} min"


def notice(text: str) -> str:
    """A sentence in place of results."""
    return render("notice.html", text=text)


def empty_library() -> str:
    return render("empty_library.html")


def clip_hint(minutes: int) -> str:
    return render("clip_hint.html", minutes=minutes)


def tags(track: Track) -> list[str]:
    """Up to three genres of a track, and its year.

    >>> tags(Track("a.mp3", genre="Jazz; Blues", year=1962))
    ['Jazz', 'Blues', '1962']
    """
    genres = [genre.strip() for genre in track.genre.replace(";", ",").split(",")][:3]
    years = [str(track.year)] if track.year else []
    return [tag for tag in genres if tag] + years


def _full_bar(scores: Sequence[float], least: float = FULL_BAR_COSINE) -> float:
    """The score of a full bar: the best, but at least so much, so that poor results look poor."""
    return max(least, *scores)


def chosen(track: Track, moment: float, link: Link) -> str:
    """The row of a track that was chosen on the map."""
    return render("chosen.html", track=track, tags=tags(track), moment=moment, link=link(track))


def hits(found: Sequence[Hit], link: Link, above: str = "") -> str:
    """Ranked tracks, after the HTML `above`."""
    rows = [(hit, tags(hit.track), link(hit.track)) for hit in found]
    by_description = any(hit.z_score is not None for hit in found)
    full = _full_bar([hit.score for hit in found], FULL_BAR_SCORE if by_description else FULL_BAR_COSINE)
    return render("hits.html", rows=rows, full=full, above=Markup(above))


def heading(text: str, name: str = "") -> str:
    return render("heading.html", text=text, name=name)


def scores(found: Sequence[tuple[str, float]], above: str = "") -> str:
    """A bar chart of (label, cosine), after the HTML `above`."""
    return render("scores.html", scores=found, full=_full_bar([score for _, score in found]), above=Markup(above))
