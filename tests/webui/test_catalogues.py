"""The page's sentences in each language."""

import json
import re
from pathlib import Path

import pytest

import kobza
import kobza.webui
from kobza.webui import errors

STATIC = Path(kobza.webui.__file__).parent / "static"
CATALOGUES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (STATIC / "i18n").glob("*.json")}
SCRIPTS = "\n".join(path.read_text(encoding="utf-8") for path in sorted(STATIC.glob("*.js")))
PLACES = re.compile(r"\{\w+\}")


def forms(entry: str | dict[str, str]) -> list[str]:
    return [entry] if isinstance(entry, str) else list(entry.values())


def test_the_catalogues_have_the_same_sentences_with_the_same_places():
    assert set(CATALOGUES) == set(re.findall(r'"(\w+)"', re.search(r"LANGUAGES = \[(.*?)\]", SCRIPTS)[1]))
    english = CATALOGUES["en"]
    for language, catalogue in CATALOGUES.items():
        assert list(catalogue) == list(english), language
        for key, entry in catalogue.items():
            places = set(PLACES.findall(" ".join(forms(english[key]))))
            if "{reason}" in places:  # there in English only: other languages say what the reason is of
                places.add("{name}")
            assert all(set(PLACES.findall(form)) <= places for form in forms(entry)), (language, key)
            assert isinstance(entry, str) or "other" in entry


@pytest.mark.parametrize("language, needed", [("en", {"one", "other"}), ("uk", {"one", "few", "many", "other"})])
def test_counts_have_the_forms_of_the_language(language, needed):
    for key, entry in CATALOGUES[language].items():
        assert isinstance(entry, str) or set(entry) in (needed, {"other"}), key


def test_every_sentence_that_the_scripts_say_is_there_and_no_other():
    said = set(re.findall(r"""\bt\(\s*["']([^"']+)["']""", SCRIPTS))
    begun = set(re.findall(r"""\bt\(`([^`$]+)\$""", SCRIPTS))
    texts = set(re.findall(r"""["']([\w.]+)["']""", SCRIPTS))  # such as t(isA ? "a" : "b")
    assert said <= set(CATALOGUES["en"]), said - set(CATALOGUES["en"])
    unused = {key for key in CATALOGUES["en"] if key not in said | texts and not key.startswith(tuple(begun))}
    assert not unused


def test_every_error_has_its_sentence_and_its_line_in_the_list_of_codes():
    source = "\n".join(path.read_text(encoding="utf-8") for path in Path(kobza.__file__).parent.rglob("*.py"))
    raised = set(re.findall(r'(?:PageError|ClipError)\(\s*"(\w+)"|too_many\([\w.]+, "(\w+)"', source))
    codes = {code for pair in raised for code in pair if code} | {"map_failed"}
    listed = re.sub(r"\([^)]*\)", "", errors.__doc__.partition("The codes")[2])
    assert codes <= set(re.findall(r"\w+", listed))
    said = {key.removeprefix("error.") for key in CATALOGUES["en"] if key.startswith("error.")} - {"offline", "status"}
    assert codes <= said and said <= set(re.findall(r"\w+", listed))
