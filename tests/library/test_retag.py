"""Tags that change without the sound: they are read again, and nothing is embedded anew."""

import os

import mutagen
import pytest
from mutagen.id3 import ID3, TIT2
from recordings import FORMATS, counts, tone, write

from kobza.audio_digest import audio_digest


def retag(path, title: str) -> None:
    """A title that changes the file's size."""
    file = mutagen.File(path)
    if isinstance(file.tags, ID3) or path.suffix in (".mp3", ".wav", ".aiff"):
        if file.tags is None:
            file.add_tags()
        file.tags.add(TIT2(encoding=3, text=title))
    else:
        file["Title" if path.suffix == ".wma" else "©nam" if path.suffix == ".m4a" else "title"] = title
    file.save()


@pytest.mark.parametrize("kind", FORMATS)
def test_the_digest_is_of_the_sound(tmp_path, kind):
    one, other = tmp_path / f"one.{kind}", tmp_path / f"other.{kind}"
    for path, hertz in ((one, 300), (other, 310)):
        write(path, tone(hertz, 2), title="T")
    before = audio_digest(str(one))
    assert len(before) == 16 and before != audio_digest(str(other))
    retag(one, "Another title, " * 3000)
    assert audio_digest(str(one)) == before
    other.write_bytes(b"")
    assert audio_digest(str(other)) == b""


def test_a_changed_tag_embeds_nothing(library, music):
    library.add(music)
    heard = library.embedder.windows_embedded
    before = {track.path: (track, starts, vectors.tobytes()) for track, _, starts, vectors in library.store.scan()}
    for path in (
        music / "200.flac",
        music / "jazz" / "400.mp3",
        music / "jazz" / "600.ogg",
        music / "old" / "1200.m4a",
    ):
        retag(path, "New " * 2000)
    report = library.sync()
    assert counts(report) == (0, 0, 3, 0, 0, 0) and report.retagged == 4 and "4 retagged" in str(report)
    assert library.embedder.windows_embedded == heard
    for track, _, starts, vectors in library.store.scan():
        old, old_starts, old_vectors = before[track.path]
        assert (starts, vectors.tobytes(), track.added) == (old_starts, old_vectors, old.added)
    assert len(library.tracks("title ~ new")) == 4
    assert counts(library.sync()) == (0, 0, 7, 0, 0, 0)  # the new state of the files is known


def test_size_and_time_of_change_kept(library, music):
    library.add(music)
    heard = library.embedder.windows_embedded
    for path in (music / "200.flac", music / "1000.wav"):
        retag(path, "Tone 2")
        library.sync()
        before = path.stat()
        retag(path, "Tune 1")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size == before.st_size
    assert counts(library.sync()) == (0, 0, 7, 0, 0, 0) and not library.tracks("title = 'tune 1'")
    report = library.sync(retag=True)
    assert (report.retagged, report.unchanged) == (2, 5) and len(library.tracks("title = 'tune 1'")) == 2
    assert library.sync(retag=True).retagged == 0
    (music / "200.flac").rename(music / "moved.flac")
    assert counts(library.sync()) == (0, 0, 6, 1, 0, 0)  # by the content that it has now
    assert library.embedder.windows_embedded == heard


def test_another_sound_of_the_same_size_and_time_is_embedded(library, music):
    library.add(music)
    path = music / "1000.wav"
    before = path.stat()
    write(path, tone(3000, 7), title="Tone 3000", artist="Tuning Fork")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    report = library.sync(retag=True)
    assert (report.changed, report.retagged, report.unchanged) == (1, 0, 6)
    assert library.search("tone 3000")[0].track.title == "Tone 3000"


def test_renamed_and_retagged_at_once(library, music):
    library.add(music)
    heard, added = library.embedder.windows_embedded, {track.added for track in library.tracks()}
    retag(music / "200.flac", "Renamed by a tagger")
    (music / "200.flac").rename(music / "01 Renamed by a tagger.flac")
    assert counts(library.sync()) == (0, 0, 6, 1, 0, 0)
    (track,) = library.tracks("title = 'renamed by a tagger'")
    assert track.path == str(music / "01 Renamed by a tagger.flac") and track.added in added
    assert library.embedder.windows_embedded == heard and len(library) == 7


def test_what_an_analysis_found_stays(library, music):
    library.add(music)
    (stored,) = library.store.scan(str(music / "200.flac"))
    track, *rest = stored
    analysed = type(track)(**vars(track) | {"bpm": 99.0, "key": "A minor", "loudness": -14.0, "energy": 0.5})
    library.store.upsert(analysed, *rest)
    retag(music / "200.flac", "Another " * 2000)
    assert library.sync().retagged == 1
    (track,) = library.tracks("title ~ another")
    assert (track.bpm, track.key, track.loudness, track.energy) == (99.0, "A minor", -14.0, 0.5)


def test_a_told_encoding_is_kept(library, music):
    path = music / "jazz" / "400.mp3"
    tags = ID3()
    tags.add(TIT2(encoding=0, text="Ты".encode("cp1251").decode("latin-1")))
    tags.save(path, v2_version=3)
    library.add(music)
    assert library.tracks("title = Òû")
    assert library.sync(retag=True, tag_encoding="cp1251").retagged == 1 and library.tracks("title = Ты")
    assert library.sync(retag=True).retagged == 0
    assert library.sync(retag=True, tag_encoding="auto").retagged == 1 and library.tracks("title = Òû")
