import pytest
import torch

from kobza.distill import augment

RATE = 32_000


def tones(*hertz, seconds=1.0):
    return 0.5 * torch.sin(2 * torch.pi * torch.tensor(hertz)[:, None] * torch.arange(int(RATE * seconds)) / RATE)


def pitch(window, rate=RATE):
    return torch.fft.rfft(window).abs().argmax().item() * rate / len(window)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_speed_changes_the_pitch_and_not_the_length():
    factors = torch.tensor([[1.0], [1.4], [0.7]])
    augmented = augment.change_speed(tones(440.0, 440.0, 440.0, seconds=1.4), factors, RATE)
    assert augmented.shape == (3, RATE)
    torch.testing.assert_close(augmented[0], tones(440.0)[0])
    assert [pitch(window) for window in augmented] == pytest.approx([440, 616, 308], abs=4)


def test_both_sampling_rates_hold_the_same_audio():
    wave = tones(440.0, 3000.0)
    same = augment.without_augmentation(wave)
    torch.testing.assert_close(same.teacher, wave, atol=1e-5, rtol=0)
    torch.testing.assert_close(same.student, wave[:, ::2], atol=1e-3, rtol=0)  # nothing of it lies above 8 kHz
    assert augment.without_augmentation(tones(12_000.0)).student.abs().max() < 1e-2


def test_a_neighbor_is_mixed_at_the_relative_gain():
    wave = tones(440.0, 880.0) * torch.tensor([[0.2], [0.4]])
    mixed = augment.mix_neighbors(wave, torch.tensor([[0.5], [0.0]]))
    torch.testing.assert_close(mixed[1], wave[1])
    spectrum = torch.fft.rfft(mixed[0]).abs()
    assert float(spectrum[880] / spectrum[440]) == pytest.approx(0.5, abs=0.02)


def test_reverb_has_a_tail_and_most_rows_are_dry():
    click = torch.zeros(40, RATE)
    click[:, 0] = 1.0
    response = augment.random_reverb(RATE, augment.BatchRandom(40, generator()))
    wet = torch.fft.irfft(torch.fft.rfft(click) * response, RATE)
    rings = wet[:, 100 : RATE // 5].abs().amax(1) > 1e-3
    assert 4 <= int(rings.sum()) <= 22
    assert wet[~rings, 1:].abs().max() < 1e-4


def test_equalizers_keep_the_middle_and_cut_some_highs():
    response = augment.random_equalizer(RATE, augment.BatchRandom(400, generator()))
    middle, top = response[:, 1000], response[:, 12_000]
    assert (middle > 0.1).all()
    assert 0.3 < float((top < 0.05).float().mean()) < 0.6


def test_augmented_windows_keep_shape_and_range_and_depend_on_the_seed_only():
    audio = tones(220.0, 440.0, 880.0, 1760.0, seconds=1.4)
    once, again, other = (augment.augment(audio, generator(seed)) for seed in (1, 1, 2))
    assert once.teacher.shape == (4, RATE) and once.student.shape == (4, RATE // 2)
    assert all(torch.isfinite(one).all() and one.abs().max() <= 1.0 for one in once)
    assert all(map(torch.equal, once, again))
    assert not torch.equal(once.teacher, other.teacher)
    assert not torch.equal(once.teacher, audio[:, :RATE])


def test_silence_stays_finite():
    augmented = augment.augment(torch.zeros(3, round(1.4 * RATE)), generator())
    assert torch.isfinite(augmented.teacher).all() and torch.isfinite(augmented.student).all()
