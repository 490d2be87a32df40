"""Guessed encodings of tags: no Western name is changed, and most names in other alphabets are recovered."""

from pathlib import Path

import pytest

from kobza.library.ingest.encodings import decode_with, guess_encoding


def _names() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in Path(__file__).with_name("names.txt").read_text(encoding="utf-8").splitlines()[1:]:
        if line.startswith("["):
            current = found.setdefault(line.strip("[]"), [])
        else:
            current.append(line)
    return found


NAMES = _names()


def read(texts: list[str], encoding: str) -> list[str]:
    raw = [text.encode(encoding) for text in texts]
    guessed = guess_encoding(raw)
    return [decode_with(text, guessed) for text in raw]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8"])
def test_western_names_stay_as_they_are(encoding):
    known = [name for name in NAMES["WESTERN"] if encoding != "latin-1" or max(name) <= "\xff"]
    assert sum(not name.isascii() for name in known) > 200
    assert [name for name in known if read([name], encoding) != [name]] == []


@pytest.mark.parametrize(
    ("texts", "encoding", "alone", "in_pairs"),
    [
        (NAMES["RUSSIAN"], "cp1251", 0.79, 0.95),
        (NAMES["RUSSIAN"], "koi8_r", 0.77, 0.9),
        (NAMES["RUSSIAN"], "cp866", 0.77, 0.95),
        (NAMES["UKRAINIAN"], "cp1251", 0.95, 0.9),
        (NAMES["GREEK"], "cp1253", 0.95, 0.9),
        (NAMES["JAPANESE"], "cp932", 0.93, 1.0),
        (NAMES["CHINESE"], "gbk", 0.9, 1.0),
        (NAMES["TRADITIONAL_CHINESE"], "big5", 0.93, 1.0),
        (NAMES["HEBREW"], "cp1255", 1.0, 1.0),
        (NAMES["RUSSIAN"] + NAMES["JAPANESE"] + NAMES["KOREAN"], "utf-8", 1.0, 1.0),
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
