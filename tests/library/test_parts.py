"""An album in one file becomes its tracks, by its cue sheet or chapters: found, filtered and replaced as tracks."""

import os
import shutil

import mutagen
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutagen.flac import FLAC, CueSheet, CueSheetTrack, CueSheetTrackIndex
from mutagen.id3 import CHAP, CTOC, ID3, TIT2, TXXX, CTOCFlags
from recordings import counts, tone, write

from kobza.library.filters.tree import Compare, Not, matches
from kobza.library.ingest.cue import decode_text, parse_cue
from kobza.library.ingest.parts import cut_parts, to_parts
from kobza.library.search.copies import duplicate_groups

PITCHES = (200, 400, 1000)
LENGTHS = (12, 25, 4)  # seconds
STARTS = (0, 12, 37)
SHEET = """REM GENRE "Trip Hop"
REM DATE 1998
PERFORMER "Somebody"
TITLE "The Album"
FILE "CDImage.wav" WAVE
  TRACK 01 AUDIO
    TITLE "First"
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "Другий"
    PERFORMER "Guest"
    INDEX 00 00:11:00
    INDEX 01 00:12:00
  TRACK 03 AUDIO
    TITLE "Third"
    INDEX 01 00:37:00
"""


def album_sound() -> np.ndarray:
    return np.concatenate([tone(*pair) for pair in zip(PITCHES, LENGTHS, strict=True)])


@pytest.fixture
def album(tmp_path):
    folder = tmp_path / "music"
    write(folder / "album.flac", album_sound(), album="Of the tags")
    (folder / "album.cue").write_text(SHEET, encoding="utf-8-sig", newline="\r\n")
    return folder / "album.flac"


def tracks(library) -> list:
    return [track for track, *_ in library.store.scan()]


def check_parts(library, file) -> None:
    """Three tracks, each found by its sound from its own beginning."""
    for number, (pitch, length, start) in enumerate(zip(PITCHES, LENGTHS, STARTS, strict=True), 1):
        best = library.search(f"tone {pitch}")[0]
        assert best.track.path == f"{file}#{number}" and best.track.file == str(file)
        assert best.score > 0.95 and best.track.track_number == number
        assert best.track.duration == pytest.approx(length, abs=0.2)
        assert (best.track.start, best.track.end) == pytest.approx((start, start + length), abs=0.2)
    starts = {track.path[-1]: starts for track, _, starts, _ in library.store.scan()}
    assert starts == {"1": [0.0, 10.0], "2": [0.0, 10.0, 20.0], "3": [0.0]}


def test_a_cue_sheet_beside_an_album(library, album):
    assert counts(library.add(album.parent)) == (3, 0, 0, 0, 0, 0)
    check_parts(library, album)
    assert duplicate_groups(library.store.scan()) == []  # though the file's hash is theirs, too
    first, second, _ = tracks(library)
    assert (first.title, first.artist, first.album, first.genre, first.year) == (
        *("First", "Somebody", "The Album", "Trip Hop"),
        1998,
    )
    assert (second.title, second.artist) == ("Другий", "Guest")
    assert library.search("anything", where="title = другий")[0].track == second
    assert library.similar(f"{album}#1", k=1)[0].track in tracks(library)
    assert counts(library.sync()) == (0, 0, 3, 0, 0, 0)
    os.utime(album)
    assert counts(library.sync()) == (0, 0, 3, 0, 0, 0)


def test_a_change_of_the_sheet_changes_the_tracks(library, album):
    library.add(album.parent)
    sheet = album.with_suffix(".cue")
    sheet.write_text(SHEET[: SHEET.index("  TRACK 03")], encoding="utf-8")
    assert counts(library.sync()) == (0, 2, 0, 0, 1, 0)
    assert [round(track.duration) for track in tracks(library)] == [12, 29]
    sheet.unlink()
    assert counts(library.sync()) == (1, 0, 0, 0, 2, 0)
    assert [track.path for track in tracks(library)] == [str(album)] and tracks(library)[0].end is None
    sheet.write_text(SHEET, encoding="utf-8")
    assert counts(library.sync()) == (3, 0, 0, 0, 1, 0)


def test_a_change_of_titles_is_no_reason_to_embed(library, album):
    library.add(album.parent)
    heard = library.embedder.windows_embedded
    album.with_suffix(".cue").write_text(SHEET.replace("Third", "3rd"), encoding="utf-8")
    report = library.sync()
    assert (report.retagged, report.changed, report.removed) == (3, 0, 0)
    assert [track.title for track in tracks(library)] == ["First", "Другий", "3rd"]
    assert library.embedder.windows_embedded == heard and counts(library.sync()) == (0, 0, 3, 0, 0, 0)
    for before, after in (("00:12:00", "00:13:00"), ("00:37:00", "00:36:00")):  # other times are other tracks
        album.with_suffix(".cue").write_text(SHEET.replace(before, after), encoding="utf-8")
        assert library.sync().changed == 3 and library.embedder.windows_embedded > heard
        heard = library.embedder.windows_embedded


def test_tags_of_parts_are_read_again(library, album):
    """`sync --tags`, where size and time of change are the same."""
    library.add(album.parent)
    heard = library.embedder.windows_embedded
    times = {path: os.stat(path).st_mtime_ns for path in (album, album.with_suffix(".cue"))}
    sheet = SHEET.replace("Third", "Thord")
    album.with_suffix(".cue").write_text(sheet, encoding="utf-8-sig", newline="\r\n")
    file = FLAC(album)
    file["composer"] = "C"
    size = album.stat().st_size
    file.save(padding=lambda info: info.padding)  # takes the tag's room
    os.truncate(album, size)
    for path, mtime in times.items():
        os.utime(path, ns=(mtime, mtime))
    assert library.sync().retagged == 0
    report = library.sync(retag=True)
    assert (report.retagged, report.unchanged, report.changed) == (3, 0, 0)
    assert [track.title for track in tracks(library)][2] == "Thord"
    assert {track.composer for track in tracks(library)} == {"C"}
    assert library.embedder.windows_embedded == heard
    assert counts(library.sync(retag=True)) == counts(library.sync()) == (0, 0, 3, 0, 0, 0)


def test_a_sheet_whose_recording_is_gone_divides_no_other(library, album):
    folder = album.parent
    write(folder / "other.flac", tone(3000, 30), title="Other")
    assert counts(library.add(folder))[0] == 4
    album.unlink()
    report = library.sync()
    assert [track.path for track in tracks(library)] == [str(folder / "other.flac")]
    assert [one.reason for one in report.skipped] == ["cue sheet without its recording"]


def test_the_only_recording_of_the_sheets_length(library, album):
    renamed = album.rename(album.with_name("renamed.flac"))
    assert counts(library.add(album.parent))[0] == 3
    assert {track.file for track in tracks(library)} == {str(renamed)}


def test_filters_find_the_parts_of_a_file(library, album):
    library.add(album.parent)
    write(album.parent / "more" / "album.flac.flac", tone(3000, 2))
    library.sync()
    found = library.search("tone 400", where=f'path under "{album}"')
    assert {hit.track.path for hit in found} == {f"{album}#{number}" for number in (1, 2, 3)}
    tree = Compare("path", "under", str(album))
    assert [matches(tree, track) for track in tracks(library)].count(True) == 3
    assert len(library.store.select(Not(tree))) == 1


def test_moved_and_removed_as_one(library, album):
    library.add(album.parent)
    heard = library.embedder.windows_embedded
    album.parent.joinpath("new").mkdir()
    for path in (album, album.with_suffix(".cue")):
        path.rename(album.parent / "new" / path.name)
    assert counts(library.sync()) == (0, 0, 0, 3, 0, 0) and library.embedder.windows_embedded == heard
    assert {track.file for track in tracks(library)} == {str(album.parent / "new" / "album.flac")}
    shutil.rmtree(album.parent / "new")
    write(album.parent / "other.flac", tone(3000, 2))
    assert counts(library.sync()) == (1, 0, 0, 0, 3, 0)


def test_interrupted_between_the_tracks(library, album):
    """Tracks of a file of which some are missing or old are written again."""
    library.add(album.parent)
    ((track, file_state, starts, vectors), *_) = library.store.scan()
    library.store.upsert(track, file_state._replace(hash=b"older", audio_hash=b"another"), starts, vectors)
    assert counts(library.sync()) == (0, 3, 0, 0, 0, 0)


def test_a_track_beyond_the_end_is_named(library, album):
    sheet = SHEET + '  TRACK 04 AUDIO\n    TITLE "None"\n    INDEX 01 09:00:00\n'
    album.with_suffix(".cue").write_text(sheet, encoding="utf-8")
    report = library.add(album.parent)
    assert counts(report)[::5] == (3, 1) and report.failed[0].path == f"{album}#4"
    again = library.sync()
    assert counts(again) == (0, 0, 3, 0, 0, 1) and again.failed[0].is_known


def test_a_sheet_beside_split_files_gives_tags_only(library, tmp_path):
    lines = []
    for i, pitch in enumerate(PITCHES, 1):
        write(tmp_path / "music" / f"{i}.flac", tone(pitch, 3))
        lines += [f'FILE "{i}.wav" WAVE', f"TRACK {i:02} AUDIO", f'TITLE "T{i}"', "INDEX 01 00:00:00"]
    write(tmp_path / "music" / "3.flac", tone(PITCHES[2], 3), title="3")  # a tag comes first
    (tmp_path / "music" / "album.cue").write_text('PERFORMER "P"\nTITLE "A"\n' + "\n".join(lines))
    assert counts(library.add(tmp_path / "music")) == (3, 0, 0, 0, 0, 0)
    for i, track in enumerate(tracks(library), 1):
        assert (track.path, track.end) == (str(tmp_path / "music" / f"{i}.flac"), None)
        assert (track.title, track.artist, track.album, track.track_number) == ("3" if i == 3 else f"T{i}", "P", "A", i)


def test_sheets_that_are_not_used_are_said(library, album):
    shutil.copy(album.with_suffix(".cue"), album.with_name("copy.cue"))
    album.with_name("empty.cue").write_text("REM nothing")
    album.with_name("lost.cue").write_text('FILE "x.wav" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\nFILE "y.wav" WAVE\n'
                                           "TRACK 02 AUDIO\nINDEX 01 00:00:00")  # fmt: skip
    report = library.add(album.parent)
    assert counts(report)[0] == 3
    assert {os.path.basename(one.path): one.reason for one in report.skipped} == {
        "copy.cue": "second cue sheet of a recording",
        "empty.cue": "cue sheet without tracks",
        "lost.cue": "cue sheet without its recording",
    }


def test_a_sheet_can_be_named_itself(library, album):
    write(album.with_name("other.flac"), tone(3000, 2))
    album.with_suffix(".cue").write_text(SHEET.replace("CDImage", "album"), encoding="utf-8")
    assert counts(library.add(album.with_suffix(".cue"))) == (3, 0, 0, 0, 0, 0)
    assert counts(library.sync()) == (0, 0, 3, 0, 0, 0)


@pytest.mark.parametrize("kind", ["flac", "mp3", "m4a"])
def test_a_sheet_in_the_tags(library, tmp_path, kind):
    path = write(tmp_path / f"album.{kind}", album_sound())
    file = mutagen.File(path)
    if kind == "mp3":
        file.tags.add(TXXX(desc="CUESHEET", text=[SHEET]))
    else:
        file["CUESHEET" if kind == "flac" else "----:com.apple.iTunes:CUESHEET"] = [
            SHEET if kind == "flac" else SHEET.encode()
        ]
    file.save()
    assert counts(library.add(path)) == (3, 0, 0, 0, 0, 0)
    check_parts(library, path)


def test_the_sheet_of_flac_itself(library, tmp_path):
    """It has no titles."""
    path = write(tmp_path / "album.flac", album_sound(), title="Disc")
    file = FLAC(path)
    file.cuesheet = CueSheet(None)
    for number, start in [*enumerate(STARTS, 1), (170, sum(LENGTHS))]:
        track = CueSheetTrack(number, start * 16000)
        track.indexes.append(CueSheetTrackIndex(1, 0))
        file.cuesheet.tracks.append(track)
    file.metadata_blocks.append(file.cuesheet)
    file.save()
    assert counts(library.add(path)) == (3, 0, 0, 0, 0, 0)
    check_parts(library, path)
    assert [track.title for track in tracks(library)] == ["Disc (1)", "Disc (2)", "Disc (3)"]


def test_chapters_of_mp3(library, tmp_path):
    path = write(tmp_path / "mix.mp3", album_sound(), title="A mix", artist="DJ")
    tags = ID3(path)
    for i, (start, length) in enumerate(zip(STARTS, LENGTHS, strict=True)):
        times = {"start_time": start * 1000, "end_time": (start + length) * 1000}
        tags.add(CHAP(element_id=f"c{i}", **times, sub_frames=[TIT2(text=[f"Chapter {i}"])]))
    flags = CTOCFlags.TOP_LEVEL | CTOCFlags.ORDERED
    tags.add(CTOC(element_id="toc", flags=flags, child_element_ids=[f"c{i}" for i in range(3)], sub_frames=[]))
    tags.save(path)
    assert counts(library.add(path)) == (3, 0, 0, 0, 0, 0)
    check_parts(library, path)
    assert [(track.title, track.artist, track.album) for track in tracks(library)][1] == ("Chapter 1", "DJ", "A mix")


@pytest.mark.parametrize("kind", ["mka", "m4b"])
def test_chapters_of_containers(library, tmp_path, kind):
    import av

    path = tmp_path / f"book.{kind}"
    with av.open(str(path), "w", format={"mka": "matroska", "m4b": "mp4"}[kind]) as out:
        out.set_chapters(
            [
                {
                    **{"id": i, "start": start, "end": start + length, "time_base": 1},
                    "metadata": {"title": f"Chapter {i}"},
                }
                for i, (start, length) in enumerate(zip(STARTS, LENGTHS, strict=True))
            ]
        )
        stream = out.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(album_sound()[None], format="fltp", layout="mono")
        frame.rate = 16000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert counts(library.add(path)) == (3, 0, 0, 0, 0, 0)
    check_parts(library, path)


def test_a_long_mix_without_a_sheet_keeps_its_moments(library, tmp_path):
    write(tmp_path / "mix.flac", album_sound())
    library.add(tmp_path / "mix.flac")
    hit = library.search("tone 1000", by="moment")[0]
    assert hit.track.end is None and hit.moment == 40.0


def test_playlist_of_parts(kobza, album):
    kobza("index", album.parent)
    _, out, _ = kobza("search", "tone 400", "--m3u", "-k1")
    assert "#EXTVLCOPT:start-time=12\n#EXTVLCOPT:stop-time=37\n" in out and out.endswith(f"{album}\n")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *[("Жар-птиця, Київ", encoding) for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1251")],
        *[("Motörhead, Café del Mar", encoding) for encoding in ("utf-8", "cp1252")],
        ("さくら 夜想曲", "cp932"),
    ],
)
def test_encodings(text, encoding):
    assert decode_text(f'TITLE "{text}"'.encode(encoding)) == f'TITLE "{text}"'


def test_gaps_data_tracks_and_other_oddities():
    files = parse_cue(
        'FILE "a b.flac" WAVE\rTRACK 01 MODE1/2352\rINDEX 01 00:00:00\rTRACK 02 AUDIO\rINDEX 00 00:01:00\r'
        'INDEX 01 00:03:00\rTRACK 03 AUDIO\rINDEX 00 100:00:00\rFILE c.wav WAVE\rINDEX 01 00:00:00\rTRACK xx AUDIO\r'
        "INDEX 01 nonsense\rTRACK 05 AUDIO\rTITLE unquoted words\rINDEX 01 75:00:74"
    )  # fmt: skip
    assert [(file.name, [(track.number, track.start) for track in file.tracks]) for file in files] == [
        ("a b.flac", [(2, 3.0)]),
        ("c.wav", [(3, 0.0), (5, 4500 + 74 / 75)]),
    ]
    assert files[1].tracks[1].title == "unquoted words"


@settings(max_examples=200)
@given(st.text(st.sampled_from('FILETRACKINDEX "0123:\n\0x'), max_size=300) | st.text())
def test_any_text_is_no_error(text):
    for file in parse_cue(text):
        to_parts(file.tracks)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 400), min_size=2, max_size=5, unique=True), st.integers(1, 97))
def test_parts_do_not_depend_on_chunks(starts, size):
    class Rule:
        sampling_rate, window_seconds, min_window_seconds = 10, 10.0, 1.0

    sound = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    sheet = "FILE a.wav WAVE\n" + "".join(
        f"TRACK {i} AUDIO\nINDEX 01 {start // 60}:{start % 60}:00\n" for i, start in enumerate(sorted(starts))
    )
    parts = to_parts(parse_cue(sheet)[0].tracks)
    chunks = [sound[i : i + size] for i in range(0, len(sound), size)]
    cut = list(cut_parts(Rule, chunks, parts))
    with_sound = [(at, samples) for at, samples in cut if samples is not None]  # a block has two samples here
    assert len(with_sound) > 0.9 * len(cut)
    assert all(np.array_equal(samples, sound[round(at * 10) :][: len(samples)]) for at, samples in with_sound)
    assert {part.start for part in parts} <= {start for start, _ in cut}


def test_reindexed_and_exported(kobza, album, tmp_path):
    kobza("index", album.parent)
    assert kobza("reindex")[0] == 0
    assert kobza("library", "export", tmp_path / "a.parquet")[0] == 0
    assert kobza("library", "import", tmp_path / "a.parquet", "--library", tmp_path / "other")[0] == 0
    code, out, _ = kobza("search", "tone 400", "--m3u", "-k1", "--library", tmp_path / "other")
    assert code == 0 and "start-time=12" in out
