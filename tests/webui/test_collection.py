from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from recordings import ToneEmbedder, tone, write

from kobza import MusicLibrary
from kobza.library import LibraryError
from kobza.synth.album import album, write_album
from kobza.webui import collection as module
from kobza.webui.clips import embed_clip
from kobza.webui.collection import Collection, open_collection
from kobza.webui.errors import PageError


class NamedEmbedder(ToneEmbedder):
    """Hears 440 Hz in a sentence without a number."""

    def __init__(self, fingerprint="named-embedder"):  # of its own, as its calibration is kept for
        super().__init__(fingerprint=fingerprint)

    def embed_text(self, texts):
        return super().embed_text([text if text.split()[-1].isdecimal() else "tone 440" for text in texts])


@pytest.fixture
def library(tmp_path):
    for i, hertz in enumerate((200, 440, 1000, 3000)):
        write(tmp_path / "music" / f"{hertz}.flac", tone(hertz, 12 + i), title=f"Tone {hertz}", genre="Test")
    with MusicLibrary.open(tmp_path / "library", NamedEmbedder()) as library:
        library.add(tmp_path / "music")
        yield library


def test_answers(library, tmp_path):
    shown = Collection(library)
    assert shown.search("tone 1000").hits[0].track.title == "Tone 1000"
    clip = embed_clip(write(tmp_path / "clip.mp3", tone(3000, 5)), library.embedder)
    assert shown.like(clip)[0].track.title == "Tone 3000"
    labels = shown.tag(clip, "tone 440, tone 3000\n tone  3000 ,, ")
    assert [label for label, _ in labels] == ["tone 3000", "tone 440"] and labels[0][1] > 0.9
    link = shown.link(shown.search("tone 200").hits[0].track)
    hits = shown.like(shown.tracks(link))
    assert len(hits) == 3 and "Tone 200" not in [hit.track.title for hit in hits]
    assert [hit.track.title for hit in shown.like(shown.tracks(link), 1)] == [hits[0].track.title]


@pytest.mark.parametrize(
    "labels, sentence", [(" , \n", "Name a few labels"), (",".join(map(str, range(50))), "50 labels; name 40")]
)
def test_bad_labels(library, tmp_path, labels, sentence):
    clip = embed_clip(write(tmp_path / "clip.mp3", tone(3000, 5)), library.embedder)
    with pytest.raises(PageError, match=sentence):
        Collection(library).tag(clip, labels)


def test_only_tracks_of_the_library_that_are_there_have_files(library, tmp_path):
    shown = Collection(library)
    track = shown.search("tone 440").hits[0].track
    link = shown.link(track)
    assert Collection(library).file(link) == shown.file(link) == Path(track.path)
    for never in ("", "x", track.path, "../music/440.flac", "%2e%2e/music/440.flac", "\0"):
        assert shown.file(never) is None
    moved = Path(track.path).rename(tmp_path / "music" / "gone.flac")
    assert shown.file(link) is None
    moved.rename(track.path)
    library.remove(track.path)
    assert shown.file(link) is None
    with pytest.raises(PageError, match="no longer in the library"):
        shown.like(shown.tracks(link))


def test_what_others_index_is_there_without_a_restart(library, tmp_path):
    with MusicLibrary.open(library.address, NamedEmbedder(), read_only=True) as other:
        shown = Collection(other)
        before = shown.version
        assert shown.totals.tracks == 4 and shown.version == before
        library.add(write(tmp_path / "new" / "new.flac", tone(600, 3), title="New"))
        assert shown.totals.tracks == 5 and shown.version != before
        hit = next(hit for hit in shown.search("tone 600").hits if hit.track.title == "New")
        assert shown.file(shown.link(hit.track)) is not None


def test_many_visitors_at_once_get_the_answers_of_one(library, tmp_path):
    shown = Collection(library)
    clip = embed_clip(write(tmp_path / "clip.mp3", tone(200, 5)), library.embedder)
    asks = [lambda: shown.search("tone 1000"), lambda: shown.like(clip), lambda: shown.fields(), lambda: shown.totals]
    alone = [ask() for ask in asks]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda i: asks[i % 4](), range(200)))
    assert all(answer == alone[i % 4] for i, answer in enumerate(together))


def test_a_library_of_another_model_is_refused_before_anyone_comes(library):
    with (
        MusicLibrary.open(library.address, NamedEmbedder(fingerprint="another"), read_only=True) as other,
        pytest.raises(LibraryError, match="was made with"),
    ):
        Collection(other)


def test_which_library_opens(tmp_path, tiny_checkpoint, monkeypatch):
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("KOBZA_LIBRARY", raising=False)
    monkeypatch.setattr("kobza.library.demo.write_album", lambda place: write_album(place, album()[:2]))
    made = open_collection(model=tiny_checkpoint)
    assert made.is_demo and made.totals.tracks == 2
    made.library.close()

    write(tmp_path / "music" / "own.flac", tone(300, 3))
    with MusicLibrary.open(None, tiny_checkpoint) as own:
        empty = open_collection(model=tiny_checkpoint)
        assert empty.is_demo
        demo = empty.library
        own.add(tmp_path / "music")
    monkeypatch.setattr(module, "FOLLOW_SECONDS", 0.0)
    empty.follow()
    assert not empty.is_demo and empty.totals.tracks == 1 and empty.fields() == ["length"]
    assert empty.embedder.fingerprint == empty.library.embedder.fingerprint and len(demo) == 2
    empty.library.close()
    demo.close()
    opened = open_collection(model=tiny_checkpoint)
    assert not opened.is_demo and opened.totals.tracks == 1
    opened.library.close()

    monkeypatch.setenv("KOBZA_LIBRARY", str(tmp_path / "nowhere"))
    with pytest.raises(LibraryError, match="There is no library at"):
        open_collection(model=tiny_checkpoint)


def test_an_empty_library_opens(tmp_path, tiny_checkpoint):
    with MusicLibrary.open(tmp_path / "empty", tiny_checkpoint) as library:
        shown = Collection(library)
        assert shown.search("anything").hits == []
        assert np.isclose(np.linalg.norm(shown.embedder.embed_text(["x"])), 1)


def test_any_embedder_serves_the_page(tmp_path):
    """Search, a clip and zero-shot labels with a tiny ClapModel of random weights, at 48 kHz."""
    from tiny_clap import make_clap_folder

    from kobza.embedding.loader import load_embedder

    for seconds, hertz in ((12, 200), (14, 440), (16, 1000)):  # of one length they would be copies to random weights
        write(tmp_path / "music" / f"{hertz}.flac", tone(hertz, seconds, 48_000), 48_000, title=f"Tone {hertz}")
    folder = make_clap_folder(tmp_path / "clap")
    with MusicLibrary.open(tmp_path / "library", load_embedder(folder, "cpu")) as library:
        library.add(tmp_path / "music")
    shown = open_collection(str(tmp_path / "library"), str(folder))
    assert len(shown.search("a flute").hits) == 3
    clip = shown.embed_clip(str(tmp_path / "music" / "440.flac"))
    assert clip.vector.shape == (24,)
    best = shown.like(clip)[0]
    assert best.track.title == "Tone 440" and best.score > 0.99
    expected = shown.embedder.embed_text(["piano", "drums"]) @ clip.vector
    assert dict(shown.tag(clip, "piano, drums")) == pytest.approx(dict(zip(["piano", "drums"], expected, strict=True)))
    shown.library.close()
