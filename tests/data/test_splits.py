import json

import pytest
from made_sets import write_rows
from recordings import tone, write

from kobza.data.decoding_check import check_recordings
from kobza.data.pairs import load_pairs
from kobza.data.recordings import DataSetError
from kobza.data.sets import load_data_set
from kobza.data.splits import hash_fraction, split_pairs, write_split


def pairs(folder, count, captions=2):
    for k in range(count):
        write(folder / f"{k:03d}.wav", tone(100 + k, 0.1))
    rows = [{"file_name": f"{k:03d}.wav", "caption": f"{k} {c}"} for k in range(count) for c in range(captions)]
    write_rows(folder, rows)
    return folder


def test_hash_fractions_are_uniform_and_depend_on_the_seed():
    fractions = [hash_fraction(f"{k}") for k in range(4000)]
    assert all(0 <= fraction < 1 for fraction in fractions)
    assert all(abs(sum(p < edge for p in fractions) - 4000 * edge) < 130 for edge in (0.1, 0.25, 0.5, 0.75))
    assert fractions[:100] != [hash_fraction(f"{k}", seed=1) for k in range(100)]


def test_pairs_are_split_by_recording(tmp_path):
    parts = split_pairs(pairs(tmp_path, 100))
    train, validation, test = ({r.id for r in parts[name].recordings} for name in ("train", "validation", "test"))
    assert len(train | validation | test) == len(train) + len(validation) + len(test) == 100
    assert 2 <= len(validation) <= 20 and 2 <= len(test) <= 20
    assert {r.id for r in load_data_set(f"pairs:{tmp_path}@test").recordings} == test
    assert load_data_set(f"pairs:{tmp_path}").total == load_data_set(f"pairs:{tmp_path}@all").total == 200
    assert sum(len(part.recordings) for part in parts.values()) == 200
    assert {r.id for r in split_pairs(tmp_path, seed=1)["validation"].recordings} != validation
    with pytest.raises(DataSetError, match="has 1 pairs, too few: none would be left for"):
        split_pairs(pairs(tmp_path / "one", 1, captions=1))


def test_split_file_has_ids_rule_and_seed(tmp_path):
    parts = split_pairs(pairs(tmp_path / "pairs", 30), seed=4)
    write_split(tmp_path / "split.json", parts, "one in ten by hash", seed=4)
    written = json.loads((tmp_path / "split.json").read_text("utf-8"))
    assert written["rule"] == "one in ten by hash" and written["seed"] == 4
    assert written["splits"] == {name: [r.id for r in part.recordings[::2]] for name, part in parts.items()}
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_undecodable_recordings_are_skipped_with_a_reason(tmp_path):
    folder = pairs(tmp_path, 6, captions=1)
    (folder / "001.wav").write_bytes(b"RIFF, but no more")
    (folder / "002.wav").write_text("text")
    write(folder / "003.wav", tone(300, 0.01))
    data = check_recordings(load_pairs(folder))
    assert [r.id for r in data.recordings] == ["000.wav", "004.wav", "005.wav"] and data.total == 6
    assert [file for file, _ in data.skipped] == ["001.wav", "002.wav", "003.wav"]
    assert "002.wav cannot be read as a recording" in data.skipped[1][1]
    assert "shorter than 0.025 s" in data.skipped[2][1]
    for k in (0, 4, 5):
        (folder / f"{k:03d}.wav").write_bytes(b"RIFF")
    with pytest.raises(DataSetError, match=r"Of 6 recordings in .* none can be decoded: "):
        check_recordings(load_pairs(folder))
