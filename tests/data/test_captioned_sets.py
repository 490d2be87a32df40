import pytest
from made_sets import CLOTHO_HEAD, clotho
from recordings import tone, write

from kobza.data.recordings import DataSetError
from kobza.data.sets import divide_captioned, load_data_set


@pytest.mark.parametrize(("tables", "audio"), [("", ""), ("clotho_csv_files", "clotho_audio_files")])
def test_clotho(tmp_path, tables, audio):
    clotho(tmp_path, tables, audio)
    for part, published in (("", "evaluation"), ("@validation", "validation"), ("@train", "development")):
        data = load_data_set(f"clotho:{tmp_path}{part}")
        assert {recording.id for recording in data.recordings} == {
            f"{audio}/{published}/Rain on a Tent (2).wav".removeprefix("/")
        }
        assert [r.caption for r in data.recordings] == [f"{published}, words {n}" for n in range(1, 6)]
        assert data.skipped == (("gone.wav", f"clotho_captions_{published}.csv lists it, but it is missing"),)
        assert data.task == "retrieval" and data.split == (part[1:] or "test")


AUDIOCAPS = """audiocap_id,youtube_id,start_time,caption
103549,7fmOlUlwoNg,0,Constant rattling noise and sharp vibrations
103548,6BJ455B1aAs,30,"A rocket flies by, followed by a loud explosion"
103541,6BJ455B1aAs,30,A missile
1,gone4567890,30,Nothing
"""


@pytest.mark.parametrize("name", ["test/{1}.wav", "{1}_{2}.flac", "Y{1}_{2}.000_{3}.000.wav", "wavs/{0}.wav"])
def test_audiocaps(tmp_path, name):
    (tmp_path / "test.csv").write_text(AUDIOCAPS)
    rows = [("103549", "7fmOlUlwoNg", 0, 10), ("103548", "6BJ455B1aAs", 30, 40)]
    for row in rows:
        write(tmp_path / name.format(*row), tone(300, 0.2))
    data = load_data_set(f"audiocaps:{tmp_path}")
    assert data.recordings[0].id == name.format(*rows[0])
    assert data.recordings[1].caption == "A rocket flies by, followed by a loud explosion"
    by_audiocap_id = "{0}" in name  # each caption is then a file of its own, and one is not there
    assert len(data.recordings) == 2 if by_audiocap_id else data.recordings[2].id == data.recordings[1].id
    with pytest.raises(DataSetError, match=r"has no train\.csv"):
        load_data_set(f"audiocaps:{tmp_path}@train")


SONG_DESCRIBER = """caption_id,track_id,caption,is_valid_subset,familiarity,artist_id,album_id,path,duration
1,1009600,A twisty nice melody song,True,1,1,2,00/1009600.mp3,202.5
2,1009600,An unchecked one,False,0,1,2,00/1009600.mp3,202.5
3,1009607,"Drums, bass",True,0,1,2,07/1009607.mp3,152.0
"""


def test_song_describer(tmp_path):
    (tmp_path / "song_describer.csv").write_text(SONG_DESCRIBER)
    for track in ("00/1009600", "07/1009607"):
        write(tmp_path / "audio" / f"{track}.2min.mp3", tone(300, 0.5))
    whole = load_data_set(f"song_describer:{tmp_path}")
    assert len(whole.recordings) == 3 and whole.split is None and whole.name == "song_describer"
    valid = load_data_set(f"song_describer:{tmp_path}@valid")
    assert [r.caption for r in valid.recordings] == ["A twisty nice melody song", "Drums, bass"]
    assert valid.recordings[1].id == "audio/07/1009607.2min.mp3" and valid.skipped == ()


def test_song_describer_is_evaluated_on_the_parts_that_training_makes(tmp_path):
    rows = [f"{2 * n + k},{n},Song {n} {k},{k == 0},1,1,2,00/{n}.mp3,1.0" for n in range(40) for k in range(2)]
    (tmp_path / "song_describer.csv").write_text("\n".join([SONG_DESCRIBER.splitlines()[0], *rows]))
    for n in range(40):
        write(tmp_path / "audio" / "00" / f"{n}.mp3", tone(300, 0.1))
    for kind, captions in (("", 2), ("valid-", 1)):
        spec = f"song_describer:{tmp_path}"
        divided = divide_captioned(f"{spec}@valid" if kind else spec)
        assert sum(len(data.recordings) for data in divided.values()) == 40 * captions
        for part, data in divided.items():
            loaded = load_data_set(f"{spec}@{kind}{part}")
            assert loaded.recordings == data.recordings and loaded.split == f"{kind}{part}"


@pytest.mark.parametrize(
    ("spec", "table", "text", "sentence"),
    [
        ("clotho:{}", "clotho_captions_evaluation.csv", "file_name,caption_1\n", "no columns 'caption_2', .*it has 'f"),
        ("clotho:{}", "other.csv", "", r"has no clotho_captions_evaluation\.csv"),
        ("clotho:{}", "clotho_captions_evaluation.csv", CLOTHO_HEAD + "a.wav,b,c,d,e,f\n", "none of the 1 .* as a.wav"),
        ("audiocaps:{}", "test.csv", "youtube_id,caption\n", "no columns 'audiocap_id', 'start_time'"),
        ("audiocaps:{}@dev", "test.csv", "", "no part 'dev': choose one of test, validation, train"),
        ("song_describer:{}", "metadata.csv", "", r"has no song_describer\.csv"),
        ("song_describer:{}@valid", "song_describer.csv", "path,caption\n", "no column 'is_valid_subset'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, spec, table, text, sentence):
    (tmp_path / table).write_text(text)
    with pytest.raises(DataSetError, match=sentence):
        load_data_set(spec.format(tmp_path))
