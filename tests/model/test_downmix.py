"""The downmix in which no recording cancels, as arrays and as files, decoded by FFmpeg and by soundfile."""

import numpy as np
import pytest
import soundfile
import torch

from kobza import KobzaFeatureExtractor
from kobza.audio import excerpt, load_audio
from kobza.model import audio_inputs_kobza
from kobza.model.audio_inputs_kobza import read_samples, to_mono
from kobza.model.downmix_kobza import Downmixer, downmix

RATE = 44_100


def music(seed: int, seconds: float = 4.0) -> np.ndarray:
    """Decaying notes over a little noise, (samples,) float32; different seeds are uncorrelated."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    notes = rng.uniform(80, 3000, round(4 * seconds)).repeat(-(-len(time) // round(4 * seconds)))[: len(time)]
    return (0.3 * np.sin(np.cumsum(2 * np.pi * notes / RATE)) * np.exp(-3 * (time % 0.25))).astype(
        np.float32
    ) + 0.003 * rng.standard_normal(len(time)).astype(np.float32)


def decibels(samples) -> float:
    return 10 * np.log10(np.mean(np.square(np.asarray(samples, np.float64))) + 1e-12)


def correlation(one, other) -> float:
    return float(np.corrcoef(np.asarray(one), np.asarray(other))[0, 1])


LAYOUTS = {
    "stereo": lambda a, b: np.stack([a, -a]),
    "half as loud": lambda a, b: np.stack([a, -0.5 * a]),
    "with a little of its own on each side": lambda a, b: np.stack([a + 0.3 * b, -a + 0.3 * b]),
    "four channels": lambda a, b: np.stack([a, -a, a, -a]),
    "5.1": lambda a, b: np.stack([a, -a, 0 * a, 0 * a, 0.5 * a, -0.5 * a]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_opposite_phases_are_heard(layout, tmp_path):
    mono = music(0)
    channels = LAYOUTS[layout](mono, music(1)).astype(np.float32)
    assert decibels(channels.mean(axis=0)) < decibels(mono) - 9  # the mean loses the music
    soundfile.write(tmp_path / "a.flac", channels.T, RATE)
    expected = to_mono(torch.from_numpy(mono), RATE, 16000)
    for mixed in (to_mono(channels, RATE, 16000), load_audio(tmp_path / "a.flac")):
        length = min(len(mixed), len(expected))
        assert abs(correlation(mixed[:length], expected[:length])) > 0.95
        assert decibels(mixed) > decibels(expected) - 12  # of six channels two are silent


def test_the_bass_does_not_hide_that_all_above_it_cancels():
    time = np.arange(RATE) / RATE
    bass, above = (a * np.sin(2 * np.pi * hertz * time).astype(np.float32) for a, hertz in ((0.8, 60), (0.1, 3000)))
    mixed = downmix(np.stack([bass + above, bass - above]), RATE)
    assert correlation(mixed, bass) > 0.9 and correlation(np.diff(mixed), np.diff(above)) > 0.9


@pytest.mark.parametrize("second", ["uncorrelated", "the same", "silent", "partly opposite"])
def test_ordinary_stereo_is_the_mean_bit_for_bit(second):
    one, other = music(0), music(1)
    right = {"uncorrelated": other, "the same": one, "silent": 0 * one, "partly opposite": other - 0.2 * one}[second]
    stereo = np.stack([one, right])
    assert np.array_equal(downmix(stereo, RATE), stereo.mean(axis=0, dtype=np.float32))


def test_a_short_stretch_is_joined_without_a_click():
    """Two seconds in phase, two in opposite phase: no step is larger than those of the music."""
    tone = (0.5 * np.sin(2 * np.pi * 200 * np.arange(4 * RATE) / RATE)).astype(np.float32)
    right = np.where(np.arange(4 * RATE) < 2 * RATE, tone, -tone)
    mixed = downmix(np.stack([tone, right]), RATE)
    assert np.abs(np.diff(mixed)).max() < 1.5 * np.abs(np.diff(tone)).max()
    assert decibels(mixed[2 * RATE + 2000 :]) == pytest.approx(decibels(tone), abs=0.1)


def test_the_last_samples_do_not_turn_a_channel():
    mixer = Downmixer(RATE)
    mixer.mix(np.stack([music(0, 1.0)] * 2))
    rest = np.stack([music(1, 1.0)[:4410], -music(1, 1.0)[:4410]])  # a tenth of a second says little
    assert np.array_equal(mixer.mix(rest), rest.mean(axis=0))


def test_silence_and_a_single_sample_are_mixed():
    assert not downmix(np.zeros((2, 3 * RATE), np.float32), RATE).any()
    assert downmix(np.ones((2, 1), np.float32), RATE).tolist() == [1.0]


def test_files_and_arrays_alone_and_in_a_batch_are_one(tmp_path, monkeypatch):
    """Seconds of opposite phase among others: FFmpeg, soundfile, an array, an excerpt, a batch."""
    one, other = music(0, 6.5), music(1, 6.5)
    is_opposite = (np.arange(len(one)) // RATE) % 3 == 1
    stereo = np.stack([one, np.where(is_opposite, -one, other)]).astype(np.float32)
    path = tmp_path / "a.wav"
    soundfile.write(path, stereo.T, RATE, subtype="FLOAT")
    decoded = load_audio(path)
    array = to_mono(stereo, RATE, 16000).numpy()
    monkeypatch.setattr(audio_inputs_kobza, "DECODERS", audio_inputs_kobza.DECODERS[1:])
    monkeypatch.setattr(audio_inputs_kobza, "BLOCK_SECONDS", 4)
    by_soundfile = torch.cat(list(read_samples(str(path), 16000))).numpy()
    length = min(map(len, (decoded, array, by_soundfile)))
    assert np.abs(decoded[:length] - array[:length]).max() < 1e-5
    assert np.abs(by_soundfile[:length] - array[:length]).max() < 1e-5
    apart = np.abs(excerpt(path, 2.0, 3.0) - decoded[32_000:80_000])
    assert apart[400:].max() < 1e-3  # without the fade at its beginning
    extractor = KobzaFeatureExtractor()
    batch = extractor([stereo, stereo[::-1].copy(), one], sampling_rate=RATE)["input_values"]
    assert torch.equal(batch[:1], extractor([stereo], sampling_rate=RATE)["input_values"])
