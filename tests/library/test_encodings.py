"""Guessed encodings of tags: no Western name is changed, and most names in other alphabets are recovered."""

import names
import pytest

from kobza.library.ingest.encodings import decode_with, guess_encoding


def read(texts: list[str], encoding: str) -> list[str]:
    raw = [text.encode(encoding) for text in texts]
    guessed = guess_encoding(raw)
    return [decode_with(text, guessed) for text in raw]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8"])
def test_western_names_stay_as_they_are(encoding):
    known = [name for name in names.WESTERN if encoding != "latin-1" or max(name) <= "\xff"]
    assert sum(not name.isascii() for name in known) > 200
    assert [name for name in known if read([name], encoding) != [name]] == []


@pytest.mark.parametrize(
    ("texts", "encoding", "alone", "in_pairs"),
    [
        (names.RUSSIAN, "cp1251", 0.79, 0.95),
        (names.RUSSIAN, "koi8_r", 0.77, 0.9),
        (names.RUSSIAN, "cp866", 0.77, 0.95),
        (names.UKRAINIAN, "cp1251", 0.95, 0.9),
        (names.GREEK, "cp1253", 0.95, 0.9),
        (names.JAPANESE, "cp932", 0.93, 1.0),
        (names.CHINESE, "gbk", 0.9, 1.0),
        (names.TRADITIONAL_CHINESE, "big5", 0.93, 1.0),
        (names.HEBREW, "cp1255", 1.0, 1.0),
        (names.RUSSIAN + names.JAPANESE + names.KOREAN, "utf-8", 1.0, 1.0),
    ],
)
def test_names_in_other_alphabets(texts, encoding, alone, in_pairs):
    """What is lost alone has three letters or fewer, mostly; a file has an artist and a title."""
    pairs = [list(pair) for pair in zip(texts[::2], texts[1::2], strict=False)]
    assert sum(read([text], encoding) == [text] for text in texts) >= alone * len(texts)
    assert sum(read(pair, encoding) == pair for pair in pairs) >= in_pairs * len(pairs)


def test_what_an_encoding_lacks_is_read_as_western():
    assert decode_with(b"caf\xe9", "utf-8") == "café"
    assert decode_with(b"\x81\x8d", "cp1252") == "\x81\x8d"
    assert guess_encoding([]) == "utf-8"
