import csv

import pytest
from made_sets import musiccaps, write_rows
from recordings import tone, write

from kobza.data.musiccaps import load_musiccaps, split_musiccaps, split_of
from kobza.data.pairs import aspects_of, load_pairs
from kobza.data.recordings import DataSetError

IDS = [f"{i:05d}abcDEF" for i in range(5294)]


def test_thesis_split_has_its_proportions_and_is_stable():
    drawn = [split_of(ytid) for ytid in IDS]
    for name, size in {"train": 3794, "validation": 500, "test": 1000}.items():
        assert abs(drawn.count(name) - size) < 4 * (size * (1 - size / 5294)) ** 0.5  # four standard deviations
    # SHA-256 of the last begins with dc (of ff): a fraction of 0.86, and train and validation end at 0.81
    assert [split_of(ytid) for ytid in ("-0Gj8-vB1q4", "-0SdAVK79lg", "-0xzrMun0Rs")] == ["train", "test", "test"]


def test_zero_shot_split_trains_on_the_test_too():
    adds = {"train": "train", "validation": "validation", "test": "train"}
    assert all(split_of(ytid, "zero-shot") == adds[split_of(ytid)] for ytid in IDS)


def test_audioset_evaluation_clips_are_the_test_of_their_rule():
    assert {split_of(ytid, "audioset-eval", is_eval=True) for ytid in IDS} == {"test"}
    drawn = [split_of(ytid, "audioset-eval", is_eval=False) for ytid in IDS]
    assert drawn.count("test") == 0
    assert abs(drawn.count("validation") / len(IDS) - 500 / 4294) < 0.02


@pytest.mark.parametrize("rule,parts", [("thesis", 3), ("zero-shot", 2), ("audioset-eval", 3)])
def test_splits_hold_each_clip_once_and_removing_clips_moves_no_other(tmp_path, rule, parts):
    folder = musiccaps(tmp_path, 60)
    before = {name: [r.id for r in data.recordings] for name, data in split_musiccaps(folder, rule).items()}
    ids = [id for part in before.values() for id in part]
    assert len(before) == parts and len(ids) == len(set(ids)) == 60
    gone = set(ids[::3])
    for name in gone:
        (folder / name).unlink()
    after = {name: [r.id for r in data.recordings] for name, data in split_musiccaps(folder, rule).items()}
    assert after == {name: [i for i in part if i not in gone] for name, part in before.items()}


def test_aspects_are_loaded(tmp_path):
    assert load_musiccaps(musiccaps(tmp_path, 40)).recordings[0].aspects == ("low quality", "sustained strings")
    written = {"['it\\'s', \"x, y\"]": ("it's", "x, y"), "sad, slow": ("sad", "slow"), "[]": None, "": None}
    assert {text: aspects_of({"aspect_list": text}) for text in written} == written
    assert aspects_of({"aspect_list": ["a", " b ", ""]}) == ("a", "b") and aspects_of({"aspect_list": 3}) is None
    assert aspects_of({"tags": ["t"]}) == ("t",) and aspects_of({}) is None


def test_splits_partition_the_folder(tmp_path):
    folder = musiccaps(tmp_path, 40)
    parts = [load_musiccaps(folder, split) for split in ("train", "validation", "test")]
    ids = [r.id for part in parts for r in part.recordings]
    assert len(ids) == len(set(ids)) == 40
    assert load_musiccaps(folder).recordings == parts[2].recordings and parts[2].split == "test"
    evaluation = load_musiccaps(folder, "eval").recordings
    assert [r.id for r in evaluation] == [f"-{i:02d}SdAVK79lg.wav" for i in range(0, 40, 2)]
    assert evaluation[1].caption == "the song is a tone 350"


def test_wrong_columns_and_splits_are_errors(tmp_path):
    with pytest.raises(DataSetError, match="has no part 'dev'"):
        load_musiccaps(tmp_path, "dev")
    write_rows(tmp_path, [{"file_name": "a.wav", "caption": "x"}])
    with pytest.raises(DataSetError, match=r"Line 1 of .*metadata\.jsonl has no column 'ytid'"):
        load_musiccaps(tmp_path)
    write_rows(tmp_path, [{"file_name": "a.wav", "caption": "x", "ytid": "a"}])
    with pytest.raises(DataSetError, match="no column 'is_audioset_eval'"):
        load_musiccaps(tmp_path, "eval")
    with pytest.raises(DataSetError, match="no split rule 'paper': choose one of thesis, zero-shot, audioset-eval"):
        split_musiccaps(tmp_path, "paper")


def test_pairs_are_in_the_tables_order_with_reasons_for_the_rest(tmp_path):
    for name in ("b.wav", "a.wav", "sub/c.flac", "extra.wav"):
        write(tmp_path / name, tone(300, 0.2))
    (tmp_path / "README.md").write_text("about")
    captions = {"b.wav": "née\u2028b", "sub/c.flac": "c", "gone.wav": "g", "a.wav": "  "}
    write_rows(tmp_path, [{"file_name": name, "caption": caption} for name, caption in captions.items()])
    data = load_pairs(tmp_path)
    assert [(r.id, r.caption) for r in data.recordings] == [("b.wav", "née\u2028b"), ("sub/c.flac", "c")]
    assert data.recordings[1].path == tmp_path / "sub" / "c.flac"
    assert [file for file, _ in data.skipped] == ["gone.wav", "a.wav", "extra.wav"] and data.total == 5


def test_pairs_from_csv_and_from_song_describers_folder(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for path in (one / "a.wav", two / "audio" / "07" / "1009607.2min.mp3", two / "audio" / "08" / "8.mp3"):
        write(path, tone(300, 0.2))
    (one / "metadata.csv").write_text('file_name,caption\na.wav,"slow, sad\npiano"\n')
    assert [r.caption for r in load_pairs(one).recordings] == ["slow, sad\npiano"]
    with open(two / "song_describer.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["caption_id", "track_id", "caption", "path"])
        table.writerow([1, 1009607, "first", "07/1009607.mp3"])
        table.writerow([2, 1009607, "second", "07/1009607.mp3"])
        table.writerow([3, 8, "third", "08/8.mp3"])
    data = load_pairs(two)
    assert [r.caption for r in data.recordings] == ["first", "second", "third"] and data.skipped == ()
    assert data.recordings[0].path == data.recordings[1].path != data.recordings[2].path


def test_bad_tables_are_errors(tmp_path):
    with pytest.raises(DataSetError, match=r"has no metadata\.jsonl"):
        load_pairs(tmp_path)
    table = tmp_path / "metadata.jsonl"
    for text, sentence in (
        ('{"file_name": "a.wav", "caption": "x"}\n{"file_name"', "Line 2 of .* is not JSON"),
        ("[1]\n", "is not a JSON object"),
        ('{"file": "a.wav", "caption": "x"}\n', "no column 'file_name'; it has 'file', 'caption': rename"),
        ('{"file_name": "a.wav", "caption": "x"}\n', r"None of the 1 rows .* \(the first: a\.wav: .* missing\): check"),
        ("", "None of the 0 rows"),
    ):
        table.write_text(text)
        with pytest.raises(DataSetError, match=sentence):
            load_pairs(tmp_path)
    table.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataSetError, match="cannot be read"):
        load_pairs(tmp_path)


OFFICIAL = (
    "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption,author_id,is_balanced_subset,is_audioset_eval\n"
    '-0Gj8-vB1q4,30,40,"/m/0140xf,/m/02cjck","[\'low quality\', \'sad\']","A ballad, slow.",4,False,True\n'
    "-0SdAVK79lg,30,40,/m/0155w,['guitar song'],A guitar.,0,False,False\n"
    "-0xzrMun0Rs,5,15,/m/0155w,['banjo'],A banjo.,0,True,True\n"
    "gone4567890,0,10,/m/0155w,['harp'],A harp.,0,True,True\n"
)


@pytest.mark.parametrize(
    "name", ["{0}.wav", "wavs/{0}_{1}.mp3", "a/{0}_{1}_{2}.flac", "[{0}]-[{1}-{2}].wav", "Y{0}_{1}.000_{2}.000.wav"]
)
def test_official_table_beside_the_clips(tmp_path, name):
    (tmp_path / "musiccaps-public.csv").write_text(OFFICIAL)
    for ytid, start in (("-0Gj8-vB1q4", 30), ("-0SdAVK79lg", 30), ("-0xzrMun0Rs", 5)):
        write(tmp_path / name.format(ytid, start, start + 10), tone(300, 0.2))
    data = load_musiccaps(tmp_path, "eval")
    assert [r.caption for r in data.recordings] == ["A ballad, slow.", "A banjo."]
    assert data.recordings[0].aspects == ("low quality", "sad")
    assert data.recordings[0].id == name.format("-0Gj8-vB1q4", 30, 40)
    assert data.skipped == (("gone4567890", "musiccaps-public.csv lists it, but it is missing"),)
    assert [r.caption for r in load_musiccaps(tmp_path, "train").recordings] == ["A ballad, slow."]


def test_errors_name_the_columns_that_are_there(tmp_path):
    write_rows(tmp_path, [{"file": "a.wav", "text": "x"}])
    with pytest.raises(
        DataSetError, match="has no columns 'file_name', 'caption'; it has 'file', 'text': rename the col"
    ):
        load_pairs(tmp_path)
