import random

import torch

from kobza.distill import label_space
from kobza.distill.captioned_rows import read_musiccaps
from kobza.distill.logit_sampler import ConditionalLogitSampler

CLASSES = 'index,mid,display_name\n1,/m/b,"Organ"\n0,/m/a,Piano\n2,/m/c,Flute\n3,/m/d,Singing\n'
ROWS = (
    "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption\n"
    'one,0,10,"/m/a,/m/c","[\'soft piano\', \'flute\']","A piano, and a flute. Nobody sings."\n'
    "two,0,10,\"/m/b,/m/unknown\",\"['loud', 'no voices']\",A church organ and no piano.\n"
)


def read(tmp_path, **kwargs):
    (tmp_path / "classes.csv").write_text(CLASSES)
    (tmp_path / "musiccaps.csv").write_text(ROWS)
    return read_musiccaps(tmp_path / "musiccaps.csv", tmp_path / "classes.csv", **kwargs)


def test_a_row_has_the_labels_of_its_recording_and_those_that_its_text_names(tmp_path):
    first, second = read(tmp_path)
    assert (first.labels, first.named, first.voiceless) == ({0, 2}, {0, 2, 3}, False)
    assert (second.labels, second.named, second.voiceless) == ({1}, {1}, True)
    assert second.aspects == ["loud", "no voices"]


def test_excluded_rows_are_not_read(tmp_path):
    assert [row.caption for row in read(tmp_path, exclude={"one"})] == ["A church organ and no piano."]


def test_absent_vocals_are_known_unless_the_recording_has_their_label(tmp_path):
    _, row = read(tmp_path)
    assert label_space.known_labels(row, {"Singing": 3}) == {
        1: label_space.RECORDING_LABEL,
        3: label_space.ABSENT_VOICE,
    }
    assert label_space.known_labels(row._replace(labels={3}), {"Singing": 3})[3] == label_space.RECORDING_LABEL


def linear_data(n=4000, width=12, classes=20):
    rng = torch.Generator().manual_seed(0)
    truth = torch.randn(width, classes, generator=rng)
    pooled = torch.randn(n, width, generator=rng) + 3.0
    return pooled, pooled @ truth, truth


def test_with_all_axes_and_no_noise_text_is_projected_onto_its_labels():
    pooled, labels, _ = linear_data()
    fitted = label_space.fit(pooled, labels, projection_dim=12, ridge=1e-6)
    text = pooled @ fitted.weight.T + fitted.bias
    frequency = labels.mean(0).clamp_min(label_space.MIN_LABEL_FREQUENCY)
    sound = (labels - labels.mean(0)) * (frequency.max() / frequency).sqrt() @ fitted.axes
    torch.testing.assert_close(text, sound, atol=2e-2, rtol=1e-3)


def test_axes_are_orthonormal_and_sorted_by_variance():
    pooled, labels, _ = linear_data()
    fitted = label_space.fit(pooled, labels, projection_dim=5)
    torch.testing.assert_close(fitted.axes.T @ fitted.axes, torch.eye(5), atol=1e-5, rtol=0)
    spread = (pooled @ fitted.weight.T + fitted.bias).var(0)
    assert (spread[:-1] >= spread[1:]).all()


def test_ridge_reduces_the_error_on_noisy_labels():
    pooled, labels, truth = linear_data(n=60)
    noisy = labels + 20 * torch.randn(labels.shape, generator=torch.Generator().manual_seed(3))
    errors = []
    for ridge in (1e-6, 1.0):
        fitted = label_space.fit(pooled, noisy, projection_dim=12, ridge=ridge)
        frequency = noisy.mean(0).clamp_min(label_space.MIN_LABEL_FREQUENCY)
        found = fitted.weight.T @ fitted.axes.T / (frequency.max() / frequency).sqrt()
        errors.append((found - truth).square().mean())
    assert errors[1] < errors[0]


def test_a_rare_label_counts_more_than_a_common_one():
    rng = torch.Generator().manual_seed(0)
    pooled = torch.randn(4000, 2, generator=rng)
    labels = (pooled > torch.tensor([0.0, 2.0])).float()  # one in two, one in fifty
    first = label_space.fit(pooled, labels, projection_dim=1).axes[:, 0].abs()
    plain = torch.linalg.svd(pooled.T @ (labels - labels.mean(0))).Vh[0].abs()
    assert first[1] / first[0] > 2 * plain[1] / plain[0]


def test_tuning_improves_retrieval_and_is_mixed_with_the_start():
    rng = torch.Generator().manual_seed(0)
    sounds = torch.randn(2, 40, 6, generator=rng)
    sounds[1] = sounds[0] + 0.1 * sounds[1]
    texts = sounds[0] @ torch.randn(6, 8, generator=rng)
    start = label_space.LabelSpace(
        torch.randn(6, 8, generator=rng), torch.zeros(6), torch.eye(6), torch.zeros(6), torch.ones(6)
    )
    said = [label_space.TextAudioSet([text[None] for text in texts], sounds.half(), 32)]

    def found(one):
        return (one.project_text(texts) @ one.project_audio(sounds[1]).T).argmax(1).eq(torch.arange(40)).float().mean()

    tuned = label_space.tune(start, said, steps=150, tuned_weight=1.0)
    assert found(start) < 0.2 and found(tuned) > 0.3
    half, none = (label_space.tune(start, said, steps=150, tuned_weight=weight) for weight in (0.5, 0.0))
    for one, both, other in zip(none, half, tuned, strict=True):
        torch.testing.assert_close(both, (one + other) / 2, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(none.project_text(texts), start.project_text(texts))


def test_the_first_text_is_drawn_at_its_share_and_otherwise_the_aspects():
    texts, rng = torch.eye(4), random.Random(0)
    said = torch.stack([label_space._draw_text(texts, 0.45, rng) for _ in range(2000)])
    assert abs((said[:, 0] == 1).float().mean() - 0.45) < 0.04
    assert set(said[said[:, 0] != 1, 0].tolist()) == {0.0}
    torch.testing.assert_close(said.sum(1), torch.ones(2000))


def correlated_logits(n=3000, labels=5):
    """Logits of which 0 and 1 are correlated, 2 is anticorrelated with them, the rest are independent."""
    rng = torch.Generator().manual_seed(1)
    logits = torch.randn(n, labels, generator=rng)
    logits[:, 1] = 0.9 * logits[:, 0] + 0.4 * logits[:, 1]
    logits[:, 2] = 0.4 * logits[:, 2] - 0.9 * logits[:, 0]
    return 3 * logits - 4, ConditionalLogitSampler(3 * logits - 4, torch.eye(labels))


def test_a_known_label_moves_its_logit_and_the_correlated_ones():
    _, sampler = correlated_logits()
    drawn = sampler.sample([{0: (1.0, 0.1)}, {}], 500, torch.Generator().manual_seed(0)).float()
    known, unknown = drawn.mean(0)
    assert drawn.shape == (500, 2, 5)
    assert abs(known[0] - sampler.positive[0]) < 0.1
    assert known[1] > 1 and known[2] < -1 and known[3:].abs().max() < 0.2
    assert unknown.abs().max() < 0.2


def test_noisier_evidence_moves_a_logit_less():
    _, sampler = correlated_logits()
    drawn = sampler.sample([{0: (1.0, 0.1)}, {0: (1.0, 2.0)}], 2000, torch.Generator().manual_seed(0))
    near, far = drawn.float().mean(0)[:, 0]
    assert 0 < far < near / 2
