import pytest
from made_sets import TAGS, magnatagatune
from recordings import tone, write

from kobza.data.magnatagatune import load_magnatagatune
from kobza.data.recordings import DataSetError

CLIPS = {
    "0/ann-one-01-a-0-29.mp3": (TAGS[7], TAGS[180]),
    "f/bob-two-02-b__c-29-58.mp3": (TAGS[180],),
    "f/cat-three-03-d-58-87.mp3": (),
}


def test_the_table_and_its_clips(tmp_path):
    data = load_magnatagatune(magnatagatune(tmp_path, CLIPS), "188")
    assert [r.id for r in data.recordings] == list(CLIPS) and data.skipped == ()
    assert [r.tags for r in data.recordings] == [CLIPS[name] for name in CLIPS]  # in the order of the columns
    assert data.vocabulary == tuple(TAGS) and data.split == "188"


def test_fifty_are_the_most_frequent_of_the_whole_table(tmp_path):
    clips = {f"0/{i}.mp3": tuple(TAGS[150 : 150 + i]) for i in range(4)}
    data = load_magnatagatune(magnatagatune(tmp_path, clips))
    assert data.vocabulary[:5] == (
        TAGS[150],
        TAGS[151],
        TAGS[152],
        TAGS[0],
        TAGS[1],
    )  # 3, 2, 1 clips, then as they come
    assert len(data.vocabulary) == 50 and data.split == "50"
    (tmp_path / "0" / "3.mp3").unlink()  # a lost clip changes no tag set
    assert load_magnatagatune(tmp_path).vocabulary == data.vocabulary


def test_table_and_files_that_do_not_match(tmp_path):
    folder = magnatagatune(tmp_path, CLIPS)
    (folder / "f" / "cat-three-03-d-58-87.mp3").unlink()
    write(folder / "3" / "new.mp3", tone(500, 0.5))
    data = load_magnatagatune(folder)
    assert [file for file, _ in data.skipped] == ["f/cat-three-03-d-58-87.mp3", "3/new.mp3"]
    assert "missing" in data.skipped[0][1] and "does not list it" in data.skipped[1][1]
    assert (len(data.recordings), data.total) == (2, 4)


def test_audio_in_a_folder_of_its_own(tmp_path):
    folder = magnatagatune(tmp_path, CLIPS)
    (folder / "mp3").mkdir()
    for name in ("0", "f"):
        (folder / name).rename(folder / "mp3" / name)
    assert [r.id for r in load_magnatagatune(folder).recordings] == list(CLIPS)


def test_wrong_tables_are_errors(tmp_path):
    with pytest.raises(DataSetError, match=r"has no annotations_final\.csv"):
        load_magnatagatune(tmp_path)
    with pytest.raises(DataSetError, match="has 60 tag columns, MagnaTagATune 188"):
        load_magnatagatune(magnatagatune(tmp_path / "60", CLIPS, TAGS[:60], write_audio=False))
    with pytest.raises(DataSetError, match="none of the 3 clips"):
        load_magnatagatune(magnatagatune(tmp_path / "silent", CLIPS, write_audio=False))
    with pytest.raises(DataSetError, match="no part '10': choose one of 50, 188, gt"):
        load_magnatagatune(tmp_path, "10")
    table = tmp_path / "annotations_final.csv"
    table.write_text("clip,path\n1,a.mp3\n")
    with pytest.raises(DataSetError, match="no columns 'clip_id', 'mp3_path'; it has 'clip,path'"):
        load_magnatagatune(tmp_path)
    magnatagatune(tmp_path, CLIPS, write_audio=False)
    whole = table.read_text()
    table.write_text(whole.rsplit("\t", 1)[0] + "\n")
    with pytest.raises(DataSetError, match=r"Line 4 of .* has 189 columns, its header 190"):
        load_magnatagatune(tmp_path)
    table.write_text(whole.replace('"3"\t"0"', '"3"\t"yes"'))
    with pytest.raises(DataSetError, match=r"Clip 3 .* has neither 0 nor 1 for '100'"):
        load_magnatagatune(tmp_path)


def test_splits_by_folder(tmp_path):
    folder = magnatagatune(tmp_path, {f"{name}/{name}.mp3": (TAGS[3],) for name in "0bcdf"})
    splits = {split: load_magnatagatune(folder, f"188-{split}") for split in ("train", "validation", "test")}
    ids = {split: [recording.id for recording in data.recordings] for split, data in splits.items()}
    assert ids == {"train": ["0/0.mp3", "b/b.mp3"], "validation": ["c/c.mp3"], "test": ["d/d.mp3", "f/f.mp3"]}
    assert splits["test"].split == "188-test" and len(splits["test"].vocabulary) == 188
    assert all(not data.skipped for data in splits.values())
    assert load_magnatagatune(folder, "test").split == "50-test"


def test_splits_by_the_lists_of_musicnn(tmp_path):
    folder = magnatagatune(tmp_path, CLIPS)  # their clip_ids are 2, 3 and 4
    zeros = str([0.0] * 50)
    (folder / "train_gt_mtt.tsv").write_text(f"4\t{zeros}\n")
    (folder / "test_gt_mtt.tsv").write_text(f"2\t{zeros}\n3\t{zeros}\n")
    assert [r.id for r in load_magnatagatune(folder, "gt-test").recordings] == list(CLIPS)[:2]
    assert [r.id for r in load_magnatagatune(folder, "gt-train").recordings] == list(CLIPS)[2:]
    with pytest.raises(DataSetError, match=r"has no val_gt_mtt\.tsv"):
        load_magnatagatune(folder, "gt-validation")
