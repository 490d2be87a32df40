"""Metadata of the synthetic pieces: titles, captions, tags, and the queries of the demo."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from kobza.synth.instruments import INSTRUMENTS
from kobza.synth.styles import ALBUM, STYLES, Style

TAIL_SECONDS = 2.0  # decay of the last chord
# By pitch class; of the names of one pitch, the one that key signatures prefer
TONICS = {
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"),
}
TEMPO_WORDS = ((76, "slow"), (112, "mid-tempo"), (400, "fast"))  # up to these beats a minute
MOODS = {
    ("slow", "minor"): ("sad", "melancholic", "sorrowful"),
    ("slow", "major"): ("calm", "tender", "peaceful"),
    ("mid-tempo", "minor"): ("wistful", "pensive", "moody"),
    ("mid-tempo", "major"): ("warm", "gentle", "bright"),
    ("fast", "minor"): ("tense", "urgent", "restless"),
    ("fast", "major"): ("cheerful", "happy", "playful"),
}


@dataclass(frozen=True)
class Piece:
    """The metadata of a piece, from which `render` makes its audio."""

    name: str  # of its file, without extension
    title: str
    caption: str
    tags: tuple[str, ...]
    genre: str
    instruments: tuple[str, ...]  # keys of `INSTRUMENTS`, by role, then "drums"
    tempo: int  # beats a minute
    mode: str  # major or minor
    seconds: float
    seed: int
    style: str  # key of `STYLES`

    @property
    def tonic(self) -> int:
        """Pitch class, 0 = C: the first number that composing draws from the seed."""
        return int(np.random.default_rng(self.seed).integers(12))

    @property
    def key(self) -> str:
        """Such as "A minor"; "" for drums alone."""
        return f"{TONICS[self.mode][self.tonic]} {self.mode}" if self.instruments != ("drums",) else ""

    @property
    def bars(self) -> int:
        """Without the last chord, which fades after them."""
        return round((self.seconds - TAIL_SECONDS) * self.tempo / 60 / STYLES[self.style].beats)


@dataclass(frozen=True)
class DemoQuery:
    """A query as a listener would type it, and the tags that a relevant piece must all have."""

    text: str
    required_tags: frozenset[str]

    def matches(self, piece: Piece) -> bool:
        return self.required_tags <= set(piece.tags)


DEMO_QUERIES = [
    DemoQuery("slow sad piano", frozenset({"solo", "piano", "slow"})),
    DemoQuery("church organ", frozenset({"church organ", "solo"})),
    DemoQuery("fast drum solo", frozenset({"drums", "solo"})),
    DemoQuery("solo flute melody", frozenset({"flute", "solo"})),
    DemoQuery("choir singing softly", frozenset({"choir"})),
    DemoQuery("distorted electric guitar rock", frozenset({"distorted electric guitar"})),
    DemoQuery("music box lullaby", frozenset({"music box"})),
    DemoQuery("string orchestra, slow and sad", frozenset({"orchestra"})),
]


def _join_words(words: list[str]) -> str:
    """
    >>> _join_words(["piano", "flute", "drums"])
    'piano, flute and drums'
    """
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _make_piece(
    name: str, style_name: str, title: str, tempo: int, mode: str, band: tuple[str, ...], seed: int
) -> Piece:
    """Draws what the style leaves open, and writes caption and tags."""
    style = STYLES[style_name]
    rng = np.random.default_rng([seed, 1])
    band = band or tuple(str(rng.choice(role)) for role in style.band)
    speed = next(word for limit, word in TEMPO_WORDS if tempo <= limit)
    mood = str(rng.choice(style.moods or MOODS[speed, mode]))
    drums = ["drums"] if style.drums else []
    words = [INSTRUMENTS[i].caption_words for i in band] + drums
    players = _join_words(words).removesuffix(",").replace(", and", " and")
    key = f" in a {mode} key" if band else ""
    caption = (
        f"A {speed}, {mood} {style.noun}{key}, with {players}, at {tempo} beats per minute.",
        f"{mood.capitalize()} {style.noun} with {players}: {speed}, {tempo} beats per minute{key and ',' + key}.",
        f"This {speed} {style.noun}{key} features {players}. It sounds {mood}. The tempo is {tempo} beats per minute.",
    )[int(rng.integers(3))]
    instruments = (*band, *drums)
    tags = (style.genre.lower(), speed, mood, mode, style_name, *words, *instruments, *style.extra_tags)
    tags = tuple(dict.fromkeys(tag.strip(",") for tag in tags))
    seconds = round(count_bars(style, tempo) * style.beats * 60 / tempo + TAIL_SECONDS, 2)
    return Piece(name, title, caption, tags, style.genre, instruments, tempo, mode, seconds, seed, style_name)


def count_bars(style: Style, tempo: int) -> int:
    """The number of bars that fill 10 to 18 seconds, in whole phrases if possible.

    >>> count_bars(STYLES["piano solo"], 120)
    8
    """
    bar_seconds = style.beats * 60 / tempo
    fitting = (n for n in (16, 12, 8, 6, 4, 3, 2) if 10 <= n * bar_seconds <= 17.7)
    return next(fitting, max(int(17 / bar_seconds), 1))


def lengthened(piece: Piece, seconds: float) -> Piece:
    """The piece with as many whole phrases of four bars as fill `seconds`.

    >>> piece = random_pieces(1, seed=0)[0]
    >>> piece.seconds, round(lengthened(piece, 60).seconds, 2), piece.tempo
    (18.55, 68.21, 58)
    """
    phrase_seconds = 4 * STYLES[piece.style].beats * 60 / piece.tempo
    return replace(piece, seconds=math.ceil(seconds / phrase_seconds) * phrase_seconds + TAIL_SECONDS)


def album(seed: int = 0) -> list[Piece]:
    """The pieces of the album; another seed gives other notes under the same titles."""
    return [
        _make_piece(f"{n + 1:02d} {title}", style, title, tempo, mode, band, seed * 1000 + n)
        for n, (style, title, tempo, mode, band) in enumerate(ALBUM)
    ]


def random_pieces(n: int, seed: int) -> list[Piece]:
    """`n` pieces with random style, band, tempo and mode, for training and tests."""
    rng = np.random.default_rng(seed)
    pieces = []
    for index in range(n):
        style = str(rng.choice(list(STYLES)))
        tempo = int(rng.integers(*STYLES[style].tempo))
        mode = str(rng.choice(STYLES[style].modes))
        title = f"{style.capitalize()} no. {index + 1}"
        pieces.append(_make_piece(f"{seed}-{index:05d}", style, title, tempo, mode, (), int(rng.integers(1 << 31))))
    return pieces
