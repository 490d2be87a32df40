"""The encoding of tags that say they are Latin-1 and are not: guessed, or as the library was told.

ID3 knows Latin-1 and Unicode, RIFF says nothing, and many programs wrote what their computer used: "Ïåñíÿ" is "Песня"
in Windows-1251, read as Latin-1. A guess is made for all text of a file together, and only a text that no Western
language would write is read otherwise:

- bytes that are valid UTF-8 are UTF-8;
- in another alphabet, no word mixes its letters with Latin ones (Western names do: "Motörhead"); there is a word of
  three letters or more, with capitals where words have them, and most letters are frequent ones of the language;
- Chinese, Japanese and Korean have two characters or more in a row, most of them common ones.

charset-normalizer, made for longer texts, took 255 of 387 Western names and titles for another encoding.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kobza.library.stores.base import Store

WESTERN = "cp1252"
# Letters from the most to the least frequent
RUSSIAN = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"
UKRAINIAN = "оаинівтеркслдпуямзьбгйчхцжшїюєщфґ"
GREEK = "αοιετσνηυρπκμλωςδγχθφβξζψ"
HEBREW = "יוהלאמרבתשנדעפקחטזצגסכםןךץף"
HEBREW_FINAL_LETTERS = "םןךץף"
FREQUENT_KOREAN = "이다에의는로하을가고지서한은기으년대사시를리도인스일"
PUNCTUATION = "«»“”„‘’–—…№·•©®™°\N{NO-BREAK SPACE}"
MIN_LETTERS = 4  # of another alphabet, in all
MIN_LONGEST_WORD = 3
MIN_ALPHABET_SCORE = 0.45
MIN_CHARACTERS_SCORE = 0.6
RUN_OF_LETTERS = re.compile(r"[^\W\d_]+")


def _alphabet_score(text: str, frequent: str) -> float:
    """How much `text` is of a language with this alphabet, from 0 to 1: 1 if it has its most frequent letter only."""
    words = RUN_OF_LETTERS.findall(text)
    foreign = [word for word in words if not word.isascii()]
    letters = "".join(foreign)
    plain = "".join(c for c in unicodedata.normalize("NFD", letters.lower()) if not unicodedata.combining(c))
    folded = letters.lower() if frequent is not GREEK else plain
    if len(letters) < MIN_LETTERS or max(map(len, foreign)) < MIN_LONGEST_WORD or set(folded) - set(frequent):
        return 0.0
    if any(not c.isascii() and not c.isalpha() and c not in PUNCTUATION for c in text):
        return 0.0
    if frequent is HEBREW:
        if any(c in HEBREW_FINAL_LETTERS for word in foreign for c in word[:-1]):
            return 0.0
    elif not all(word.islower() or word.isupper() or word[1:].islower() for word in foreign):
        return 0.0
    return 1 - sum(map(frequent.index, folded)) / len(frequent) / len(folded)


def _characters_score(raw: bytes, text: str, weigh: Callable[[bytes], float]) -> float:
    """How common the characters of two bytes are, from 0 to 1. `weigh`: of one, by its two bytes; below 0 for none."""
    longest_run = max(map(len, re.findall(r"[^\x00-\x7f]+", text)), default=0)
    if longest_run < 2 or re.search(r"[A-Za-z][^\x00-\x7f]|[^\x00-\x7f][A-Za-z]", text):
        return 0.0
    weights = []
    at = 0
    while at < len(raw):
        if raw[at] < 0x80:
            at += 1
            continue
        if at + 1 == len(raw):
            return 0.0
        weights.append(weigh(raw[at : at + 2]))
        at += 2
    return sum(weights) / len(weights) if min(weights) >= 0 else 0.0


def _shift_jis(character: bytes) -> float:
    lead, trail = character
    if lead in (0x81, 0x82, 0x83):  # punctuation, full-width letters and the two syllabaries
        return 1.0 if lead != 0x83 or trail < 0x97 else -1.0
    return 0.8 if 0x88 <= lead <= 0x97 else 0.2 if 0x98 <= lead <= 0x9F or 0xE0 <= lead <= 0xEA else -1.0


def _gbk(character: bytes) -> float:
    lead, trail = character
    if trail < 0xA1 or lead < 0xA1:
        return 0.0
    return 0.8 if 0xB0 <= lead <= 0xD7 else 0.3 if 0xD8 <= lead <= 0xF7 else 0.6 if lead in (0xA1, 0xA3) else 0.0


def _big5(character: bytes) -> float:
    lead = character[0]
    return 0.75 if 0xA4 <= lead <= 0xC6 else 0.6 if lead == 0xA1 else 0.1


def _korean(character: bytes) -> float:
    lead, trail = character
    if not (0xB0 <= lead <= 0xC8 and trail >= 0xA1):
        return 0.0
    return 1.0 if character.decode("cp949") in FREQUENT_KOREAN else 0.75


def _japanese_unix(character: bytes) -> float:
    lead, trail = character
    if trail < 0xA1:
        return -1.0
    return 1.0 if lead in (0xA4, 0xA5) else 0.7 if 0xB0 <= lead <= 0xCF else 0.5 if lead in (0xA1, 0xA3) else 0.1


# The commonest first: one that follows must fit better by a margin
ALPHABETS = (
    ("cp1251", RUSSIAN),
    ("cp1251", UKRAINIAN),
    ("cp1253", GREEK),
    ("cp1255", HEBREW),
    ("koi8_r", RUSSIAN),
    ("cp866", RUSSIAN),
)
MARGIN = 0.04
CHARACTER_SETS = (
    ("cp932", _shift_jis),
    ("gbk", _gbk),
    ("big5", _big5),
    ("cp949", _korean),
    ("euc_jp", _japanese_unix),
)


def guess_encoding(texts: Sequence[bytes]) -> str:
    """The encoding of the texts of one file, which have it in common.

    >>> guess_encoding(["Песня".encode("cp1251")]), guess_encoding(["Motörhead".encode("latin-1")])
    ('cp1251', 'cp1252')
    """
    raw = b"\n".join(texts)
    if _decoded(raw, "utf-8") is not None:
        return "utf-8"
    best, encoding = 0.0, WESTERN
    for name, letters in ALPHABETS:
        text = _decoded(raw, name)
        if text and (score := _alphabet_score(text, letters)) > max(best + MARGIN * bool(best), MIN_ALPHABET_SCORE):
            best, encoding = score, name
    if encoding != WESTERN:
        return encoding
    for name, weigh in CHARACTER_SETS:
        text = _decoded(raw, name)
        if text and (score := _characters_score(raw, text, weigh)) > max(best, MIN_CHARACTERS_SCORE):
            best, encoding = score, name
    return encoding


def _decoded(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def decode_with(raw: bytes, encoding: str) -> str:
    """Text that says it is Latin-1, decoded; bytes that the encoding lacks are Latin-1's."""
    for name in (encoding, WESTERN):
        if (text := _decoded(raw, name)) is not None:
            return text
    return raw.decode("latin-1")


def keep_tag_encoding(store: "Store", encoding: str | None) -> None:
    """Remember what is told of the tags' encoding; "auto": it is guessed. None: nothing is told."""
    if encoding is not None:
        store.set_meta(tag_encoding=encoding)


def told_encoding(store: "Store") -> str | None:
    """What was told of the tags' encoding; None: it is guessed."""
    told = store.meta.get("tag_encoding", "auto")
    return None if told == "auto" else told
