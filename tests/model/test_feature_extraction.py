import numpy as np
import pytest
import torch

from kobza import KobzaFeatureExtractor
from kobza.model import feature_extraction_kobza, mel_kobza

RATE = 16000
MEAN, STD = -4.2677393, 4.5689974


@pytest.fixture(scope="module")
def extractor() -> KobzaFeatureExtractor:
    return KobzaFeatureExtractor()


def features(extractor, audio, rate=RATE) -> torch.Tensor:
    return extractor(audio, sampling_rate=rate)["input_values"]


def test_log_mel_is_kaldis(extractor, sounds):
    from torchaudio.compliance import kaldi

    quiet = sounds[0] * 1e-3
    for wave in (sounds[0], sounds[1], sounds[2][: 10 * RATE], sounds[3], quiet):
        expected = kaldi.fbank(
            torch.from_numpy(wave)[None], sample_frequency=RATE, window_type="hanning", num_mel_bins=128
        )
        rows = features(extractor, wave)
        assert rows.shape == (1, 1024, 128) and rows.dtype == torch.float32
        got = rows[0] * 2 * STD + MEAN
        assert (got[: len(expected)] - expected).abs().max() < 1e-4
        assert got[len(expected) :].abs().max() < 1e-6  # padded with 0 before normalisation


def test_a_window_is_what_transformers_ast_would_see(extractor, sounds):
    from transformers import ASTFeatureExtractor

    for wave in (sounds[0], sounds[1]):
        expected = ASTFeatureExtractor()(wave, sampling_rate=RATE, return_tensors="pt")["input_values"]
        assert (features(extractor, wave) - expected).abs().max() < 1e-4


@pytest.mark.parametrize("rate", [16000, 20480])  # at 20480 Hz a frame is a power of 2: nothing is padded
def test_faint_bands_beside_loud_ones_are_kaldis_too(rate):
    """There the rounding shows: in float64 the values are 5e-4 away."""
    from torchaudio.compliance import kaldi

    time = np.arange(2 * rate) / rate
    wave = (0.2 + 0.3 * np.sin(2 * np.pi * 55 * time) + 1e-5 * np.sin(2 * np.pi * 5000 * time)).astype(np.float32)
    extractor = KobzaFeatureExtractor(sampling_rate=rate)
    expected = kaldi.fbank(torch.from_numpy(wave)[None], sample_frequency=rate, window_type="hanning", num_mel_bins=128)
    got = features(extractor, wave, rate)[0, : len(expected)]
    assert (got - (expected - MEAN) / (2 * STD)).abs().max() < 1e-6


def test_alone_and_in_a_batch_are_the_same(extractor, sounds):
    batch = extractor(sounds, sampling_rate=RATE)
    assert batch["window_counts"].tolist() == [1, 1, 3, 1] and batch["window_counts"].dtype == torch.int64
    alone = torch.cat([features(extractor, wave) for wave in sounds])
    assert (batch["input_values"] - alone).abs().max() <= 1e-6


@pytest.mark.parametrize("rows", [1, 3])
def test_more_windows_than_are_computed_at_once_are_the_same(extractor, sounds, monkeypatch, rows):
    monkeypatch.setitem(mel_kobza.WINDOWS_PER_STEP, "cpu", rows)
    windows = [sounds[2][k * 8000 : k * 8000 + 6000 + 700 * (k % 4)] for k in range(8)]  # longer ones and shorter again
    together = extractor.log_mel(windows)
    assert together.shape == (len(windows), 1024, 128)
    assert (together - torch.cat([extractor.log_mel([window]) for window in windows])).abs().max() <= 1e-6


@pytest.mark.parametrize(
    ("seconds", "lengths"),
    [
        (0.5, [0.5]),
        (9.0, [9.0]),
        (10.0, [10.0]),
        (10.9, [10.0]),
        (11.0, [10.0, 1.0]),
        (20.0, [10.0, 10.0]),
        (25.5, [10.0, 10.0, 5.5]),
    ],
)
def test_windows_are_consecutive_and_a_short_last_one_goes(extractor, seconds, lengths):
    wave = np.arange(round(seconds * RATE), dtype=np.float32)
    windows = extractor.split(wave)
    assert [len(window) / RATE for window in windows] == lengths
    assert np.array_equal(np.concatenate(windows), wave[: round(sum(lengths) * RATE)])


def test_the_window_policy_can_be_another(sounds):
    short = KobzaFeatureExtractor(window_seconds=5.0, min_window_seconds=2.0)
    assert [len(window) / RATE for window in short.split(sounds[2][: 11 * RATE])] == [5.0, 5.0]
    with pytest.raises(ValueError, match=r"window_seconds is 12\.0: that makes 1198 frames .* max_length = 1024"):
        KobzaFeatureExtractor(window_seconds=12.0)


def test_stereo_is_downmixed_and_a_three_dimensional_array_is_a_batch(extractor, sounds):
    left, right = sounds[0], sounds[2][: 10 * RATE]
    stereo = np.stack([left, right])
    assert torch.equal(features(extractor, [stereo]), features(extractor, (left + right) / 2))
    batch = extractor(np.stack([stereo, stereo[::-1]]), sampling_rate=RATE)
    assert batch["window_counts"].tolist() == [1, 1]
    assert torch.equal(batch["input_values"][:1], features(extractor, [stereo]))


@pytest.mark.parametrize("dtype", ["int16", ">i2", "int32", "uint8", "uint16"])
def test_integers_are_scaled_by_the_range_of_their_type(extractor, sounds, dtype):
    bits = np.dtype(dtype).itemsize * 8
    offset = 2 ** (bits - 1) if np.dtype(dtype).kind == "u" else 0
    whole = np.round(sounds[0].astype(np.float64) * 2 ** (bits - 1)) + offset
    mono = extractor.to_mono(whole.astype(dtype), RATE)
    assert np.abs(mono.numpy() - sounds[0]).max() <= 2.0 ** (1 - bits) + 1e-6


def test_lists_of_numbers_tensors_and_doubles_are_the_same_as_arrays(extractor, sounds):
    wave = sounds[1][:8000]
    expected = features(extractor, wave)
    for other in (wave.tolist(), torch.from_numpy(wave), wave.astype(np.float64), wave[None], [wave]):
        assert (features(extractor, other) - expected).abs().max() < 1e-5
    assert isinstance(extractor(wave, sampling_rate=RATE, return_tensors="np")["input_values"], np.ndarray)


@pytest.mark.parametrize(
    ("audio", "rate", "sentence"),
    [
        (np.zeros(RATE), 0, "sampling rate is 0, but must be a whole number"),
        (np.zeros(RATE), 16000.5, "sampling rate is 16000.5, but must be a whole number"),
        (np.array([0.0] * 500 + [np.nan]), RATE, "NaN or infinite"),
        (np.array([0.0] * 500 + [np.inf]), RATE, "NaN or infinite"),
        (np.zeros(0), RATE, "is empty"),
        ([], RATE, "batch of audio is empty"),
        ([np.zeros(RATE), np.zeros(0)], RATE, "is empty"),
        (np.zeros(399), RATE, "399 samples at 16000 Hz is too short"),
        ([np.zeros((RATE, 2))], RATE, r"\(16000, 2\) looks transposed: pass \(channels, samples\)"),
        ([np.zeros((2, 2, RATE))], RATE, r"must be \(samples,\) or \(channels, samples\)"),
        (np.zeros(RATE, dtype=bool), RATE, "not a waveform"),
        (np.zeros(RATE, dtype=complex), RATE, "not a waveform"),
        (object(), RATE, "not a waveform"),
        ([object()], RATE, "not a waveform"),
    ],
)
def test_what_is_no_recording_gives_a_sentence(extractor, audio, rate, sentence):
    with pytest.raises(ValueError, match=sentence):
        extractor(audio, sampling_rate=rate)


@pytest.mark.parametrize("make", [np.stack, lambda waves: torch.from_numpy(np.stack(waves))])
def test_an_array_that_may_be_stereo_or_two_recordings_is_refused(extractor, sounds, make):
    waves = [sounds[0][:RATE], sounds[2][:RATE]]
    with pytest.raises(ValueError, match=r"\(2, 16000\) may be .*: pass a list .* or channels_first=True"):
        extractor(make(waves), sampling_rate=RATE)
    one = extractor(make(waves), sampling_rate=RATE, channels_first=True)
    assert one["window_counts"].tolist() == [1]
    assert torch.equal(one["input_values"], features(extractor, [make(waves)]))
    assert extractor(list(make(waves)), sampling_rate=RATE)["window_counts"].tolist() == [1, 1]
    assert extractor(make(waves[:1]), sampling_rate=RATE)["window_counts"].tolist() == [1]  # both readings are the same


def test_without_a_sampling_rate_the_extractors_own_is_assumed_and_said(extractor, sounds, monkeypatch):
    said = []
    monkeypatch.setattr(feature_extraction_kobza.logger, "warning", said.append)
    assert torch.equal(extractor(sounds[3])["input_values"], features(extractor, sounds[3]))
    assert len(said) == 1 and "16000 Hz is assumed" in said[0]
    with pytest.raises(ValueError, match="sampling rate is missing"):
        extractor.to_mono(sounds[3], None)


def test_it_takes_what_transformers_extractors_take(extractor, sounds):
    expected = extractor(sounds, RATE, "pt")
    same = extractor(raw_speech=sounds, sampling_rate=RATE, padding="longest", pad_to_multiple_of=128, device="cpu")
    assert all(torch.equal(same[name], expected[name]) for name in expected)
    arrays = extractor(sounds, RATE, "np")
    assert np.array_equal(arrays["input_values"], expected["input_values"].numpy())
    lists = extractor(sounds, RATE, None)  # an entry for each recording, as `datasets.map` wants
    assert lists["window_counts"] == [1, 1, 3, 1] and isinstance(lists["input_values"], list)
    assert np.array_equal(np.concatenate(lists["input_values"]), arrays["input_values"])
    masked = extractor(sounds[1:2], RATE, return_attention_mask=True)["attention_mask"]
    assert masked.shape == (1, 1024) and masked.sum() == 1 + (len(sounds[1]) - 400) // 160
    beginning = extractor(sounds[2], RATE, truncation=True, max_length=4 * RATE)
    assert torch.equal(beginning["input_values"], features(extractor, sounds[2][: 4 * RATE]))
    assert extractor(sounds[3], RATE, device="meta")["input_values"].device.type == "meta"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"return_tensors": "tf"}, "return_tensors is 'tf'"),
        ({"padding": False}, "padding is False, but each row has 1024 frames"),
        ({"truncation": True}, "truncation is True and max_length is None"),
        ({"max_length": 16000}, "truncation is False and max_length is 16000"),
        ({"max_length": 80, "truncation": True}, "max_length is 80 samples, but a frame of 25 ms has 400"),
        ({"pad_to_multiple_of": 100}, "pad_to_multiple_of is 100, but a row has 1024 frames"),
        ({"raw_speech": np.zeros(RATE)}, "exactly one of audio and raw_speech"),
    ],
)
def test_an_argument_that_has_no_such_value_is_refused_by_name(extractor, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        extractor(np.zeros(RATE), RATE, **arguments)
    with pytest.raises(TypeError, match="do_normalise"):
        extractor(np.zeros(RATE), RATE, do_normalise=True)


def test_log_mel_refuses_what_split_would_have_cut(extractor):
    with pytest.raises(ValueError, match="cut the waveform with split first"):
        extractor.log_mel(torch.zeros(1, 11 * RATE))


def test_settings_are_saved_and_filters_are_not(extractor, sounds, tmp_path):
    KobzaFeatureExtractor(window_seconds=4.0, mean=0.0, num_mel_bins=64).save_pretrained(tmp_path)
    assert (tmp_path / "preprocessor_config.json").stat().st_size < 2000
    loaded = KobzaFeatureExtractor.from_pretrained(tmp_path)
    assert (loaded.window_seconds, loaded.mean, loaded.num_mel_bins) == (4.0, 0.0, 64)
    assert features(loaded, sounds[0]).shape == (3, 1024, 64)
