import random

import pytest

from kobza.distill import keyword_rules as rules


@pytest.mark.parametrize(
    ("text", "named", "not_named"),
    [
        ("A sad PIANO plays", {"Piano", "Sad music"}, {"Guitar"}),
        ("an electric guitar and no drums", {"Electric guitar", "Guitar"}, {"Drum", "Drum kit"}),
        ("without any piano, with violins", {"Violin, fiddle"}, {"Piano"}),
        ("no piano here; then a piano", {"Piano"}, set()),
        ("a female vocal over e-bass", {"Female singing", "Singing", "Bass guitar"}, {"Male singing"}),
        ("the harpist and the trapdoor", {"Harp"}, {"Hip hop music"}),
    ],
)
def test_labels_match_whole_words_that_are_not_negated(text, named, not_named):
    found, _ = rules.match_labels(text)
    assert named <= found and not not_named & found


@pytest.mark.parametrize("text", ["instrumental guitar song", "a singer? no vocals at all", "no singer, a song"])
def test_a_text_that_excludes_vocals_matches_no_vocal_label(text):
    found, voiceless = rules.match_labels(text)
    assert voiceless and not found & rules.VOCAL_LABELS


def test_a_choir_without_a_singer_is_still_a_choir():
    found, voiceless = rules.match_labels("a choir, no singer")
    assert voiceless and {"Choir", "Vocal music"} <= found


def test_plain_keywords_match_a_label():
    listed = rules.plain_keywords()
    assert {"piano", "lullaby", "funky"} & set(listed) and len(listed) > 400
    unmatched = [keyword for keyword in listed if not rules.match_labels(keyword)[0]]
    assert len(unmatched) < 0.1 * len(listed), unmatched


def test_a_typo_changes_a_word_by_one_letter():
    rng = random.Random(0)
    typos = [rules.add_typo("harpsichord", rng) for _ in range(200)]
    assert all(abs(len(word) - 11) <= 1 and word for word in typos)
    assert sum(word != "harpsichord" for word in typos) > 150
    assert rules.add_typo("a", rng)
