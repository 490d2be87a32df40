"""`window_loudness`: a recording is the same to the model at any volume, wherever its features are made."""

import json

import numpy as np
import pytest
import torch
from datasets import Dataset
from recordings import write
from sentence_transformers import SentenceTransformer
from tiny import make_model, make_tokenizer
from transformers import AutoFeatureExtractor, AutoModel, AutoProcessor

from kobza import Checkpoint, KobzaFeatureExtractor, KobzaProcessor
from kobza.embedding.checkpoint_folder import fingerprint
from kobza.embedding.embedder import embed_recording, embed_recordings
from kobza.model import mel_kobza
from kobza.model.pipeline_kobza import embed_audio
from kobza.training.feature_cache import fingerprint as cache_fingerprint
from kobza.training.frozen_split import audio_split

RATE = 16000
GAINS = (0.02, 0.1, 4.0)  # -34, -20 and +12 dB
ROUNDING = 1e-3  # of log-mels, in the bands of a tone that hold nothing but float32's rounding


@pytest.fixture(scope="module")
def extractor() -> KobzaFeatureExtractor:
    return KobzaFeatureExtractor(window_loudness=-18.0)


@pytest.fixture(scope="module")
def levelled(tmp_path_factory, extractor) -> str:
    """The folder of a checkpoint whose windows have one loudness."""
    folder = tmp_path_factory.mktemp("levelled") / "kobza-levelled"
    tokenizer = make_tokenizer(tmp_path_factory.mktemp("tokenizer"))
    Checkpoint(make_model(text_pooling="mean"), KobzaProcessor(extractor, tokenizer)).save(folder)
    return str(folder)


@pytest.mark.parametrize("gain", GAINS)
def test_a_gain_changes_nothing(extractor, sounds, gain):
    plain = KobzaFeatureExtractor()
    for wave in sounds[:3]:
        quiet = gain * wave
        assert (extractor(quiet, RATE)["input_values"] - extractor(wave, RATE)["input_values"]).abs().max() < ROUNDING
        assert (plain(quiet, RATE)["input_values"] - plain(wave, RATE)["input_values"]).abs().max() > 0.2


def test_each_window_has_the_level_over_its_own_samples(extractor, sounds):
    """The last window of 24 s has 4 s, which the zeros behind it do not make quieter."""
    plain = KobzaFeatureExtractor()
    windows = plain.split(sounds[2] * np.linspace(0.02, 1.0, len(sounds[2]), dtype=np.float32))
    levelled = [window * (10 ** (-18 / 20) / np.sqrt(np.mean(window**2))) for window in windows]
    assert [len(window) for window in windows] == [160_000, 160_000, 64_000]
    assert (extractor.log_mel(windows) - plain.log_mel(levelled)).abs().max() < ROUNDING


def test_near_silence_is_raised_by_60_db_and_silence_not_at_all(extractor, sounds):
    plain = KobzaFeatureExtractor()
    faint = sounds[0] * 1e-5  # -103 dBFS
    assert (extractor(faint, RATE)["input_values"] - plain(1000 * faint, RATE)["input_values"]).abs().max() < ROUNDING
    silence = np.zeros(RATE, np.float32)
    assert torch.equal(extractor(silence, RATE)["input_values"], plain(silence, RATE)["input_values"])


@pytest.mark.parametrize("rows", [1, 8])
def test_alone_and_in_a_batch_are_the_same(extractor, sounds, monkeypatch, rows):
    monkeypatch.setitem(mel_kobza.WINDOWS_PER_STEP, "cpu", rows)
    quieter = [(0.3**k * wave)[: 10 * RATE] for k, wave in enumerate(sounds)]  # of different lengths
    before = [wave.copy() for wave in quieter]
    together = extractor.log_mel([torch.from_numpy(wave) for wave in quieter])
    assert (together - torch.cat([extractor.log_mel([wave]) for wave in quieter])).abs().max() < 1e-5
    assert all(np.array_equal(wave, kept) for wave, kept in zip(quieter, before, strict=True))


def test_only_a_level_is_taken(tmp_path):
    for level in (3.0, -100.0, float("nan")):
        with pytest.raises(ValueError, match=r"window_loudness is .*, but must be a level from -60 to 0 dBFS, or None"):
            KobzaFeatureExtractor(window_loudness=level)


def test_it_is_saved_and_is_in_the_fingerprints_where_it_is_set(levelled, tiny_checkpoint, extractor, tmp_path):
    assert AutoFeatureExtractor.from_pretrained(levelled, trust_remote_code=True).window_loudness == -18.0
    assert "window_loudness" not in (KobzaFeatureExtractor().to_dict().keys() | {*_settings(tiny_checkpoint)})
    assert _settings(levelled)["window_loudness"] == -18.0
    assert fingerprint(levelled) != fingerprint(tiny_checkpoint)
    split = audio_split(make_model())
    split.depth = 1
    of = {
        loud: cache_fingerprint(split, features=KobzaFeatureExtractor(window_loudness=loud).to_dict())
        for loud in (None, -18.0, -20.0)
    }
    assert len({*of.values()}) == 3


def _settings(folder: str) -> dict:
    with open(f"{folder}/processor_config.json", encoding="utf-8") as file:
        return json.load(file)["feature_extractor"]


def test_every_way_to_a_vector_gives_the_same_at_any_volume(levelled, sounds, tmp_path):
    """The library's way, a file's, transformers' own, its pipelines', a data set's map, sentence-transformers'."""
    checkpoint = Checkpoint.load(levelled, "cpu")
    assert checkpoint.fingerprint == fingerprint(levelled)
    model = AutoModel.from_pretrained(levelled, trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(levelled, trust_remote_code=True)
    sentence = SentenceTransformer(levelled, trust_remote_code=True, device="cpu")
    noise = np.random.default_rng(0).normal(0, 0.05, len(sounds[2]))  # louder than the rounding of 16 bits in all bands
    wave = ((sounds[2] + noise) * np.linspace(0.2, 1.0, len(noise))).astype(np.float32)
    paths = []
    for gain in (1.0, 0.05):
        paths.append(tmp_path / f"{gain}.wav")
        write(paths[-1], gain * wave)
    expected = None
    for gain, path in zip((1.0, 0.05), paths, strict=True):
        recording = {"array": gain * wave, "sampling_rate": RATE}
        mapped = Dataset.from_list([recording]).map(
            lambda row: processor(audio=np.asarray(row["array"]), sampling_rate=RATE, return_tensors=None)
        )[0]
        with torch.inference_mode():
            inputs = processor(audio=[recording])
            vectors = {
                "forward": model.get_audio_features(**inputs).pooler_output[0],
                "pipeline": embed_audio(model, processor.feature_extractor, [recording])[0],
                "map": model.get_audio_features(
                    torch.tensor(mapped["input_values"][0]), torch.tensor(mapped["window_counts"])
                ).pooler_output[0],
                "sentence": sentence.encode([recording], normalize_embeddings=True)[0],
                "files": embed_recordings(checkpoint, [path])[0][0],
            }
        windows = np.stack([window.vector for window in embed_recording(checkpoint, path)])
        vectors["windows"] = windows.mean(0) / np.linalg.norm(windows.mean(0))
        for name, vector in vectors.items():
            expected = np.asarray(vector) if expected is None else expected
            assert float(np.asarray(vector) @ expected) > 1 - 1e-4, (name, gain)
