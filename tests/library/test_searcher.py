"""Searches of a library of tones, whose right answers are known."""

from pathlib import Path

import numpy as np
import pytest
from recordings import ToneEmbedder, memory_taken, tone, write

from kobza import MusicLibrary
from kobza.embedding.embedder import embed_recording
from kobza.library import LibraryError, Track
from kobza.library.filters.parser import FilterError
from kobza.library.filters.tree import Compare


def chord(*pitches: float, seconds: float = 4) -> np.ndarray:
    return sum(tone(hertz, seconds, level=0.5 / len(pitches)) for hertz in pitches)


def names(hits) -> list[str]:
    return [Path(hit.track.path).stem for hit in hits]


@pytest.fixture
def chords(library, tmp_path):
    """A library of single tones and chords of two, named by them."""
    for pitches in ((300,), (1200,), (5000,), (300, 1200), (300, 5000), (1200, 5000)):
        name = "-".join(map(str, pitches))
        write(
            tmp_path / "m" / f"{name}.flac", chord(*pitches), genre="one" if len(pitches) == 1 else "two", date="1990"
        )
    library.add(tmp_path / "m")
    return library


@pytest.fixture
def mix(tmp_path):
    """65 s: low, then high from 0:20 to 0:40, then low again."""
    return write(tmp_path / "mix.flac", np.concatenate([tone(300, 20), tone(3000, 20), tone(300, 25)]))


def test_negative_terms(chords):
    plain = names(chords.search("tone 300", k=3, match="sound"))
    assert set(plain) == {"300", "300-1200", "300-5000"}
    for unwanted, left in (("1200", "300-5000"), ("5000", "300-1200")):
        best = names(chords.search(f'tone 300 -"tone {unwanted}"', k=2, match="sound"))
        assert set(best) == {"300", left}
    assert names(chords.search('"tone 300"^1 "tone 1200"^1', k=1, match="sound")) == ["300-1200"]
    assert names(chords.search('"tone 300"^1 "tone 1200"^100', k=1, match="sound")) == ["1200"]


def test_similar_with_changes(chords, tmp_path):
    track = tmp_path / "m" / "300.flac"
    assert names(chords.similar(track, k=1, but="tone 1200")) == ["300-1200"]
    assert names(chords.similar(track, k=1, but="tone 5000")) == ["300-5000"]
    assert names(chords.similar(tmp_path / "m" / "300-1200.flac", k=1, but="-(tone 1200)")) == ["300"]
    assert all(hit.z_score is None and hit.match is None for hit in chords.similar(track))


def test_several_seeds_and_one_to_avoid(chords):
    assert names(chords.similar(["300.flac", "1200.flac"], k=1)) == ["300-1200"]
    assert names(chords.similar(["300.flac", "5000.flac"], k=1)) == ["300-5000"]
    for wanted, unwanted in (("300", "1200"), ("1200", "300")):
        found = names(chords.similar("m/300-1200.flac", k=5, minus=f"m/{unwanted}.flac"))
        assert found[0] == wanted and unwanted not in found  # neither is a seed among its own results


def test_filters(chords, tmp_path):
    assert set(names(chords.search("tone 300", where="genre = one"))) == {"300", "1200", "5000"}
    assert names(chords.search("tone 300", where=Compare("year", "gt", 1990))) == []
    found = chords.similar(tmp_path / "m" / "300.flac", where="genre = two and year >= 1990")
    assert set(names(found)) == {"300-1200", "300-5000", "1200-5000"}
    with pytest.raises(FilterError, match="a condition starts with"):
        chords.search("tone 300", where="colour = blue")


def test_z_scores_tell_present_tones_from_absent_ones(chords):
    there, absent = chords.search("tone 300", k=6), chords.search("tone 7500", k=6)
    assert there[0].match == "strong" and there[-1].match in ("weak", "none")
    assert max(hit.z_score for hit in absent) < there[0].z_score
    assert chords.search("tone 300 -(tone 1200)", k=1)[0].z_score == pytest.approx(there[0].z_score, rel=0.05)


def test_by_track_and_by_moment(library, mix, tmp_path):
    """By moment, a mix with a tone in a third of it ranks before a recording with the tone in a chord throughout."""
    write(tmp_path / "pair.flac", chord(3000, 300, seconds=10))
    library.add([mix, tmp_path / "pair.flac"])
    assert names(library.search("tone 3000")) == ["pair", "mix"]
    best, other = library.search("tone 3000", by="moment")
    assert names([best, other]) == ["mix", "pair"] and best.moment in (20, 30)
    assert best.z_score > library.search("tone 3000", where="path = " + str(mix))[0].z_score
    assert names(library.similar(tmp_path / "pair.flac", by="moment")) == ["mix"]
    with pytest.raises(LibraryError, match=r"by is 'album'.*track, moment"):
        library.search("tone 3000", by="album")


@pytest.mark.parametrize("stored", [True, False], ids=["in the library", "outside"])
def test_locate(library, embedder, mix, stored):
    if stored:
        library.add(mix)
    heard, seen = embedder.windows_embedded, []
    scores = library.locate(mix, "tone 3000", progress=seen.append)
    assert (embedder.windows_embedded == heard) is stored  # what the library holds is not embedded again
    assert [(m.start, m.end) for m in scores.moments] == [(10 * i, min(10 * i + 10, 65)) for i in range(7)]
    assert {moment.start for moment in scores.moments if moment.match == "strong"} == {20, 30}
    assert [moment.start for moment in scores.best(1)] in ([20], [30])
    assert scores.best(1)[0].score == scores.best(1)[0].z_score
    if stored:  # on the scale of the search
        assert library.search("tone 3000", by="moment", match="sound")[0].score == pytest.approx(
            scores.best(1)[0].score, abs=0.01
        )
    assert stored or (0 <= seen[0].fraction <= seen[-1].fraction <= 1 and seen[-1].fraction > 0.5)

    part = library.locate(mix, "tone 3000", start=42, end=60.5)
    assert [moment.start for moment in part.moments] == [40, 50, 60]
    assert max(moment.z_score for moment in part.moments) < scores.best(1)[0].z_score


def test_best_moments_are_local_maxima(library, tmp_path):
    parts = [tone(300, 10), tone(3000, 10), tone(300, 20), chord(3000, 300, seconds=10), tone(300, 10)]
    scores = library.locate(write(tmp_path / "a.flac", np.concatenate(parts)), "tone 3000")
    assert [moment.start for moment in scores.best(2)] == [10, 40]
    assert len(scores.best(100)) < len(scores.moments)


def test_locate_in_tracks_and_in_windows_is_locate(library, embedder, mix, tmp_path):
    other = write(tmp_path / "other.flac", tone(3000, 15))
    library.add([mix, other])
    tracks = [Track(str(mix)), Track("/gone.flac"), Track(str(other))]
    alone = [library.locate(path, "tone 3000 -tone 200") for path in (mix, other)]
    assert library.locate_in_tracks(tracks, "tone 3000 -tone 200") == alone
    assert library.locate_in_tracks([], "tone 3000") == []
    with pytest.raises(LibraryError, match="description is empty"):
        library.locate_in_tracks(tracks, " ")
    windows = list(embed_recording(embedder, mix))
    same = library.locate_in_windows(windows, "tone 3000 -tone 200").moments
    assert [moment.start for moment in same] == [moment.start for moment in alone[0].moments]
    assert [moment.score for moment in same] == pytest.approx([moment.score for moment in alone[0].moments], abs=1e-3)


def test_locate_holds_at_most_two_batches_of_audio(library, tmp_path, monkeypatch):
    path = write(tmp_path / "long.flac", tone(300, 900, level=0.1))
    sizes, real = [], library.embedder.embed_windows
    monkeypatch.setattr(library.embedder, "embed_windows", lambda w: sizes.append(len(w)) or real(w))
    library.locate(path, "tone 300")
    assert sum(sizes) == 90 and max(sizes) <= 16
    sizes.clear()
    library.locate(path, "tone 300", start=300, end=320)
    assert sum(sizes) == 2
    taken = memory_taken(lambda: library.locate(path, "tone 300"))
    whole = 900 * 16000 * 4 / 2**20
    assert taken < whole, f"{taken:.0f} MiB for a recording of {whole:.0f}"


def test_a_playlist_moves_gradually(library, tmp_path):
    """Between the lowest and the highest pitch, the others come in rising order."""
    rising = [300, 420, 600, 850, 1200, 1700]
    for hertz in rising:
        samples = sum(tone(f, 3, level=0.1) for f in np.geomspace(hertz, hertz * 3, 24))  # clusters, which overlap
        write(tmp_path / "m" / f"{hertz}.flac", samples, year=hertz)
    library.add(tmp_path / "m")
    first, last = tmp_path / "m" / "300.flac", tmp_path / "m" / "1700.flac"
    assert names(library.playlist(first, last, k=6)) == [str(hertz) for hertz in rising]
    assert names(library.playlist(last, first, k=6)) == [str(hertz) for hertz in reversed(rising)]
    assert names(library.playlist(first, last, k=2)) == ["300", "1700"]
    assert len(library.playlist(first, last, k=50)) == 6
    between = names(library.playlist(first, last, k=6, where="not path = " + str(tmp_path / "m" / "600.flac")))
    assert between == ["300", "420", "850", "1200", "1700"]
    hits = library.playlist(first, last, k=3)
    (_, _, _, one), (_, _, _, two) = (next(iter(library.store.scan(hit.track.path))) for hit in hits[:2])
    assert hits[1].score == pytest.approx(float(one[0] @ two[0]), abs=2e-3)


def test_a_playlist_that_is_smooth_in_tempo_and_key(library, tmp_path):
    """All sound alike; the tempo is to rise, twice a tempo counts as the same, and keys are to be neighbours."""
    tags = {
        "first": (100, "C"),
        "near": (206, "G"),  # 3 % faster, a fifth away
        "far in tempo": (140, "G"),
        "far in key": (103, "F#"),
        "unknown": (None, None),
        "last": (106, "D"),
    }
    for i, (name, (bpm, key)) in enumerate(tags.items()):
        known = {} if bpm is None else {"bpm": str(bpm), "initialkey": key}
        write(tmp_path / "m" / f"{name}.flac", tone(300 + i, 3 + 1.5 * i), **known)  # as long as none is a copy
    library.add(tmp_path / "m")
    first, last = tmp_path / "m" / "first.flac", tmp_path / "m" / "last.flac"
    assert names(library.playlist(first, last, k=3, smooth=("tempo", "key"))) == ["first", "near", "last"]
    assert names(library.playlist(first, last, k=3, smooth=("tempo",)))[1] in ("near", "far in key")
    assert names(library.playlist(first, last, k=3, smooth=("key",)))[1] in ("near", "far in tempo")
    assert len(library.playlist(first, last, k=6, smooth=("tempo", "key"))) == 6
    with pytest.raises(LibraryError, match="'loudness' cannot be smoothed; give tempo, key"):
        library.playlist(first, last, smooth=("loudness",))


def test_a_playlist_skips_a_track_that_is_deleted_meanwhile(chords, tmp_path, monkeypatch):
    deleted = str(tmp_path / "m" / "300-1200.flac")
    scan = chords.store.scan
    monkeypatch.setattr(chords.store, "scan", lambda path=None: iter(()) if path == deleted else scan(path))
    hits = chords.playlist(tmp_path / "m" / "300.flac", tmp_path / "m" / "1200.flac", k=6)
    assert deleted not in [hit.track.path for hit in hits] and len(hits) > 2


def test_invalid_searches(chords, mix, tmp_path):
    track = tmp_path / "m" / "300.flac"
    for ask, sentence in (
        (lambda: chords.search("-drums"), "only says what to exclude"),
        (lambda: chords.search("tone 1 -(tone 1)"), "both included and excluded"),
        (lambda: chords.search("tone 300", where=" "), "filter is empty"),
        (lambda: chords.similar(track, but=" "), "description is empty"),
        (lambda: chords.similar(track, k=0), "k is 0"),
        (lambda: chords.locate(mix, ""), "description is empty"),
        (lambda: chords.locate(mix, "-drums"), "only says what to exclude"),
        (
            lambda: chords.locate(mix, "tone 300", start=30, end=20),
            r"end \(20 s\) must be later than the start \(30 s\)",
        ),
        (lambda: chords.locate(mix, "tone 300", start=-1), "must be 0 or later"),
        (lambda: chords.locate(mix, "tone 300", start=70), r"mix\.flac ends before 70 s"),
        (lambda: chords.locate(track, "tone 300", start=70), r"300\.flac ends before 70 s"),
        (lambda: chords.locate(tmp_path / "absent.mp3", "tone 300"), "cannot be read"),
        (lambda: chords.locate(tmp_path, "tone 300"), "is a folder"),
        (lambda: chords.playlist(track, mix), r"mix\.flac is not in the library"),
        (lambda: chords.playlist(track, track), "is both the first and the last"),
        (lambda: chords.playlist(track, tmp_path / "m" / "1200.flac", k=1), "k is 1"),
    ):
        with pytest.raises(LibraryError, match=sentence):
            ask()
    blip = write(tmp_path / "blip.wav", tone(300, 0.01))
    with pytest.raises(LibraryError, match=r"blip\.wav cannot be embedded"):
        chords.locate(blip, "tone 300")
    with MusicLibrary.open(chords.address, ToneEmbedder(fingerprint="another")) as other:
        for ask in (lambda: other.locate(track, "tone 300"), lambda: other.similar(track, but="tone 1200")):
            with pytest.raises(LibraryError, match="was made with"):
                ask()
        assert other.locate(mix, "tone 3000").best(1)[0].start in (
            20,
            30,
        )  # a recording outside the library: no stored vector is compared
