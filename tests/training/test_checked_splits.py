"""What a folder's pairs lose is told, and a folder is checked once (by several processes: test_distributed.py)."""

import json
import wave

import pytest

from kobza.data import decoding_check
from kobza.data.checked_files import CheckedFiles
from kobza.data.pairs import load_pairs
from kobza.data.recording_identity import sound_key
from kobza.data.recordings import DataSetError
from kobza.training.checked_splits import checked_splits, lost_pairs
from kobza.training.run import main


def make_folder(folder, lost: int, n: int = 30):
    """n tones with a row each; the rows of the first `lost` name their files wrongly."""
    folder.mkdir()
    rows = []
    for k in range(n):
        with wave.open(str(folder / f"{k}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(bytes(range(1, 200)) * 40)
        rows.append({"file_name": f"clips\\{k}.wav" if k < lost else f"{k}.wav", "caption": f"A tone, {k}."})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_lost_pairs_are_told_on_the_screen_in_the_card_and_in_the_split(tmp_path, capsys):
    folder = make_folder(tmp_path / "data", lost=14)
    (folder / "29.wav").write_bytes(b"no sound")
    quick = ["--init=tiny", "--per_device_train_batch_size=4", "--max_steps=1", "--use_cpu"]
    assert main(["model_1", "--data", str(folder), *quick, f"--output_dir={tmp_path / 'run'}"]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("skipped: ")]
    assert lines[0] == "skipped: clips\\0.wav: metadata.jsonl lists it, but it is missing"
    assert len(lines) == 11 and lines[-1] == "skipped: and 5 more, which split.json names"
    assert "pairs. 15 more could not be used." in (tmp_path / "run" / "README.md").read_text()
    skipped = json.loads((tmp_path / "run" / "split.json").read_text())["skipped"]
    assert "clips\\13.wav" in skipped and "cannot be read" in skipped["29.wav"] and "0.wav" in skipped


def test_more_than_half_lost_is_an_error(tmp_path):
    data = load_pairs(make_folder(tmp_path / "data", lost=16))
    with pytest.raises(
        DataSetError, match=r"Of 30 pairs 16 cannot be used \(the first: clips.0\.wav: metadata.jsonl li"
    ):
        checked_splits({"train": data})
    half = load_pairs(make_folder(tmp_path / "half", lost=15))
    assert len(lost_pairs(checked_splits({"train": half, "validation": half})[0])) == 15  # not twice


def test_a_folder_is_checked_once_and_changed_files_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = make_folder(tmp_path / "data", lost=0, n=5)
    (folder / "4.wav").write_bytes(b"no sound")
    decoded = []
    check = decoding_check.decoding_error
    monkeypatch.setattr(decoding_check, "decoding_error", lambda path: (decoded.append(path.name), check(path))[1])
    for expected in (["0.wav", "1.wav", "2.wav", "3.wav", "4.wav"], ["4.wav"], ["1.wav", "4.wav"]):
        decoded.clear()
        checked, sounds = checked_splits({"train": load_pairs(folder)})
        assert len(checked["train"].recordings) == 4 and sorted(decoded) == expected
        assert sounds == {r.path: sound_key(r.path) for r in checked["train"].recordings}
        with (folder / "1.wav").open("ab") as file:
            file.write(b"\0" * 2 * (decoded == ["4.wav"]))
    (tmp_path / "cache" / "kobza" / "decodable.sqlite").write_bytes(b"no database" * 100)
    assert CheckedFiles().known([folder / "0.wav"]) == {}
    assert len(checked_splits({"train": load_pairs(folder)})[0]["train"].recordings) == 4
