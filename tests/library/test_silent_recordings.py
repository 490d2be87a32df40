"""Silence in the library: no part of a track's vector, no moment; a silent file is named and kept as a failure."""

import json

import numpy as np
import pytest
from recordings import counts, tone, write

from kobza.embedding.embedder import normalized_mean
from kobza.library.ingest import decode_ahead, decoding
from kobza.library.records import LibraryError

RATE = 16000


def silence(seconds: float, kind: str = "digital") -> np.ndarray:
    level = {"digital": 0.0, "hiss": 1e-4}[kind]
    return (level * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.float32)


def stored(library, path) -> tuple:
    ((track, _, starts, vectors),) = library.store.scan(str(path))
    return track, starts, normalized_mean(vectors)


@pytest.mark.parametrize("kind", ["digital", "hiss"])
def test_a_long_gap_before_a_hidden_song_is_no_part_of_the_track(library, tmp_path, kind):
    album = tmp_path / "music"
    song, hidden = tone(400, 24), tone(900, 10)
    write(album / "song.flac", song)
    write(album / "end.flac", np.concatenate([song, silence(296, kind)]))
    write(album / "gap.flac", np.concatenate([song, silence(296, kind), hidden]))
    assert counts(library.add(album)) == (3, 0, 0, 0, 0, 0)
    _, starts, alone = stored(library, album / "song.flac")
    track, same_starts, longer = stored(library, album / "end.flac")
    assert track.duration == pytest.approx(320, abs=0.1) and same_starts == starts == [0.0, 10.0, 20.0]
    assert float(alone @ longer) > 0.999
    assert stored(library, album / "gap.flac")[1] == [0.0, 10.0, 20.0, 320.0]
    moments = library.locate(album / "gap.flac", "tone 900").moments
    assert [moment.start for moment in moments] == [0.0, 10.0, 20.0, 320.0]
    assert max(moments, key=lambda moment: moment.score).start == 320.0
    with pytest.raises(LibraryError, match=r"gap\.flac ends before 100 s or is silent there; choose another part"):
        library.locate(album / "gap.flac", "tone 900", start=100, end=200)


def test_a_silent_file_is_named_kept_as_a_failure_and_matches_nothing(kobza, tmp_path):
    music = tmp_path / "music"
    write(music / "song.flac", tone(400, 12))
    write(music / "silent.flac", silence(25))
    write(music / "hiss.flac", silence(25, "hiss"))
    code, _, errors = kobza("index", music)
    assert code == 0
    for name in ("silent.flac", "hiss.flac"):
        said = f"{name} is silent: nothing in it is above -78 dBFS; replace it or leave it out."
        assert said in errors
        assert said in kobza("info", "--failed")[1]
    for query in ("silence", "tone 400"):
        hits = json.loads(kobza("search", query, "--json")[1])
        assert [hit["path"].rpartition("/")[2] for hit in hits] == ["song.flac"]
    for command in (("similar", music / "silent.flac"), ("locate", music / "silent.flac", "tone 400")):
        code, _, errors = kobza(*command)
        assert code == 1 and "silent.flac is silent: nothing in it" in errors and "Traceback" not in errors


def test_a_recording_elsewhere_with_a_silent_end_is_known_as_a_copy(library, tmp_path):
    song = np.concatenate([tone(400, 20), silence(4)])
    write(tmp_path / "music" / "song.flac", song)
    write(tmp_path / "music" / "other.flac", tone(900, 24))
    library.add(tmp_path / "music")
    hits = library.similar(write(tmp_path / "elsewhere.flac", song, title="The same"))
    assert [hit.track.path for hit in hits] == [str(tmp_path / "music" / "other.flac")]


def test_the_silent_track_of_a_cue_sheet_is_named(library, tmp_path):
    write(tmp_path / "music" / "album.flac", np.concatenate([tone(400, 20), silence(20), tone(900, 20)]))
    lines = ['FILE "album.flac" WAVE']
    for number, minute in enumerate(("00:00:00", "00:20:00", "00:40:00"), 1):
        lines += [f"  TRACK {number:02} AUDIO", f"    INDEX 01 {minute}"]
    (tmp_path / "music" / "album.cue").write_text("\n".join(lines))
    report = library.add(tmp_path / "music")
    assert report.added == 2
    (failure,) = report.failed
    assert failure.is_lasting and "album.flac#2 is silent; correct the sheet, or leave the track out." in failure.reason


def test_hours_of_silence_do_not_time_out(library, tmp_path, monkeypatch):
    """No window is embedded for long, but decoding goes on."""
    monkeypatch.setattr(decode_ahead, "WINDOW_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(decode_ahead, "TIMEOUT_SECONDS_PER_BYTE", 0.0)
    decode = decoding.decode

    def slow(path, *args, **kwargs):
        for chunk in decode(path, *args, **kwargs):
            decode_ahead.threading.Event().wait(0.01)
            yield chunk

    monkeypatch.setattr(decoding, "decode", slow)
    write(tmp_path / "music" / "a.flac", np.concatenate([silence(150), tone(400, 10)]))
    assert counts(library.add(tmp_path / "music")) == (1, 0, 0, 0, 0, 0)
