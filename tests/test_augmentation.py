import pytest
import torch

from kobza import augmentation

RATE = 32_000


def tones(*hertz, seconds=1.0):
    return 0.5 * torch.sin(2 * torch.pi * torch.tensor(hertz)[:, None] * torch.arange(int(RATE * seconds)) / RATE)


def pitch(window, rate=RATE):
    return torch.fft.rfft(window).abs().argmax().item() * rate / len(window)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_speed_changes_the_pitch_and_not_the_length():
    factors = torch.tensor([[1.0], [1.4], [0.7]])
    augmented = augmentation.change_speed(tones(440.0, 440.0, 440.0, seconds=1.4), factors, RATE)
    assert augmented.shape == (3, RATE)
    torch.testing.assert_close(augmented[0], tones(440.0)[0])
    assert [pitch(window) for window in augmented] == pytest.approx([440, 616, 308], abs=4)


def test_a_neighbor_is_mixed_at_the_relative_gain():
    wave = tones(440.0, 880.0) * torch.tensor([[0.2], [0.4]])
    mixed = augmentation.mix_neighbors(wave, torch.tensor([[0.5], [0.0]]))
    torch.testing.assert_close(mixed[1], wave[1])
    spectrum = torch.fft.rfft(mixed[0]).abs()
    assert float(spectrum[880] / spectrum[440]) == pytest.approx(0.5, abs=0.02)


def test_reverb_has_a_tail_and_most_rows_are_dry():
    click = torch.zeros(40, RATE)
    click[:, 0] = 1.0
    response = augmentation.random_reverb(RATE, RATE, augmentation.BatchRandom(40, generator()))
    wet = torch.fft.irfft(torch.fft.rfft(click) * response, RATE)
    rings = wet[:, 100 : RATE // 5].abs().amax(1) > 1e-3
    assert 4 <= int(rings.sum()) <= 22
    assert wet[~rings, 1:].abs().max() < 1e-4


def test_equalizers_keep_the_middle_and_cut_some_highs():
    response = augmentation.random_equalizer(RATE, RATE, augmentation.BatchRandom(400, generator()))
    middle, top = response[:, 1000], response[:, 12_000]
    assert (middle > 0.1).all()
    assert 0.3 < float((top < 0.05).float().mean()) < 0.6


def test_a_changed_window_is_the_same_music_and_depends_on_the_seed_only():
    window, rate = tones(440.0)[0, ::2].contiguous(), RATE // 2
    changed = [augmentation.augment_window(window, rate, generator(seed)) for seed in range(60)]
    again = augmentation.augment_window(window, rate, generator(7))
    assert torch.equal(changed[7], again) and not torch.equal(changed[7], changed[8])
    assert all(torch.isfinite(one).all() and one.abs().max() <= 1 for one in changed)
    lengths = [len(one) for one in changed]
    assert max(lengths) == len(window) and min(lengths) >= len(window) / augmentation.CAPTION_SPEED - 1
    pitches = torch.tensor([pitch(one, rate) for one in changed]) / 440
    assert 0.93 < pitches.min() < 0.99 and 1.01 < pitches.max() < 1.07  # within a semitone
    assert 0.3 < float((pitches.sub(1).abs() < 0.003).float().mean()) < 0.8  # half keep their speed
    silence = augmentation.augment_window(torch.zeros(rate), rate, generator())
    assert torch.isfinite(silence).all()
