"""The table of `kobza bench`; what it measures is no test's business."""

import json
import time

import pytest

from kobza.benchmarks import audio as speed_music
from kobza.benchmarks import lines as speed_lines
from kobza.benchmarks.runner import Line, as_json, as_row, side_by_side
from kobza.cli import main


def test_two_functions_take_turns_and_the_first_round_does_not_count():
    calls = []

    def slow():
        calls.append("slow")
        time.sleep(0.5 if len(calls) < 3 else 0.02)

    found = side_by_side(lambda: calls.append("fast"), slow, rounds=3)
    assert calls == ["fast", "slow"] * 4
    assert found.a < found.b < 0.4 and found.ratio > 1


def test_a_line_says_whether_its_aim_is_reached():
    more, less = Line("a", "one", "other", 2.5, "x", 3), Line("b", "one", "", 2.5, "s", 3, less=True, note="n")
    assert (more.reached, less.reached, Line("c", "one", "", 1.0, "").reached) == (False, True, None)
    assert as_row(more) == "| a | one | other | 2.5 x | >= 3 x (missed) |"
    assert as_row(less) == "| b | one | - | 2.5 s; n | <= 3 s |"
    rows = json.loads(as_json([more, less]))["lines"]
    assert [row["reached"] for row in rows] == [False, True]


def test_lines_are_shown_and_written_as_they_come(tmp_path, capsys, monkeypatch):
    def breaks():
        yield Line("half", "w", "", 1.0, "x")
        raise ModuleNotFoundError("No module named 'librosa'", name="librosa")

    lines = {"good": lambda: [Line("good", "w", "", 1.0, "x")], "bad": breaks}
    monkeypatch.setattr(speed_lines, "LINES", lines)
    assert main(["bench", "--json", str(tmp_path / "out.json")]) == 1
    out, err = capsys.readouterr()
    assert "bad needs librosa; get it with: pip install 'kobza[bench]'" in err
    assert "| good | w | - | 1 x |  |" in out
    assert json.loads((tmp_path / "out.json").read_text())["lines"][1]["name"] == "half"
    assert main(["bench", "nothing"]) == 1
    assert "no line 'nothing' to measure: choose from good, bad" in capsys.readouterr().err


@pytest.mark.parametrize("kind", speed_music.KINDS)
def test_the_made_music_is_what_it_says(kind, tmp_path):
    import numpy as np

    from kobza.audio import load_audio

    speed_music.encode(
        tmp_path / f"a.{kind}", np.zeros((2, 3 * speed_music.RATE), np.float32), *speed_music.KINDS[kind]
    )
    assert len(load_audio(tmp_path / f"a.{kind}")) == pytest.approx(48_000, abs=1200)
