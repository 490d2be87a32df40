"""Typing errors in descriptions: "saxaphone", "relaxng", "heavy mettal".

A sentence encoder reads a word that it does not know letter by letter and hears something else in it. Such a word is
replaced by the nearest of `musical_words.txt`: words of genres, eras, moods, instruments, voices and situations, those
that descriptions of music use most first (their frequencies are from the captions and aspects of MusicCaps). Words that
the model or the list knows stay, and so do all of a library's tags, because names are spelled as they like.
"""

from collections.abc import Callable
from functools import cache
from importlib.resources import files

from kobza.library.stores.tag_words import text_words

MIN_LENGTH = 4  # shorter words have too many neighbours
LONG_LENGTH = 7  # from here on two letters may be wrong
ENDINGS = ("s", "es", "ed", "ing", "er", "ers", "ly", "y", "ish", "like", "less")


@cache
def musical_words() -> dict[str, int]:
    """Each word, and its place in the list."""
    text = files("kobza.library.search").joinpath("musical_words.txt").read_text(encoding="utf-8")
    return {word: place for place, word in enumerate(text.split())}


def is_form(word: str, is_word: Callable[[str], bool]) -> bool:
    """Whether a word is one, or is formed from one.

    >>> is_form("seagulls", {"seagull", "strum"}.__contains__), is_form("seagulm", {"seagull"}.__contains__)
    (True, False)
    """
    if is_word(word) or is_word(word + "s"):
        return True
    stems = [word.removesuffix(ending) for ending in ENDINGS if word.endswith(ending)]
    return any(len(stem) >= MIN_LENGTH and (is_word(stem) or is_word(stem + "e")) for stem in stems)


def is_musical_word(word: str) -> bool:
    """Whether the list has this word or one that it is formed from.

    >>> is_musical_word("guitars"), is_musical_word("strummed"), is_musical_word("gitar")
    (True, True, False)
    """
    return is_form(word, musical_words().__contains__)


def corrected(word: str, is_known: Callable[[str], bool]) -> str | None:
    """The musical word that a misspelled one stands for; None if it is known, or is like no musical word.

    >>> corrected("saxaphone", lambda word: False), corrected("paino", lambda word: False)
    ('saxophone', 'piano')
    >>> print(corrected("radiohead", lambda word: False))
    None
    """
    letters = word.casefold()
    if len(letters) < MIN_LENGTH or not (letters.isascii() and letters.isalpha()):
        return None
    if is_known(letters) or is_musical_word(letters):
        return None
    from rapidfuzz import process  # imported here: most descriptions have no such word
    from rapidfuzz.distance import OSA

    limit = 2 if len(letters) >= LONG_LENGTH else 1
    words = musical_words()
    found = process.extract(letters, words.keys(), scorer=OSA.distance, score_cutoff=limit, limit=None)
    # The first letters are seldom wrong, and what has other ones is another word.
    near = [(distance, words[other], other) for other, distance, _ in found if other.startswith(letters[:distance])]
    return min(near)[2] if near else None


def correct(
    text: str, is_known: Callable[[str], bool], is_name: Callable[[str, str], bool]
) -> tuple[str, list[tuple[str, str]]]:
    """The text with its misspelled words corrected, and those as pairs (word, correction).

    Args:
        is_known: whether the model knows a word, in lower case.
        is_name: whether a word is spelled in a library's tags so, or more nearly so than a correction.

    >>> correct("slow saxaphone by Metalica", lambda word: word in ("slow", "by"), lambda word, _: word == "Metalica")
    ('slow saxophone by Metalica', [('saxaphone', 'saxophone')])
    """
    corrections: list[tuple[str, str]] = []
    parts = text.split(" ")
    for at, part in enumerate(parts):
        word = part.strip('.,;:!?"()')
        if len(text_words(word)) != 1:
            continue
        correction = corrected(word, is_known)
        if correction is not None and not is_name(word, correction):
            parts[at] = part.replace(word, correction)
            corrections.append((word, correction))
    return " ".join(parts), corrections
