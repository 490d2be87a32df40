import random

import pytest

from kobza.distill import keyword_rules as words


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
def test_labels_are_read_off_whole_words_that_are_not_denied(text, named, not_named):
    found, _ = words.labels_in(text)
    assert named <= found and not not_named & found


@pytest.mark.parametrize("text", ["instrumental guitar song", "a singer? no vocals at all", "no singer, a song"])
def test_who_says_that_nobody_sings_names_no_voice(text):
    found, voiceless = words.labels_in(text)
    assert voiceless and not found & words.VOICES


def test_a_choir_without_a_singer_is_a_choir():
    found, voiceless = words.labels_in("a choir, no singer")
    assert voiceless and {"Choir", "Vocal music"} <= found


def test_phrases_are_plain_words_that_name_a_label():
    listed = words.phrases()
    assert {"piano", "lullaby", "funky"} & set(listed) and len(listed) > 400
    unread = [phrase for phrase in listed if not words.labels_in(phrase)[0]]
    assert len(unread) < 0.1 * len(listed), unread


def test_a_mistyped_word_is_near_its_word():
    rng = random.Random(0)
    typed = [words.mistype("harpsichord", rng) for _ in range(200)]
    assert all(abs(len(word) - 11) <= 1 and word for word in typed)
    assert sum(word != "harpsichord" for word in typed) > 150
    assert words.mistype("a", rng)
