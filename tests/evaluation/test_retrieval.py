import numpy as np
import pytest
from recordings import ToneEar, tone, write

from kobza.audio import AudioError
from kobza.embedding.checkpoint import Checkpoint
from kobza.evaluation import retrieval
from kobza.synth.album import album, write_album


def test_a_recording_is_embedded_as_the_library_does_it(tiny_checkpoint, tmp_path):
    from kobza import MusicLibrary

    write_album(tmp_path / "album", album()[:3])
    checkpoint = Checkpoint.load(str(tiny_checkpoint))
    with MusicLibrary.open(tmp_path / "library", checkpoint) as library:
        library.add([tmp_path / "album"])
        track = next((tmp_path / "album").glob("*.flac"))
        hits = {str(hit.track.path): hit.score for hit in library.search("slow piano", 3)}
    text = checkpoint.embed_text(["slow piano"])[0]
    vector = retrieval.embed_recording(checkpoint, track)
    assert text @ vector == pytest.approx(hits[str(track)], abs=2e-3)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


class CountingEar(ToneEar):
    most = 0

    def embed_windows(self, samples):
        self.most = max(self.most, len(samples))
        return super().embed_windows(samples)


def test_bad_recordings_are_named_and_leave_the_others_as_they_are(tmp_path):
    long = np.concatenate([tone(300, 200), tone(700, 25)])  # 23 windows: more than a batch
    write(tmp_path / "cut.flac", tone(500, 60))
    cut = (tmp_path / "cut.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(cut[: len(cut) // 3])
    (tmp_path / "text.mp3").write_text("no music")
    write(tmp_path / "long.wav", long)
    write(tmp_path / "blip.wav", tone(400, 0.02))  # under a frame of 25 ms
    write(tmp_path / "low.wav", tone(200, 3))
    paths = [tmp_path / name for name in ("cut.flac", "long.wav", "text.mp3", "blip.wav", "low.wav", "gone.wav")]
    ear, seen = CountingEar(), []
    vectors, reasons = retrieval.embed_recordings(
        ear, paths, lambda done, total, path: seen.append((done, total, path))
    )
    assert list(reasons) == [0, 2, 3, 5] and "cut off" in reasons[0] and "25 ms" in reasons[3]
    assert all(str(paths[i]) in reason for i, reason in reasons.items())
    assert ear.most == 16 and seen == [(i + 1, 6, path) for i, path in enumerate(paths)]
    alone = [retrieval.embed_recording(ToneEar(), paths[i]) for i in (1, 4)]
    assert np.allclose(vectors[[1, 4]], alone, atol=1e-6) and not vectors[list(reasons)].any()
    by_hand = ToneEar().embed_windows([*np.split(long[: 220 * 16000], 22), long[220 * 16000 :]]).mean(axis=0)
    assert alone[0] @ by_hand / np.linalg.norm(by_hand) == pytest.approx(1, abs=1e-4)
    with pytest.raises(AudioError, match="cannot be opened"):
        retrieval.embed_recording(ear, paths[-1])


def test_a_vector_that_is_no_number_is_a_reason(tmp_path):
    class Deaf(ToneEar):
        def embed_windows(self, samples):
            return np.full((len(samples), self.dim), np.nan, np.float32)

    vectors, reasons = retrieval.embed_recordings(Deaf(), [write(tmp_path / "a.wav", tone(300, 1))])
    assert "has no vector" in reasons[0] and not vectors.any()


def by_metric(figures, direction, gallery):
    return {f["metric"]: f["value"] for f in figures if (f["direction"], f["gallery"]) == (direction, gallery)}


def random_vectors(n, seed):
    vectors = np.random.default_rng(seed).standard_normal((n, 16)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_galleries_smaller_than_the_set_are_reported_too():
    audio = random_vectors(130, 0)
    text = audio + 1.5 * random_vectors(130, 1)
    figures, ranks = retrieval.retrieval_figures(text, audio, np.arange(130))
    assert list(dict.fromkeys(f["gallery"] for f in figures)) == [62, 100, 130]
    for direction in retrieval.DIRECTIONS:
        recall = [by_metric(figures, direction, gallery)["R@1"] for gallery in (62, 100, 130)]
        assert recall[0] > recall[1] > recall[2] == np.mean(np.array(ranks[direction]) == 0)
    assert retrieval.retrieval_figures(text, audio, np.arange(130)) == (figures, ranks)


def test_chance_depends_on_the_gallery_alone():
    figures, _ = retrieval.retrieval_figures(random_vectors(200, 0), random_vectors(200, 1), np.arange(200))
    for gallery in (62, 100, 200):
        assert by_metric(figures, "text -> music", gallery)["R@10"] == pytest.approx(10 / gallery, abs=0.05)
    assert all(f["low"] <= f["value"] <= f["high"] for f in figures)


def test_a_recording_with_several_captions():
    audio = np.eye(3, dtype=np.float32)
    text = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    owner = np.array([0, 0, 1, 2])  # the second caption of the first recording is nearer to the second recording
    figures, ranks = retrieval.retrieval_figures(text, audio, owner)
    assert ranks == {"text -> music": [0, 1, 0, 0], "music -> text": [0, 0, 0]}
    assert by_metric(figures, "text -> music", 3)["R@1"] == 0.75
    assert by_metric(figures, "music -> text", 4)["R@1"] == 1.0


def test_small_galleries_take_one_caption_of_each_recording():
    audio = random_vectors(70, 0)
    owner = np.random.default_rng(1).permutation(np.repeat(np.arange(70), 3))
    found = retrieval.small_galleries(audio[owner], audio, owner, 62)
    assert len(found["text -> music"]) == 20
    for chosen, ranks in found["text -> music"]:
        assert len(set(chosen)) == 62 and not ranks.any()  # a caption as its recording: always first


def test_both_directions_are_searched_in_small_galleries():
    text, audio, owner = random_vectors(80, 0), random_vectors(80, 1), np.arange(80)
    one, other = retrieval.small_galleries(text, audio, owner, 62), retrieval.small_galleries(audio, text, owner, 62)
    for (chosen, ranks), (again, turned) in zip(one["music -> text"], other["text -> music"], strict=True):
        assert (chosen == again).all() and (ranks == turned).all()
    assert not (one["music -> text"][0][1] == one["text -> music"][0][1]).all()
