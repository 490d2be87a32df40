"""Silent windows are left out of a recording's vector, and what is cut off makes no difference, in every way to it."""

import numpy as np
import pytest
import torch
from recordings import write

from kobza import Checkpoint, KobzaFeatureExtractor
from kobza.embedding.embedder import AudioError, embed_recording, embed_recordings, normalized_mean
from kobza.model.pipeline_kobza import embed_audio, stream_windows
from kobza.model.silence_kobza import windows_with_sound

RATE = 16000
EXTRACTOR = KobzaFeatureExtractor()


def noise(seconds: float, dbfs: float) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 10 ** (dbfs / 20), round(seconds * RATE)).astype(np.float32)


def song(seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    notes = 200 + 100 * np.floor(2 * time) % 700
    return (0.3 * np.sin(2 * np.pi * notes * time) + noise(seconds, -40)).astype(np.float32)


SILENCES = {
    "digital": lambda seconds: np.zeros(round(seconds * RATE), np.float32),
    "a constant": lambda seconds: np.full(round(seconds * RATE), 0.05, np.float32),
    "dither of 16 bits": lambda seconds: noise(seconds, -96),
    "hiss of -80 dB": lambda seconds: noise(seconds, -80),
    "hiss of -65 dB": lambda seconds: noise(seconds, -65),
}


@pytest.mark.parametrize("kind", SILENCES)
@pytest.mark.parametrize("seconds", [20.0, 27.3, 20.4])
def test_long_silence_after_a_song_changes_nothing(kind, seconds):
    """Also where the song ends within a window, and where its rest is too short for one."""
    alone = EXTRACTOR.split(song(seconds))
    longer = EXTRACTOR.split(np.concatenate([song(seconds), SILENCES[kind](300.0)]))
    assert [len(window) for window in longer] == pytest.approx([len(window) for window in alone], abs=0.1 * RATE)
    assert all(np.array_equal(one[: len(other)], other[: len(one)]) for one, other in zip(alone, longer, strict=True))


def test_a_hidden_song_is_heard_after_the_silence():
    gap = np.zeros(120 * RATE, np.float32)
    windows = EXTRACTOR.split(np.concatenate([song(10), gap, song(20)]))
    assert [len(window) for window in windows] == 3 * [10 * RATE]


def test_quiet_music_is_no_silence():
    """A quiet passage, a fade-out down to -60 dBFS, a whole recording that is 40 dB too quiet, one short sound."""
    fade = song(30) * np.geomspace(1, 0.004, 30 * RATE).astype(np.float32)
    for samples in (np.concatenate([song(10), 0.006 * song(10), song(10)]), fade, 0.01 * 0.1 * song(30)):
        assert len(EXTRACTOR.split(samples)) == 3
    shot = np.concatenate([song(0.3), np.zeros(9 * RATE, np.float32)])
    assert [len(window) for window in EXTRACTOR.split(shot)] == pytest.approx([0.3 * RATE], abs=0.1 * RATE)


def test_the_beginning_has_the_same_windows_as_the_whole():
    """A part of a stream is not decided by what comes after it."""
    whole = [song(10), noise(10, -70), 10 * song(10), noise(10, -65), song(10)]
    marks = [window is not None for window in windows_with_sound(whole, RATE, RATE)]
    assert marks == [True, False, True, False, True]
    for end in range(1, 5):
        assert [window is not None for window in windows_with_sound(whole[:end], RATE, RATE)] == marks[:end]


@pytest.mark.parametrize("chunk", [7_001, 160_000, 10**7])
def test_a_stream_has_the_windows_of_the_whole(chunk, monkeypatch):
    from kobza.model import pipeline_kobza

    for samples in (
        np.concatenate([song(12.5), np.zeros(31 * RATE, np.float32), song(7.7)]),
        np.zeros(25 * RATE, np.float32),
        song(0.2),
    ):
        pieces = torch.from_numpy(samples).split(chunk)
        monkeypatch.setattr(pipeline_kobza, "read_samples", lambda *_, pieces=pieces: iter(pieces))
        streamed = list(stream_windows(samples, EXTRACTOR))
        assert all(map(np.array_equal, streamed, EXTRACTOR.split(samples)))
        assert len(streamed) == len(EXTRACTOR.split(samples))


def test_every_way_to_a_vector_leaves_silence_out(tiny_checkpoint, tmp_path):
    checkpoint = Checkpoint.load(tiny_checkpoint, "cpu")
    extractor = checkpoint.processor.feature_extractor
    music = song(24.6)
    longer = np.concatenate([music, np.zeros(200 * RATE, np.float32)])
    paths = [write(tmp_path / name, samples) for name, samples in (("a.flac", music), ("b.flac", longer))]
    expected = embed_recordings(checkpoint, paths[:1])[0][0]
    with torch.inference_mode():
        ways = {
            "recordings": embed_recordings(checkpoint, paths[1:])[0][0],
            "windows": normalized_mean(np.stack([one.vector for one in embed_recording(checkpoint, paths[1])])),
            "stream": embed_audio(checkpoint.model, extractor, [str(paths[1])])[0].numpy(),
            "array": checkpoint.model.get_audio_features(**extractor(longer, RATE)).pooler_output[0].numpy(),
        }
    for name, vector in ways.items():
        assert float(vector @ expected) > 0.9999, name
    assert [one.start for one in embed_recording(checkpoint, paths[1], 25.0, 100.0)] == []


def test_a_silent_recording_is_refused_by_kobza_and_has_one_window_in_transformers(tiny_checkpoint, tmp_path):
    checkpoint = Checkpoint.load(tiny_checkpoint, "cpu")
    silent = write(tmp_path / "silent.flac", noise(25, -90))
    loud = write(tmp_path / "loud.flac", song(12))
    said = r"silent\.flac is silent: nothing in it is above -78 dBFS; replace it or leave it out\."
    with pytest.raises(AudioError, match=said):
        list(embed_recording(checkpoint, silent))
    vectors, reasons = embed_recordings(checkpoint, [silent, loud])
    assert list(reasons) == [0] and "silent.flac is silent" in reasons[0]
    assert not vectors[0].any() and np.linalg.norm(vectors[1]) == pytest.approx(1.0, abs=1e-5)
    assert checkpoint.processor(audio=[np.zeros(25 * RATE)], sampling_rate=RATE)["window_counts"].tolist() == [1]
