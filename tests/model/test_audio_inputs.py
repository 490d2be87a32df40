"""A recording may be whatever `datasets` gives, a path, bytes or an array: the same samples, so the same vector."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from transformers import pipeline

from kobza.model import audio_inputs_kobza
from kobza.model.audio_inputs_kobza import decode, read_samples
from kobza.model.sentence_kobza import SentenceKobza

RATE = 22050


class AudioDecoder:
    """What `datasets.Audio()` gives, as torchcodec declares it: samples on demand, (channels, samples)."""

    def __init__(self, data: np.ndarray, sample_rate: int):
        self.samples = SimpleNamespace(data=torch.from_numpy(data), sample_rate=sample_rate)

    def get_all_samples(self):
        return self.samples


@pytest.fixture(scope="module")
def stereo() -> np.ndarray:
    """30 s of two channels that differ: (2, samples) float32, exact in 16 bits."""
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 30 * RATE))
    noise[1] *= np.linspace(0, 1, noise.shape[1])
    return (np.round(noise * 32768) / 32768).astype(np.float32)


@pytest.fixture(scope="module")
def path(stereo, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    soundfile.write(path, stereo.T, RATE, subtype="PCM_16")
    return path


FORMS = {
    "path": lambda path, stereo: path,
    "string": lambda path, stereo: str(path),
    "bytes": lambda path, stereo: path.read_bytes(),
    "path in a dict": lambda path, stereo: {"path": str(path), "bytes": None},
    "bytes in a dict": lambda path, stereo: {"path": "song.wav", "bytes": path.read_bytes()},
    "array in a dict": lambda path, stereo: {"array": stereo, "sampling_rate": RATE},
    "path and array in a dict": lambda path, stereo: {"path": str(path), "array": stereo, "sampling_rate": RATE},
    "raw in a dict": lambda path, stereo: {"raw": stereo.mean(axis=0), "sampling_rate": RATE},
    "AudioDecoder": lambda path, stereo: AudioDecoder(stereo, RATE),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_the_same_music_everywhere(form, path, stereo, tiny_checkpoint, tiny_processor):
    recording = FORMS[form](path, stereo)
    expected = tiny_processor(audio=[stereo], sampling_rate=RATE)
    assert expected["window_counts"].tolist() == [3]
    for given in (recording, [recording]):
        inputs = tiny_processor(audio=given)
        assert inputs["window_counts"].tolist() == [3]
        assert (inputs["input_values"] - expected["input_values"]).abs().max() < 1e-2  # of faint bands, in nepers
    embed = pipeline("music-feature-extraction", model=tiny_checkpoint, device="cpu")
    with torch.no_grad():
        vector = embed.model.get_audio_features(**expected).pooler_output[0].numpy()
    assert np.abs(embed(recording) - vector).max() < 1e-4
    assert np.abs(embed([recording, recording]) - vector).max() < 1e-4
    search = pipeline("text-to-music-retrieval", model=tiny_checkpoint, device="cpu")
    answers = search("slow flute", candidates=[recording])
    with torch.no_grad():
        text = search.model.get_text_features(**tiny_processor(text="slow flute")).pooler_output[0]
    assert answers[0]["score"] == pytest.approx(float(text @ torch.from_numpy(vector)), abs=1e-4)
    if "path" in answers[0]:
        assert answers[0]["path"] == (recording["path"] if isinstance(recording, dict) else os.fspath(recording))
    sentence = SentenceKobza(embed.model, tiny_processor)
    with torch.no_grad():
        found = sentence(sentence.preprocess([recording]))["sentence_embedding"]
    assert np.abs(found[0].numpy() - vector).max() < 1e-4


def test_a_batch_may_mix_forms_and_lengths(path, stereo, tiny_processor):
    half = stereo[:, : 15 * RATE]
    inputs = tiny_processor(audio=[str(path), half, {"array": half, "sampling_rate": RATE}], sampling_rate=RATE)
    assert inputs["window_counts"].tolist() == [3, 2, 2]
    assert torch.equal(inputs["input_values"][3:5], inputs["input_values"][5:])


def map_dataset(dataset, function):
    """Without a file in a cache."""
    return dataset.map(function, batched=True, batch_size=2, keep_in_memory=True, remove_columns=["audio"])


@pytest.mark.parametrize("decoded", [True, False])
def test_a_data_set_is_mapped_in_batches(path, stereo, tiny_processor, tmp_path, decoded):
    """Recordings of 30, 30 and 12 s, so of unlike numbers of windows."""
    datasets = pytest.importorskip("datasets")
    short = tmp_path / "short.wav"
    soundfile.write(short, stereo[:, : 12 * RATE].T, RATE, subtype="PCM_16")
    files = [str(path), str(path), str(short)]
    dataset = datasets.Dataset.from_dict({"audio": files})
    if not decoded:
        dataset = dataset.cast_column("audio", datasets.Audio(decode=False))
        assert dataset[0]["audio"]["path"] == str(path)

    def features(batch):
        return tiny_processor(audio=batch["audio"], return_tensors=None)

    mapped = map_dataset(dataset, features).with_format("torch")
    assert mapped["window_counts"][:].tolist() == [3, 3, 2]
    expected = tiny_processor(audio=files)
    rows = torch.cat([mapped[index]["input_values"] for index in range(3)])
    assert torch.equal(rows, expected["input_values"]) and torch.equal(
        mapped["window_counts"][:], expected["window_counts"]
    )


@pytest.mark.parametrize(
    ("recording", "rate", "sentence"),
    [
        ({"array": np.zeros(16000)}, None, "has no 'sampling_rate': a dict needs 'array' and 'sampling_rate'"),
        ({"array": np.zeros(16000), "sampling_rate": 44100}, 16000, "comes with 44100 Hz, but sampling_rate is 16000"),
        (AudioDecoder(np.zeros((1, 16000), np.float32), 48000), 16000, "comes with 48000 Hz"),
        ({"sampling_rate": 16000}, None, "has the keys .* but needs 'array' and 'sampling_rate', or one of"),
        ({"path": None, "bytes": None}, None, "has the keys"),
        ("/nowhere/song.mp3", None, "/nowhere/song.mp3 cannot be opened"),
        (b"", None, "empty"),
        (b"no music", None, "cannot be read as a recording"),
    ],
)
def test_what_cannot_be_read_gives_a_sentence(tiny_processor, recording, rate, sentence):
    for given in (recording, [recording]):
        with pytest.raises(ValueError, match=sentence) as caught:
            tiny_processor(audio=given, sampling_rate=rate)
        assert "\n" not in str(caught.value)


def test_an_array_in_a_dict_may_take_the_rate_of_the_call(tiny_processor):
    given = {"array": np.zeros(8000, np.float32)}
    assert tiny_processor(audio=[given], sampling_rate=8000)["window_counts"].tolist() == [1]


@pytest.fixture
def by_soundfile(monkeypatch):
    """As where kobza is not installed."""
    monkeypatch.setattr(audio_inputs_kobza, "DECODERS", audio_inputs_kobza.DECODERS[1:])


def test_without_kobza_soundfile_decodes(path, stereo, by_soundfile):
    expected = next(read_samples(stereo, 16000, RATE))
    for source in (path, path.read_bytes()):
        samples = torch.cat(list(decode(source, 16000)))
        assert samples.shape == expected.shape and (samples - expected).abs().max() < 1e-5


@pytest.mark.parametrize("source", ["/nowhere/song.mp3", b"no music", b""])
def test_what_soundfile_cannot_read_gives_a_sentence(source, by_soundfile):
    with pytest.raises(ValueError, match=r"(song\.mp3|given as bytes) cannot be read: "):
        list(decode(source, 16000))


@pytest.mark.parametrize("seconds", [0.5, 1.5, 3, 4.2, 9.9])
def test_soundfiles_blocks_join_without_a_seam(tmp_path, monkeypatch, by_soundfile, seconds):
    monkeypatch.setattr(audio_inputs_kobza, "BLOCK_SECONDS", 3)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (round(seconds * 44100), 2)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", noise, 44100, subtype="FLOAT")
    parts = list(decode(tmp_path / "a.wav", 16000))
    whole = next(read_samples(noise.T, 16000, 44100))
    assert max(map(len, parts)) <= 3 * 16000
    assert torch.cat(parts).shape == whole.shape and (torch.cat(parts) - whole).abs().max() < 1e-5


def test_without_any_decoder_a_sentence_says_so(path, monkeypatch):
    monkeypatch.setattr(audio_inputs_kobza, "DECODERS", (("no_such_module", None),))
    with pytest.raises(ValueError, match="no decoder is installed: run `pip install kobza`"):
        next(decode(path, 16000))
