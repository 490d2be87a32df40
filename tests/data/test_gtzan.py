import sys

import pytest
from made_sets import gtzan

from kobza.audio import load_audio
from kobza.data.gtzan import GENRES, load_gtzan
from kobza.data.recordings import DataSetError


@pytest.mark.parametrize("kind", ["wav", "au"])
def test_both_archives_are_read(tmp_path, kind):
    data = load_gtzan(gtzan(tmp_path, kind=kind))
    assert len(data.recordings) == 20 and data.total == 1000  # missing recordings are named too
    assert data.recordings[0].id == f"blues/blues.00000.{kind}" and ("rock/rock.00099", "it is missing") in data.skipped
    assert data.vocabulary[4] == "hip-hop" and [r.label for r in data.recordings[8:10]] == ["hip-hop", "hip-hop"]
    assert len(load_audio(data.recordings[0].path)) == 8000


@pytest.mark.parametrize("inner", ["genres", "genres_original", "Data/genres_original"])
def test_genres_may_be_in_a_sub_folder(tmp_path, inner):
    gtzan(tmp_path / inner)
    assert load_gtzan(tmp_path).recordings[0].id == "blues/blues.00000.wav"


def test_corrupt_recording_is_skipped_unless_the_copy_is_intact(tmp_path):
    folder = gtzan(tmp_path, numbers=(53, 54))
    bad = folder / "jazz" / "jazz.00054.wav"
    sound = bad.read_bytes()
    bad.write_bytes(b"\x13\x37" * 3000)
    data = load_gtzan(folder)
    notes = dict(data.skipped)
    assert "corrupt" in notes["jazz/jazz.00054.wav"] and len(data.recordings) == 19
    bad.write_bytes(sound)
    assert len(load_gtzan(folder).recordings) == 20


def test_second_copies_and_unknown_names_are_skipped(tmp_path):
    folder = gtzan(tmp_path)
    (folder / "pop" / "pop.00001.au").write_bytes((folder / "pop" / "pop.00001.wav").read_bytes())
    (folder / "pop" / "pop.1.wav").write_bytes(b"x")
    (folder / "pop" / ".DS_Store").write_bytes(b"x")
    data = load_gtzan(folder)
    extra = [skip for skip in data.skipped if skip[1] != "it is missing"]
    assert [file for file, _ in extra] == ["pop/pop.00001.au", "pop/pop.1.wav"]
    assert len(data.recordings) == 20


def test_list_of_files_selects_in_either_format(tmp_path):
    folder = gtzan(tmp_path / "gtzan", kind="au")
    (folder / "test_filtered.txt").write_text("rock/rock.00001.wav\nblues/blues.00000.wav\n\npop/pop.00077.wav\n")
    data = load_gtzan(folder, "test_filtered.txt")
    assert [r.id for r in data.recordings] == ["rock/rock.00001.au", "blues/blues.00000.au"]
    assert data.skipped == (("pop/pop.00077", "it is missing"),) and data.split == "test_filtered.txt"
    assert load_gtzan(folder, folder / "test_filtered.txt").recordings == data.recordings
    (folder / "names.txt").write_text("rock.00001.wav\nblues.00000.wav\n", "utf-8-sig")  # as Notepad may save it
    assert load_gtzan(folder, "names.txt").recordings == data.recordings


def test_other_folders_and_lists_are_errors(tmp_path):
    with pytest.raises(DataSetError, match="There is no folder"):
        load_gtzan(tmp_path / "none")
    with pytest.raises(DataSetError, match="lacks the folders blues, classical"):
        load_gtzan(tmp_path)
    for genre in GENRES:
        (tmp_path / genre).mkdir()
    with pytest.raises(DataSetError, match="none of the 1000 recordings"):
        load_gtzan(tmp_path)
    with pytest.raises(DataSetError, match=r"no list nowhere\.txt"):
        load_gtzan(tmp_path, "nowhere.txt")
    (tmp_path / "list.txt").write_text("song one.mp3\n")
    with pytest.raises(DataSetError, match=r"not a list of GTZAN's recordings.*'song one'"):
        load_gtzan(tmp_path, "list.txt")


def test_fault_filtered_split(tmp_path):
    folder = gtzan(tmp_path, numbers=(0, 12, 29))
    for name, line in {"train": "blues/blues.00000.wav", "valid": "jazz/jazz.00012.wav"}.items():
        (folder / f"{name}_filtered.txt").write_text(f"{line}\nrock/rock.00029.wav\n")
    data = load_gtzan(folder, "train")
    assert [r.id for r in data.recordings] == ["blues/blues.00000.wav", "rock/rock.00029.wav"]
    assert data.split == "train" and data.skipped == ()
    assert load_gtzan(folder, "validation").recordings[0].id == "jazz/jazz.00012.wav"
    test = load_gtzan(folder, "test")  # without a file here it is the list that torchaudio has
    assert test.total == 290 and test.recordings[0].id == "blues/blues.00012.wav"


def test_fault_filtered_split_without_a_list(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchaudio.datasets.gtzan", None)
    with pytest.raises(DataSetError, match=r"has no test_filtered\.txt, the list of .*: put it there"):
        load_gtzan(gtzan(tmp_path), "test")
