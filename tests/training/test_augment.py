import torch

from kobza.training import augment

RATE = 32_000


def tone(hertz, seconds=1.0):
    return 0.5 * torch.sin(2 * torch.pi * hertz * torch.arange(int(RATE * seconds)) / RATE)


def pitch(window):
    return torch.fft.rfft(window).abs().argmax().item() * RATE / len(window)


def test_twice_the_speed_is_an_octave_up_and_as_long_as_before():
    faster, slower = augment.change_speed(tone(440), 2.0), augment.change_speed(tone(440), 0.5)
    assert len(faster) == len(slower) == RATE
    assert abs(pitch(faster) - 880) < 4
    assert abs(pitch(slower) - 220) < 4


def test_changed_windows_keep_their_shape_and_range_and_depend_on_the_seed_only():
    windows = torch.stack([tone(hertz) for hertz in (220, 440, 880, 1760)])
    once, again, other = (augment.variants(windows, RATE, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert once.shape == windows.shape
    assert torch.isfinite(once).all() and once.abs().max() <= 1.0
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert not torch.equal(once, windows)


def test_silence_stays_finite():
    changed = augment.variants(torch.zeros(3, RATE), RATE, torch.Generator().manual_seed(0))
    assert torch.isfinite(changed).all()
