import pytest
import torch
import torch.nn.functional as F

from kobza.distill.pair_tuning import (
    CaptionedRecordings,
    PairSettings,
    Projections,
    multi_positive_loss,
    tune_pairs,
    unit_scale,
)

N, WIDTH, DIM = 40, 12, 8


def random(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def start():
    return Projections(random(DIM, WIDTH, seed=0), torch.zeros(DIM), random(DIM, WIDTH, seed=1), torch.zeros(DIM))


@pytest.fixture(scope="module")
def pairs():
    """Recordings whose window is a fixed map of their text; every text is said of two of them."""
    texts = random(N // 2, WIDTH, seed=2).repeat_interleave(2, 0)
    windows = texts @ random(WIDTH, WIDTH, seed=3)
    topics = [frozenset({f"text {i // 2}"}) for i in range(N)]
    return CaptionedRecordings([text[None] for text in texts], [w.repeat(3, 1) for w in windows], topics)


def recall(projections, pairs):
    text = projections.text(torch.cat(list(pairs.texts[::2])))
    audio = projections.audio(torch.stack([windows[0] for windows in pairs.windows[::2]]))
    return float((text @ audio.T).argmax(1).eq(torch.arange(len(text))).float().mean())


def test_tuning_finds_what_is_said_of_a_recording(start, pairs):
    anchors = random(100, WIDTH, seed=4), random(100, WIDTH, seed=5)
    settings = PairSettings(steps=150, text_rate=2e-2, audio_rate=2e-2, text_anchor=0, audio_anchor=0, tuned_share=1)
    tuned = tune_pairs(start, pairs, *anchors, settings)
    assert recall(start, pairs) < 0.3 < 0.7 < recall(tuned, pairs)


def test_anchors_hold_the_projections_where_they_were(start, pairs):
    sentences, windows = random(100, WIDTH, seed=4), random(100, WIDTH, seed=5)
    moved = {}
    for weight in (0.0, 1000.0):
        settings = PairSettings(
            steps=60, text_rate=2e-2, audio_rate=2e-2, text_anchor=weight, audio_anchor=weight, tuned_share=1
        )
        tuned = tune_pairs(start, pairs, sentences, windows, settings)
        moved[weight] = 1 - F.cosine_similarity(tuned.text(sentences), start.text(sentences)).mean()
    assert moved[1000.0] < 0.05 < moved[0.0]


def test_the_result_lies_between_the_start_and_what_was_learned(start, pairs):
    anchors = random(100, WIDTH, seed=4), random(100, WIDTH, seed=5)
    none, half, whole = (tune_pairs(start, pairs, *anchors, PairSettings(steps=5, tuned_share=s)) for s in (0, 0.5, 1))
    for at_start, between, learned in zip(none, half, whole, strict=True):
        torch.testing.assert_close(between, (at_start + learned) / 2)
    torch.testing.assert_close(none, unit_scale(start, *anchors))
    assert not torch.equal(none.text_weight, whole.text_weight)


def test_recordings_of_which_the_same_is_said_are_no_negatives_of_each_other():
    """With the same text twice, both columns are right: the loss is least where they share the probability."""
    same = torch.tensor([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]])
    shared, alone = 20 * same, 20 * torch.eye(3)
    assert multi_positive_loss(shared, same) < 0.7 < multi_positive_loss(alone, same)
    assert multi_positive_loss(shared, torch.eye(3)) > multi_positive_loss(alone, torch.eye(3))


def test_unit_scale_keeps_the_directions(start):
    sentences, windows = random(50, WIDTH, seed=6), random(50, WIDTH, seed=7)
    scaled = unit_scale(start, sentences, windows)
    torch.testing.assert_close(scaled.text(sentences), start.text(sentences))
    torch.testing.assert_close(scaled.audio(windows), start.audio(windows))
    assert (sentences @ scaled.text_weight.T).norm(dim=1).mean() == pytest.approx(1, abs=1e-4)
