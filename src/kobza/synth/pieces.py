"""The recipes of Kobza's own pieces as a listener meets them: titles, captions, tags, and the demo's questions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kobza.synth.instruments import INSTRUMENTS
from kobza.synth.styles import ALBUM, RECIPES, Recipe

TAIL = 2.0  # seconds for the last chord to ring
SPEEDS = ((76, "slow"), (112, "mid-tempo"), (400, "fast"))
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
    """One piece, not yet sounding. `tempo` in beats a minute; `name` is its file's name without the ending."""

    name: str
    title: str
    caption: str
    tags: tuple[str, ...]
    genre: str
    instruments: tuple[str, ...]  # names in `INSTRUMENTS`, role by role, and "drums"
    tempo: int
    mode: str  # major or minor
    seconds: float
    seed: int
    style: str  # its key in `RECIPES`


@dataclass(frozen=True)
class DemoQuery:
    """A sentence as a listener would type it, and the tags that a right answer bears, all of them."""

    text: str
    wanted: frozenset[str]

    def matches(self, piece: Piece) -> bool:
        return self.wanted <= set(piece.tags)


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


def _listing(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _piece(name: str, style: str, title: str, tempo: int, mode: str, band: tuple[str, ...], seed: int) -> Piece:
    """Completes a recipe: draws what is left open, and writes caption and tags."""
    recipe, rng = RECIPES[style], np.random.default_rng([seed, 1])
    band = band or tuple(str(rng.choice(role)) for role in recipe.band)
    speed = next(word for limit, word in SPEEDS if tempo <= limit)
    mood = str(rng.choice(recipe.moods or MOODS[speed, mode]))
    words = [INSTRUMENTS[i].words for i in band] + ["drums"] * bool(recipe.drums)
    players = _listing(words).removesuffix(",").replace(", and", " and")
    key = f" in a {mode} key" if band else ""
    caption = (
        f"A {speed}, {mood} {recipe.noun}{key}, with {players}, at {tempo} beats per minute.",
        f"{mood.capitalize()} {recipe.noun} with {players}: {speed}, {tempo} beats per minute{key and ',' + key}.",
        f"This {speed} {recipe.noun}{key} features {players}. It sounds {mood}. The tempo is {tempo} beats per minute.",
    )[int(rng.integers(3))]
    instruments = (*band, *(["drums"] if recipe.drums else []))
    tags = (recipe.genre.lower(), speed, mood, mode, style, *words, *instruments, *recipe.extra)
    tags = tuple(dict.fromkeys(tag.strip(",") for tag in tags))
    seconds = round(bars_of(recipe, tempo) * recipe.beats * 60 / tempo + TAIL, 2)
    return Piece(name, title, caption, tags, recipe.genre, instruments, tempo, mode, seconds, seed, style)


def bars_of(recipe: Recipe, tempo: int) -> int:
    """As many bars as fill 10 to 18 seconds, whole phrases if possible."""
    bar = recipe.beats * 60 / tempo
    return next((n for n in (16, 12, 8, 6, 4, 3, 2) if 10 <= n * bar <= 17.7), max(int(17 / bar), 1))


def album(seed: int = 0) -> list[Piece]:
    """The album's pieces; another seed gives other notes to the same titles."""
    return [
        _piece(f"{n + 1:02d} {title}", style, title, tempo, mode, band, seed * 1000 + n)
        for n, (style, title, tempo, mode, band) in enumerate(ALBUM)
    ]


def random_pieces(n: int, seed: int) -> list[Piece]:
    """`n` pieces of styles, bands, tempos and modes drawn at random, for training and tests."""
    rng, pieces = np.random.default_rng(seed), []
    for index in range(n):
        style = str(rng.choice(list(RECIPES)))
        tempo, mode = int(rng.integers(*RECIPES[style].tempo)), str(rng.choice(RECIPES[style].modes))
        title = f"{style.capitalize()} no. {index + 1}"
        pieces.append(_piece(f"{seed}-{index:05d}", style, title, tempo, mode, (), int(rng.integers(1 << 31))))
    return pieces
