import pytest
import yaml
from sample_results import genre_result, retrieval_result

from kobza import Checkpoint
from kobza.export.card import LIMITS, describe, model_card

FINGERPRINT = "0123456789abcdef"


def head_of(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def test_a_card_says_what_it_is_how_to_use_it_and_where_it_fails():
    receipts = [make(fingerprint=FINGERPRINT) for make in (retrieval_result, genre_result)]
    card = model_card("me/tones", "An embedder.", FINGERPRINT, [("MusicCaps", "CC BY-SA 4.0")], receipts)
    head = head_of(card)
    assert head["library_name"] == "transformers" and head["model-index"][0]["name"] == "tones"
    metrics = [metric["type"] for result in head["model-index"][0]["results"] for metric in result["metrics"]]
    assert "recall_at_10" in metrics and "f1" in metrics
    assert "# tones\n\nAn embedder.\n" in card and "| MusicCaps | CC BY-SA 4.0 |" in card and FINGERPRINT in card
    assert "| MusicCaps, test | 3 of 4 | text -> music, gallery 3 | R@1 0.103 [0.077, 0.129], R@5 " in card
    assert "| GTZAN | 3 of 4 |" in card and 'prompt "The {} song"' in card
    assert all(f"- {limit}" in card for limit in LIMITS)
    code = card.split("```python\n")[1].split("```")[0]
    assert len([line for line in code.splitlines() if line]) <= 8 and code.count('"me/tones"') == 2
    compile(code, "card", "exec")


def test_what_is_not_known_is_said_not_left_out(tiny_checkpoint):
    checkpoint = Checkpoint.load(tiny_checkpoint, "cpu")
    card = model_card("me/tones", describe(checkpoint), checkpoint.fingerprint)
    assert "None were given; `kobza evaluate` measures them." in card and "licence terms are unknown" in card
    assert "model-index" not in head_of(card) and "{" not in card.replace("{}", "")
    assert "128 dimensions" in card and "windows of 10 s at 16,000 Hz" in card


def test_figures_of_another_checkpoint_are_refused():
    with pytest.raises(ValueError, match=f"A receipt is of the checkpoint {FINGERPRINT}, but this one is fedc"):
        model_card("me/tones", "An embedder.", "fedcba9876543210", receipts=[retrieval_result(fingerprint=FINGERPRINT)])
