import torch

from kobza.distill import augment

RATE = 32_000


def tones(*hertz, seconds=1.0):
    return 0.5 * torch.sin(2 * torch.pi * torch.tensor(hertz)[:, None] * torch.arange(int(RATE * seconds)) / RATE)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_both_sampling_rates_hold_the_same_audio():
    wave = tones(440.0, 3000.0)
    same = augment.without_augmentation(wave)
    torch.testing.assert_close(same.teacher, wave, atol=1e-5, rtol=0)
    torch.testing.assert_close(same.student, wave[:, ::2], atol=1e-3, rtol=0)  # nothing of it lies above 8 kHz
    assert augment.without_augmentation(tones(12_000.0)).student.abs().max() < 1e-2


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
