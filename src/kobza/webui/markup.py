"""The page's own HTML. Whatever comes from a file, a visitor or the model passes through `escape`."""

from collections.abc import Callable, Sequence
from html import escape

from kobza.library import Hit, Totals, Track
from kobza.library.search.formats import clock

Link = Callable[[Track], str]

STRONG = 0.5  # a cosine of sentence and recording that few pairs reach

MARK = """<svg class="kz-mark" viewBox="4 2 52 58" aria-hidden="true">
<path d="M43 4l6 5-3 4 3 3-5 1-8 10-4-3 9-13z" fill="var(--kz-wood-dark)"/>
<path d="M37 24c9 7 9 18 2 27-8 10-22 10-28 2s-4-21 6-27c7-4 14-6 20-2z" fill="var(--kz-wood)"/>
<path d="M34 27c7 6 7 15 1 22-6 7-16 8-21 2s-3-16 5-20c5-4 11-6 15-4z" fill="var(--kz-wheat)" opacity=".55"/>
<circle cx="25" cy="40" r="5" fill="var(--kz-wood-dark)"/>
<path d="M17 52L43 13M20 53L44 15M15 50L41 12" stroke="var(--kz-paper)" stroke-width=".9" fill="none"/></svg>"""
PLAY = (
    '<svg viewBox="0 0 24 24" aria-hidden="true"><path class="kz-icon-play" d="M8 5.5v13l11-6.5z"/>'
    '<path class="kz-icon-pause" d="M7 5.5h3.6v13H7zM13.4 5.5H17v13h-3.6z"/></svg>'
)


def header(totals: Totals, made: bool) -> str:
    held = f"{totals.tracks:,} track{'' if totals.tracks == 1 else 's'} · {_length(totals.seconds)}"
    return f"""<header class="kz-header">{MARK}<div><h1>Kobza</h1><p>Search music by describing it.</p></div>
<p class="kz-held"><span>{held}</span>{" <span>an album that Kobza composed</span>" if made else ""}</p></header>"""


def _length(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{max(1, round(seconds / 60))} min"


def notice(text: str) -> str:
    """A sentence where an answer would be."""
    return f'<p class="kz-notice" role="status">{escape(text)}</p>'


def empty_library() -> str:
    return (
        '<p class="kz-notice" role="status">The library is empty. Fill it with <code>kobza index FOLDER</code>, '
        "then search again.</p>"
    )


def clip_hint(minutes: int) -> str:
    text = f"A few seconds are enough; of a long recording the first {minutes} minutes are listened to."
    return f'<p class="kz-note">{text} Your clip stays on this server for an hour at most.</p>'


def tags(track: Track) -> str:
    """Chips for what the file says of itself."""
    genres = [genre.strip() for genre in track.genre.replace(";", ",").split(",")]
    words = [*filter(None, genres[:3]), *([str(track.year)] if track.year else [])]
    chips = "".join(f'<span class="kz-tag">{escape(word)}</span>' for word in words)
    return f'<span class="kz-tags">{chips}</span>'


def row(track: Track, moment: float, link: str, rank: str = "", score: str = "") -> str:
    """One track: a button that plays it from the moment, who it is, a line with a notch at the moment, its score, and a
    way on to others like it. `player.js` gives button and line their life."""
    title, at, share = escape(track.title), clock(moment), 100 * moment / max(track.duration, moment, 1e-6)
    artist = f'<span class="kz-artist">{escape(track.artist)}</span>' if track.artist else ""
    return f"""<li class="kz-row" data-track="{link}" data-moment="{moment:.2f}" data-duration="{track.duration:.2f}">
<span class="kz-rank">{rank}</span>
<button class="kz-play" type="button" aria-label="Play {title} from {at}">{PLAY}</button>
<div class="kz-name"><span class="kz-title">{title}</span>{artist}{tags(track)}</div>
<div class="kz-player">
<div class="kz-line"><i class="kz-played"></i><i class="kz-notch" style="left:{share:.1f}%"></i></div>
<span class="kz-time">{at}</span><span class="kz-of">{clock(track.duration)}</span></div>
<div class="kz-score">{score}</div>
<button class="kz-more" type="button" data-more="{link}">More like this</button>
<p class="kz-trouble" role="status"></p></li>"""


def bar(score: float, full: float) -> str:
    """A cosine as a figure, and as a bar that is full at `full`."""
    width, figure = 100 * min(1.0, max(0.0, score / full)), round(score, 2) + 0.0  # + 0.0: there is no -0.00
    return f'<span class="kz-bar"><i style="width:{width:.0f}%"></i></span><span class="kz-figure">{figure:.2f}</span>'


def _full(found: Sequence[float]) -> float:
    """Where bars are full: at the best score, but never below `STRONG`, so that poor answers look poor."""
    return max(STRONG, *found)


def chosen(track: Track, moment: float, link: Link) -> str:
    """The row of a track that was chosen on the map."""
    return f'<ol class="kz-rows">{row(track, moment, link(track))}</ol>'


def hits(found: Sequence[Hit], link: Link, above: str = "") -> str:
    """Ranked tracks; `above` is escaped HTML."""
    full = _full([hit.score for hit in found])
    rows = (
        row(hit.track, hit.moment, link(hit.track), str(rank), bar(hit.score, full))
        for rank, hit in enumerate(found, 1)
    )
    return f'{above}<ol class="kz-rows">{"".join(rows)}</ol>'


def heading(text: str, name: str = "") -> str:
    return f'<p class="kz-heading">{escape(text)} <em>{escape(name)}</em></p>'


def scores(found: Sequence[tuple[str, float]], above: str = "") -> str:
    """A bar chart of labels."""
    full = _full([score for _, score in found])
    rows = "".join(
        f'<li><span class="kz-label">{escape(label)}</span>{bar(score, full)}</li>' for label, score in found
    )
    note = "Cosines of the clip with each label: compare them with one another."
    return f'{above}<ol class="kz-chart">{rows}</ol><p class="kz-note">{note}</p>'
