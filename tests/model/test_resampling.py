"""Whichever way a recording comes in, it is resampled as FFmpeg does it, so that its vector is the same."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from kobza import Checkpoint
from kobza.audio import load_audio
from kobza.model import audio_inputs_kobza
from kobza.model.resampling_kobza import resample
from kobza.synth.album import album, render

MINI = Path(__file__).resolve().parents[2] / "hub" / "kobza-mini"


def noise(rate: int, seconds: float) -> np.ndarray:
    return np.random.default_rng(rate).uniform(-0.5, 0.5, round(seconds * rate)).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int) -> Path:
    """(samples,) or (channels, samples) as they are, in float32."""
    soundfile.write(path, samples.T, rate, subtype="FLOAT")
    return path


@pytest.mark.parametrize("seconds", [0.03, 2.0])
@pytest.mark.parametrize("rate", [8000, 11025, 22050, 24000, 32000, 44056, 44100, 48000, 88200, 96000, 192000])
def test_it_is_ffmpegs(tmp_path, rate, seconds):
    samples = noise(rate, seconds)
    expected = load_audio(write(tmp_path / "a.wav", samples, rate))
    got = resample(torch.from_numpy(samples), rate, 16000)
    assert got.dtype == torch.float32 and len(got) - len(expected) in (0, 1)
    assert np.abs(got[: len(expected)].numpy() - expected).max() < 1e-5


@pytest.mark.parametrize("rate", [7919, 44101])
def test_rates_without_a_common_divisor_are_ffmpegs_to_its_own_1024_phases(tmp_path, rate):
    samples = noise(rate, 0.5)
    expected = load_audio(write(tmp_path / "a.wav", samples, rate))
    assert np.abs(resample(torch.from_numpy(samples), rate, 16000)[: len(expected)].numpy() - expected).max() < 1e-4


@pytest.mark.parametrize("samples", [1, 2, 7, 50])
def test_a_handful_of_samples_is_resampled_too(samples):
    got = resample(torch.full((samples,), 0.5), 8000, 16000)
    assert len(got) == 2 * samples and torch.isfinite(got).all()
    assert len(resample(torch.zeros(0), 8000, 16000)) == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_resamples_its_own():
    samples = torch.from_numpy(noise(44100, 1.0))
    there = resample(samples.cuda(), 44100, 16000)
    assert there.device.type == "cuda" and (there.cpu() - resample(samples, 44100, 16000)).abs().max() < 1e-5


@pytest.fixture(scope="module")
def mini() -> Checkpoint:
    return Checkpoint.load(str(MINI), device="cpu")


def noisy_tones(rate: int, seed: int) -> np.ndarray:
    """5 s of decaying tones in noise as faint as a recording's: (samples,)."""
    random, time = np.random.default_rng(seed), np.arange(5 * rate) / rate
    pitches, beats = random.uniform(80, 3500, 6), random.choice([0.25, 0.5, 1], 6)
    tones = (
        0.08 * np.sin(2 * np.pi * hertz * time) * np.exp(-3 * (time % beat))
        for hertz, beat in zip(pitches, beats, strict=True)
    )
    return (sum(tones) + random.normal(size=len(time)) * 10 ** random.uniform(-5, -2)).clip(-1, 1)


@pytest.fixture(scope="module")
def pieces() -> list[np.ndarray]:
    """Made music at 44.1 kHz, 5 s: (2, samples)."""
    made = [piece for piece in album() if piece.style in ("church organ", "rock")]
    return [render(piece, 44100)[:, : 5 * 44100].astype(np.float32) for piece in made]


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
def test_the_processor_and_the_library_hear_the_same(mini, pieces, rate, tmp_path, monkeypatch):
    """Made music in stereo and noisy tones in mono, as files: kobza, soundfile and an array give one vector."""
    sounds = [np.stack([resample(torch.from_numpy(one), 44100, rate).numpy() for one in piece]) for piece in pieces]
    sounds += [noisy_tones(rate, seed) for seed in range(2)]
    paths = [tmp_path / f"{number}.wav" for number in range(len(sounds))]
    for path, sound in zip(paths, sounds, strict=True):
        soundfile.write(path, sound.T, rate, subtype="PCM_16")
    library = mini.embed_windows([load_audio(path, mini.sampling_rate) for path in paths])
    arrays = [soundfile.read(path, dtype="float32")[0].T for path in paths]
    monkeypatch.setattr(audio_inputs_kobza, "DECODERS", audio_inputs_kobza.DECODERS[1:])  # kobza is not installed
    for inputs in (mini.processor(audio=arrays, sampling_rate=rate), mini.processor(audio=paths)):
        with torch.no_grad():
            vectors = mini.model.get_audio_features(**inputs).pooler_output.numpy()
        assert (vectors * library).sum(axis=1).min() > 0.9999
