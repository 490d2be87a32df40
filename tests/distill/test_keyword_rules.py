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
    found = rules.match_labels(text)
    assert named <= found and not not_named & found


@pytest.mark.parametrize("text", ["instrumental guitar song", "a singer? no vocals at all", "no singer, a song"])
def test_a_text_that_excludes_vocals_matches_no_vocal_label(text):
    assert not rules.match_labels(text) & rules.VOCAL_LABELS


def test_a_choir_without_a_singer_is_still_a_choir():
    found = rules.match_labels("a choir, no singer")
    assert {"Choir", "Vocal music"} <= found and "Song" not in found
