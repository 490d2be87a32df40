import json
from pathlib import Path

import pytest
from recordings import tone, write

from kobza.data.formats import FORMATS, markdown_table, part_help
from kobza.data.recordings import DataSetError
from kobza.data.sets import LOADERS, load_data_set

JAMENDO_HEAD = "TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS\n"
JAMENDO = {
    "test": "track_0004887\tartist_000696\talbum_000751\t87/4887.mp3\t251.7\tgenre---rock\tinstrument---piano\n"
    "track_0000214\tartist_000014\talbum_000031\t14/214.mp3\t124.6\tgenre---punkrock\n"
    "track_0000215\tartist_000014\talbum_000031\t15/215.mp3\t151.4\tgenre---metal\n",
    "train": "track_0000216\tartist_000014\talbum_000031\t16/216.mp3\t100.0\tmood/theme---sad\n",
}


@pytest.mark.parametrize("name", ["{}.mp3", "audio-low/{}.low.mp3"])
def test_mtg_jamendo(tmp_path, name):
    tables = tmp_path / "data" / "splits"
    for number in (0, 1):  # the second has other tracks, and is not asked for
        (tables / f"split-{number}").mkdir(parents=True)
        for split, rows in JAMENDO.items():
            text = JAMENDO_HEAD + (rows if number == 0 else "track_1\ta\tb\t01/1.mp3\t9.0\tgenre---pop\n")
            (tables / f"split-{number}" / f"autotagging-{split}.tsv").write_text(text)
    for track in ("87/4887", "14/214", "01/1"):
        write(tmp_path / name.format(track), tone(300, 0.5))
    data = load_data_set(f"mtg_jamendo:{tmp_path}")
    assert [r.tags for r in data.recordings] == [("rock", "piano"), ("punkrock",)]
    assert data.recordings[0].id == name.format("87/4887") and data.task == "tagging"
    assert data.vocabulary == ("metal", "piano", "punkrock", "rock", "sad")  # the same in every split
    assert data.skipped == (("15/215.mp3", "autotagging-test.tsv lists it, but it is missing"),)
    assert data.split == "all-test"
    with pytest.raises(DataSetError, match=r"has no autotagging_genre-test\.tsv"):
        load_data_set(f"mtg_jamendo:{tmp_path}@genre")


OPENMIC = """sample_key,instrument,relevance,num_responses
000046_3840,clarinet,0.17105,3
000046_3840,mallet_percussion,0.9,3
000135_483840,banjo,0.5,3
000139_119040,banjo,0.0,3
"""


def test_openmic_says_what_nobody_judged(tmp_path):
    (tmp_path / "openmic-2018-aggregated-labels.csv").write_text(OPENMIC)
    (tmp_path / "partitions").mkdir()
    (tmp_path / "partitions" / "split01_test.csv").write_text("000046_3840\n000135_483840\n")
    keys = [f"{number:06d}_0" for number in range(200)]
    (tmp_path / "partitions" / "split01_train.csv").write_text("\n".join(["000139_119040", *keys]) + "\n")
    for key in ("000046_3840", "000135_483840", "000139_119040"):
        write(tmp_path / "audio" / key[:3] / f"{key}.ogg", tone(300, 0.5))
    data = load_data_set(f"openmic:{tmp_path}")
    assert data.vocabulary == ("banjo", "clarinet", "mallet percussion")
    assert [(r.id, r.tags, r.judged) for r in data.recordings] == [
        ("audio/000/000046_3840.ogg", ("mallet percussion",), ("clarinet", "mallet percussion")),
        ("audio/000/000135_483840.ogg", ("banjo",), ("banjo",)),
    ]
    train = load_data_set(f"openmic:{tmp_path}@train")
    with pytest.raises(DataSetError, match="none of the") as error:  # its recordings are missing here
        load_data_set(f"openmic:{tmp_path}@validation")
    validating = int(str(error.value).split("none of the ")[1].split()[0])
    assert train.total + validating == 201 and 8 <= validating <= 35


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_any_set_of_tags(tmp_path, kind):
    rows = [{"file_name": f"{i}.wav", "tags": ["sad", "a piano"] if i % 2 else "fast"} for i in range(60)]
    if kind == "jsonl":
        (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    else:
        cells = ["\"['sad', 'a piano']\"" if i % 2 else "fast" for i in range(60)]
        (tmp_path / "metadata.csv").write_text(
            "file_name,tags\n" + "".join(f"{i}.wav,{c}\n" for i, c in enumerate(cells))
        )
    for i in range(60):
        (tmp_path / f"{i}.wav").write_bytes(b"")
    data = load_data_set(f"tags:{tmp_path}")
    assert data.vocabulary == ("a piano", "fast", "sad") and data.split is None
    assert [r.tags for r in data.recordings][:2] == [("fast",), ("sad", "a piano")]
    parts = [load_data_set(f"tags:{tmp_path}@{split}") for split in ("train", "validation", "test")]
    ids = [r.id for part in parts for r in part.recordings]
    assert sorted(ids) == sorted(r.id for r in data.recordings) and len(parts[0].recordings) > 40
    assert {part.vocabulary for part in parts} == {data.vocabulary}


def nsynth(folder, split, notes):
    """notes: {name: (family, source, pitch)}"""
    root = folder / f"nsynth-{split}"
    keys = ("instrument_family_str", "instrument_source_str", "pitch")
    for name in notes:
        write(root / "audio" / f"{name}.wav", tone(300, 0.2))
    table = {name: {"note_str": name, **dict(zip(keys, note, strict=True))} for name, note in notes.items()}
    (root / "examples.json").write_text(json.dumps(table))
    return folder


def test_nsynth(tmp_path):
    notes = {
        "bass_electronic_018-022-100": ("bass", "electronic", 22),
        "synth_lead_synthetic_1-60-50": ("synth_lead", "synthetic", 60),
    }
    nsynth(tmp_path, "test", notes)
    data = load_data_set(f"nsynth:{tmp_path}")
    assert [r.label for r in data.recordings] == ["bass", "synth lead"] and len(data.vocabulary) == 11
    assert data.recordings[0].id == "nsynth-test/audio/bass_electronic_018-022-100.wav" and data.split == "family-test"
    assert [r.label for r in load_data_set(f"nsynth:{tmp_path}@source").recordings] == ["electronic", "synthetic"]
    assert [r.label for r in load_data_set(f"nsynth:{tmp_path}@pitch-test").recordings] == ["22", "60"]
    with pytest.raises(DataSetError, match=r"has no examples\.json"):
        load_data_set(f"nsynth:{tmp_path}@train")


@pytest.mark.parametrize(
    ("spec", "table", "text", "sentence"),
    [
        ("mtg_jamendo:{}", "autotagging-test.tsv", "TRACK_ID,PATH\n", "is TRACK_ID,PATH, of MTG-Jamendo's tables"),
        (
            "mtg_jamendo:{}@rock",
            "autotagging-test.tsv",
            "",
            "no part 'rock': .* all, genre, .* as in all-test",
        ),
        ("openmic:{}", "openmic-2018-aggregated-labels.csv", "sample,relevance\n", "no columns 'sample_key', 'instr"),
        (
            "openmic:{}",
            "openmic-2018-aggregated-labels.csv",
            "sample_key,instrument,relevance\na,b,c\n",
            "is not a number",
        ),
        ("tags:{}", "metadata.csv", "file_name,labels\n", "no column 'tags'; it has 'file_name', 'labels'"),
        ("tags:{}", "metadata.csv", "file_name,tags\na.wav,sad\n", "none of the 1 recordings .*such as a.wav"),
        ("nsynth:{}", "nsynth-test/examples.json", "[", "is not JSON"),
        ("nsynth:{}", "nsynth-test/examples.json", '{"a": {"pitch": 3}}', "The note a .* no instrument_family_str"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, spec, table, text, sentence):
    (tmp_path / table).parent.mkdir(exist_ok=True)
    (tmp_path / table).write_text(text)
    with pytest.raises(DataSetError, match=sentence):
        load_data_set(spec.format(tmp_path))


def test_the_table_of_sets_is_complete():
    assert FORMATS.keys() == LOADERS.keys()
    page = Path(__file__).parents[2] / "docs" / "research.md"
    assert markdown_table() in page.read_text(encoding="utf-8")  # if not: put it there
    assert all(f"`{name}`" in markdown_table() and name in part_help() for name in FORMATS)
