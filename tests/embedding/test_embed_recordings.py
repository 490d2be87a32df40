"""`embed_recordings`: batches that span recordings, and recordings that cannot be used."""

import threading

import numpy as np
import pytest
from recordings import ToneEmbedder, tone, write

from kobza.audio import AudioError
from kobza.embedding.checkpoint import Checkpoint
from kobza.embedding.embedder import embed_recording, embed_recordings
from kobza.synth.album import album, write_album


def test_recording_has_the_same_vector_as_in_a_library(tiny_checkpoint, tmp_path):
    from kobza import MusicLibrary

    write_album(tmp_path / "album", album()[:3])
    checkpoint = Checkpoint.load(str(tiny_checkpoint))
    with MusicLibrary.open(tmp_path / "library", checkpoint) as library:
        library.add([tmp_path / "album"])
        track = next((tmp_path / "album").glob("*.flac"))
        text = checkpoint.embed_text(["slow piano"])[0]
        hits = {track.path: score for score, track, _ in library.store.search(text, 3)}
    vector = embed_recordings(checkpoint, [track])[0][0]
    assert text @ vector == pytest.approx(hits[str(track)], abs=2e-3)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


class CountingEmbedder(ToneEmbedder):
    most = 0

    def embed_windows(self, samples):
        self.most = max(self.most, len(samples))
        return super().embed_windows(samples)


def test_unusable_recordings_are_named_and_do_not_change_the_others(tmp_path):
    long = np.concatenate([tone(300, 200), tone(700, 25)])  # 23 windows: more than a batch
    write(tmp_path / "cut.flac", tone(500, 60))
    cut = (tmp_path / "cut.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(cut[: len(cut) // 3])
    (tmp_path / "text.mp3").write_text("no music")
    write(tmp_path / "long.wav", long)
    write(tmp_path / "blip.wav", tone(400, 0.02))  # under a frame of 25 ms
    write(tmp_path / "low.wav", tone(200, 3))
    paths = [tmp_path / name for name in ("cut.flac", "long.wav", "text.mp3", "blip.wav", "low.wav", "gone.wav")]
    embedder, seen = CountingEmbedder(), []
    vectors, reasons = embed_recordings(embedder, paths, lambda done, total, path: seen.append((done, total, path)))
    assert list(reasons) == [0, 2, 3, 5] and "cut off" in reasons[0] and "25 ms" in reasons[3]
    assert all(str(paths[i]) in reason for i, reason in reasons.items())
    assert embedder.most == 16 and seen == [(i + 1, 6, path) for i, path in enumerate(paths)]
    alone = [embed_recordings(ToneEmbedder(), [paths[i]])[0][0] for i in (1, 4)]
    assert np.allclose(vectors[[1, 4]], alone, atol=1e-6) and not vectors[list(reasons)].any()
    by_hand = ToneEmbedder().embed_windows([*np.split(long[: 220 * 16000], 22), long[220 * 16000 :]]).mean(axis=0)
    assert alone[0] @ by_hand / np.linalg.norm(by_hand) == pytest.approx(1, abs=1e-4)
    assert "cannot be opened" in reasons[5]


def test_nan_vector_is_a_reason(tmp_path):
    class NanEmbedder(ToneEmbedder):
        def embed_windows(self, samples):
            return np.full((len(samples), self.dim), np.nan, np.float32)

    vectors, reasons = embed_recordings(NanEmbedder(), [write(tmp_path / "a.wav", tone(300, 1))])
    assert "has no vector" in reasons[0] and not vectors.any()


def test_a_recording_is_decoded_while_its_first_window_is_embedded(tmp_path):
    """A model that waits for what follows its first window; then it gets all at once, in order, at most a batch."""
    samples = np.concatenate([tone(200 + 50 * i, 10) for i in range(19)])
    path, decoded, sizes = write(tmp_path / "a.wav", samples), threading.Event(), []

    class Waiting(ToneEmbedder):
        def embed_windows(self, windows):
            sizes.append(len(windows))
            assert decoded.wait(60)
            return super().embed_windows(windows)

    windows = list(embed_recording(Waiting(), path, on_progress=lambda seconds: seconds > 165 and decoded.set()))
    assert sizes[0] == 1 and max(sizes) == 16 and sum(sizes) == 19
    assert [window.start for window in windows] == [10.0 * i for i in range(19)]
    vectors = np.stack([window.vector for window in windows])
    assert ((vectors * ToneEmbedder().embed_windows(np.split(samples, 19))).sum(axis=1) > 0.999).all()


def test_of_a_recording_that_ends_in_an_error_the_first_windows_come_first(tmp_path):
    path = write(tmp_path / "cut.flac", tone(500, 100))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    windows = embed_recording(ToneEmbedder(), path)
    assert next(windows).start == 0.0
    with pytest.raises(AudioError, match="cut off"):
        list(windows)
