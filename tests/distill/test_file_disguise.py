import math

import pytest
import torch

from kobza.distill.features import WINDOW_LOUDNESS, feature_extractor
from kobza.distill.file_disguise import MAX_SHIFT, _Random, band_frequencies, coloration, disguise, low_pass
from kobza.model.mel_kobza import EPSILON

EXTRACTOR = feature_extractor()
FRAMES = 998  # of 10 s; the rest of a row is padding


@pytest.fixture(scope="module")
def music():
    """Windows with a slope over frequency and a beat every half second."""
    rng = torch.Generator().manual_seed(0)
    time = torch.arange(160_000) / 16_000
    noise = torch.randn(64, 160_000, generator=rng).cumsum(1)
    noise = noise - torch.nn.functional.avg_pool1d(noise[:, None], 2001, 1, 1000)[:, 0]
    return EXTRACTOR.log_mel(noise * (0.1 + torch.exp(-20 * (time % 0.5))))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def energy(mel):
    """In natural logarithm."""
    return mel[:, :FRAMES] * 2 * EXTRACTOR.std + EXTRACTOR.mean


def test_features_have_one_loudness():
    wave = torch.randn(1, 160_000, generator=generator()) * 0.05
    assert EXTRACTOR.window_loudness == WINDOW_LOUDNESS
    torch.testing.assert_close(EXTRACTOR.log_mel(wave), EXTRACTOR.log_mel(wave * 0.1), atol=1e-3, rtol=0)


def test_bands_are_the_feature_extractors():
    hertz = band_frequencies(128, 8000.0)
    bands = [30, 60, 90, 120]
    time = torch.arange(16_000) / 16_000
    tones = torch.sin(2 * torch.pi * hertz[bands, None] * time)
    loudest = EXTRACTOR.log_mel(tones)[:, 10:80].mean(1).argmax(1)
    assert (loudest - torch.tensor(bands)).abs().max() <= 1


def test_a_disguise_is_repeatable_keeps_the_padding_and_changes_most_windows(music):
    disguised = disguise(music, EXTRACTOR, generator())
    assert disguised.shape == music.shape and torch.isfinite(disguised).all()
    assert torch.equal(disguised, disguise(music, EXTRACTOR, generator()))
    assert torch.equal(disguised[:, FRAMES:], music[:, FRAMES:])
    changed = (disguised - music).abs().amax((1, 2)) > 0.01
    assert changed.all()  # the level at least
    assert energy(disguised).min() >= math.log(EPSILON) - 1e-3


def test_the_low_pass_ends_where_resamplers_and_codecs_do():
    hertz = band_frequencies(128, 8000.0)
    attenuation = low_pass(hertz, _Random(2000, generator()))[:, 0]
    assert (attenuation <= 0).all()
    untouched = (attenuation == 0).all(1).float().mean()
    assert 0.2 < untouched < 0.3
    assert attenuation[:, hertz < 3500].min() > -6  # what is below 4 kHz stays
    assert (attenuation[:, -1] < -20).float().mean() > 0.4


def test_levels_and_colours_are_those_of_files_and_not_of_other_music():
    gain = coloration(128, _Random(2000, generator()))[:, 0]
    assert gain.abs().max() < 25
    assert gain.mean(1).abs().mean() < 4
    assert (gain.diff(dim=1).abs().max() < 1).all()  # smooth over the bands


def test_a_shift_is_at_most_half_a_second_and_half_of_the_windows_have_none(music):
    disguised = disguise(music, EXTRACTOR, generator(3))
    shifts = []
    for before, after in zip(energy(music).mean(2), energy(disguised).mean(2), strict=True):
        before, after = before - before.mean(), after - after.mean()
        lags = range(-MAX_SHIFT, MAX_SHIFT + 1)
        scores = [float((before.roll(lag)[60:250] * after[60:250]).sum()) for lag in lags]
        shifts.append(lags[scores.index(max(scores))])
    still = sum(shift == 0 for shift in shifts) / len(shifts)
    assert 0.3 < still < 0.75
    assert len(set(shifts)) > 10
