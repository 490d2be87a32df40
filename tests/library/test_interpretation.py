"""How descriptions are read: denials, typing errors, names, and languages that are not understood."""

import numpy as np
import pytest

from kobza.embedding.numpy_text_tower import TextTower
from kobza.library.records import WordMatch
from kobza.library.search.interpretation import Vocabulary, interpret
from kobza.library.search.spelling import corrected, musical_words
from kobza.library.stores.tag_words import text_words

TAGS = {"metallica": [1], "no": [2], "woman": [2], "cry": [2], "saxaphone": [3], "radiohead": [4], "океан": [5]}


@pytest.fixture(scope="module")
def tower():
    return TextTower.load()


def vocabulary(tower, tags=None, languages="not installed"):
    tags = tags or {}

    def find(words):
        known = [(word, "exact", (word,)) for word in words if word in tags]
        known += [(word, "near", ("metallica",)) for word in words if word == "metalica" and "metallica" in tags]
        return [WordMatch(word, kind, "name", terms, np.array(tags[terms[0]])) for word, kind, terms in known]

    return Vocabulary(tower and tower.knows_word, find, lambda: languages)


def read(text, *args, changes=False):
    found = interpret(text, vocabulary(*args), changes)
    return " ".join(f"-{term.text}" if term.weight < 0 else term.text for term in found.terms)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("no drums", "music -drums"),
        ("not jazz", "music -jazz"),
        ("without vocals", "instrumental music -vocals"),
        ("rock without singing", "instrumental rock -singing"),
        ("rock but no guitar", "rock -guitar"),
        ("relaxing jazz, no vocals or drums", "instrumental relaxing jazz -vocals -drums"),
        ("music that is not jazz", "music -jazz"),
        ("anything but metal", "music -metal"),
        ("not jazz but blues", "blues -jazz"),
        ("no drums -guitar", "music -guitar -drums"),
        ("rock with no female singer", "rock -female singer"),
        ("jazz -vocals", "instrumental jazz -vocals"),
        ("calm piano, no percussion please", "calm piano -percussion"),
        # these deny nothing
        ("not too fast", "not too fast"),
        ("symphony no 9", "symphony no 9"),
        ("no wave", "no wave"),
        ('"no drums"', '"no drums"'),
        ("hip-hop", "hip-hop"),
        # typing errors
        ("slow saxaphone", "slow saxophone"),
        ("pianno -drms", "piano -drums"),
        ("relaxng gitar, no vocls", "instrumental relaxing guitar -vocals"),
        ("regae from the eighties", "reggae from the eighties"),
        ('"saxaphone" solo', '"saxaphone" solo'),
        ("Björk and synthwave", "Björk and synthwave"),
        ("shoegaze ukuleles", "shoegaze ukuleles"),
    ],
)
def test_meaning(tower, text, meaning):
    assert read(text, tower) == meaning


def test_names_in_tags_stay(tower):
    assert read("no woman no cry", tower, TAGS) == "no woman no cry"
    assert read("no woman no cry", tower) == "music -woman -cry"
    assert read("live saxaphone", tower, TAGS) == "live saxaphone"
    assert read("metalica live", tower, TAGS) == "metalica live"  # the tags' own name is nearer than "metallic"
    assert interpret("radiohead", vocabulary(tower, TAGS)).understood
    assert interpret("Океан", vocabulary(tower, TAGS)).understood


def test_what_should_change_may_only_deny(tower):
    assert read("calmer, no drums", tower, changes=True) == "calmer -drums"
    assert read("no drums", tower, changes=True) == "-drums"


def test_notes(tower):
    notes = interpret("slow saxaphone, no drums", vocabulary(tower)).notes
    assert [note.kind for note in notes] == ["corrected", "unwanted"]
    assert notes[0].values == ("saxaphone", "saxophone") and "'saxophone'" in str(notes[0])
    assert not interpret("slow sad piano -drums", vocabulary(tower)).notes


FOREIGN = (
    *("сумне повільне піаніно", "traurige langsame Klaviermusik", "fröhliche Musik mit Gitarre"),
    *("musique triste au piano", "chanson douce avec voix de femme", "música triste de piano", "悲しいピアノ"),
    *("mujer cantando una canción de amor", "chitarra acustica lenta", "smutna muzyka fortepianowa"),
    *("samba alegre com percussão", "droevige pianomuziek", "λυπημένο πιάνο", "hüzünlü piyano müziği"),
)


@pytest.mark.parametrize("text", FOREIGN)
def test_other_languages_are_told_from_english(tower, text):
    without = interpret(text, vocabulary(tower))
    assert not without.understood and len(without.notes) == 1 and text in str(without.notes[0])
    ready = interpret(text, vocabulary(tower, None, "ready"))
    assert all(term.foreign for term in ready.terms)
    assert ready.understood == ("λ" not in text)  # the extra has no Greek


def test_descriptions_in_english_are_understood(tower):
    from kobza.benchmarks.query_quality import UNRELATED_SENTENCES
    from kobza.library.calibration import reference_queries

    for text in (*reference_queries(), *UNRELATED_SENTENCES):
        found = interpret(text, vocabulary(tower))
        assert found.understood or text in ("qwertz uiop", "seagulls", "snoring"), text
        assert not any(note.kind == "corrected" for note in found.notes), text


def test_denials_in_other_languages(tower):
    found = interpret("рок без гітари", vocabulary(tower, None, "ready"))
    assert [(term.text, term.weight) for term in found.terms] == [("рок", 1), ("гітари", -1)]


def test_only_what_is_installed_is_recommended(tower):
    text = "сумне піаніно"
    assert "kobza[languages]" in str(interpret(text, vocabulary(tower)).notes[0])
    assert "English" in str(interpret(text, vocabulary(tower, None, "none")).notes[0])
    assert "kobza[languages]" not in str(interpret("λυπημένο πιάνο", vocabulary(tower)).notes[0])


def test_nothing_is_assumed_of_models_of_unknown_language():
    found = interpret("сумне pianno", vocabulary(None))
    assert found.understood and not found.notes and found.terms[0].text == "сумне pianno"


def test_musical_words_are_words_once(tower):
    words = musical_words()
    assert len(words) > 1000 and all(text_words(word) == [word] for word in words)
    assert all(corrected(word, lambda _: False) is None for word in words)
