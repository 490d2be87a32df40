"""Values of tags as people and programs write them: years, numbers, and several values in one text.

What separates the values of one text:
- ";" everywhere, and " / " with spaces;
- "/" and "," without: in a genre, if each part is a name of ID3's list ("Rock/Jazz"; not "R&B/Soul", which is one genre
  of the shops, nor "Folk, World, & Country"); never in a name ("AC/DC", "Earth, Wind & Fire").
"""

import html
import re
from collections.abc import Iterable

from mutagen.id3 import TCON

from kobza import cells

MIN_YEAR, MAX_YEAR = 1000, 2100  # composers' years, too; beyond are numbers that are no years
MAX_TEXT = 1000  # characters of a tag; what is longer is a text about the music, or damage
MAX_NUMBER = 99_999  # of a track
MIN_BPM, MAX_BPM = 20.0, 999.0
ID3_GENRES = frozenset(name.lower() for name in TCON.GENRES) | {"hip hop", "r&b", "rnb", "electro"}
GENRES_WITH_SLASH = frozenset(("r&b/soul", "hip-hop/rap", "hip hop/rap", "pop/funk", "folk/rock", "singer/songwriter"))
ENTITY = re.compile(r"&(amp|lt|gt|quot|apos|#\d{1,5});")  # "Simon &amp; Garfunkel" has no ";" of its own


def one_line(text: str) -> str:
    """
    >>> one_line("two\\nlines\\x07 ")
    'two lines'
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    if ENTITY.search(text):
        text = html.unescape(text)
    return cells.one_line(text)[:MAX_TEXT].rstrip()


def names(texts: Iterable[str]) -> list[str]:
    """The people of a tag, each once.

    >>> names(["Ann; Bob / Cy", "ann", "AC/DC", "Earth, Wind & Fire"])
    ['Ann', 'Bob', 'Cy', 'AC/DC', 'Earth, Wind & Fire']
    """
    return _each_once(part for text in texts for part in re.split(r";| / ", text))


def genres(texts: Iterable[str]) -> list[str]:
    """The genres of a tag, each once; ID3's numbers become names.

    >>> genres(["(17)(8)"]), genres(["(16)Reggae"]), genres(["17"]), genres(["Rock/Jazz", "R&B/Soul"])
    (['Rock', 'Jazz'], ['Reggae'], ['Rock'], ['Rock', 'Jazz', 'R&B/Soul'])
    """
    found: list[str] = []
    for text in texts:
        for part in re.split(r";| / ", text):
            for name in TCON(encoding=3, text=[part.strip()]).genres:
                found += _parts_of_genre(name)
    return _each_once(found)


def _parts_of_genre(name: str) -> list[str]:
    if name.lower() in ID3_GENRES | GENRES_WITH_SLASH:
        return [name]
    parts = [part.strip() for part in re.split("[,/]", name)]
    return parts if all(part.lower() in ID3_GENRES for part in parts) else [name]


def _each_once(texts: Iterable[str]) -> list[str]:
    kept: dict[str, str] = {}
    for text in texts:
        if text := text.strip():
            kept.setdefault(text.casefold(), text)
    return list(kept.values())


def year(text: str) -> int | None:
    """The year of a date as people write it, from 1000 to 2100; None if there is none.

    >>> [year(text) for text in ("1985-03", "c. 1985", "05051999", "19990505", "May 5, 1999")]
    [1985, 1985, 1999, 1999, 1999]
    >>> [year(text) for text in ("0000", "12345", "99", "no year")]
    [None, None, None, None]
    """
    for digits in re.findall(r"(?<!\d)(?:\d{4}|\d{6}|\d{8}|\d{14})(?!\d)", text, re.ASCII):
        first, rest = int(digits[:4]), digits[4:8]
        month, day = rest[:2] or "01", rest[2:] or "01"
        if MIN_YEAR <= first <= MAX_YEAR and month <= "12" and day <= "31":
            return first
        if len(digits) == 8 and MIN_YEAR <= int(digits[4:]) <= MAX_YEAR and digits[:2] <= "31" and digits[2:4] <= "31":
            return int(digits[4:])
    return None


def number(text: str) -> int | None:
    """The number of a track.

    >>> number("3/12"), number("07"), number("0"), number("A1")
    (3, 7, None, None)
    """
    match = re.match(r"\s*(\d{1,5})(?!\d)", text, re.ASCII)
    return int(match[1]) if match and 0 < int(match[1]) <= MAX_NUMBER else None


def tempo(text: str) -> float | None:
    """Beats per minute.

    >>> tempo("128"), tempo("92,5"), tempo("0"), tempo("fast")
    (128.0, 92.5, None, None)
    """
    match = re.match(r"\s*(\d{1,3}(?:[.,]\d{1,6})?)(?!\d)", text, re.ASCII)
    bpm = float(match[1].replace(",", ".")) if match else 0.0
    return bpm if MIN_BPM <= bpm <= MAX_BPM else None
