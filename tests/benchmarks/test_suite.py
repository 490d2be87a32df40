"""How `kobza bench` times, reports and selects; the benchmarks themselves take minutes and are not run."""

import json
import time
from pathlib import Path

import pytest

from kobza.benchmarks import audio, suite
from kobza.benchmarks.runner import Measurement, as_json, as_row, side_by_side
from kobza.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def test_functions_alternate_and_the_first_round_is_not_counted():
    calls = []

    def slow():
        calls.append("slow")
        time.sleep(0.5 if len(calls) < 3 else 0.02)

    found = side_by_side(lambda: calls.append("fast"), slow, rounds=3)
    assert calls == ["fast", "slow"] * 4
    assert found.a < found.b < 0.4 and found.ratio > 1


def test_rows_show_whether_the_target_is_reached():
    more = Measurement("a", "one", "other", 2.5, "x", 3)
    less = Measurement("b", "one", "", 2.5, "s", 3, lower_is_better=True, note="n")
    without = Measurement("c", "one", "", 1.0, "")
    assert [measurement.target_reached for measurement in (more, less, without)] == [False, True, None]
    assert as_row(more) == "| a | one | other | 2.5 x | >= 3 x (not reached) |"
    assert as_row(less) == "| b | one | - | 2.5 s; n | <= 3 s |"
    rows = json.loads(as_json([more, less]))["lines"]
    assert [row["reached"] for row in rows] == [False, True]


def test_measurements_are_printed_and_written_at_once(tmp_path, capsys, monkeypatch):
    def breaks():
        yield Measurement("half", "w", "", 1.0, "x")
        raise ModuleNotFoundError("No module named 'librosa'", name="librosa")

    benchmarks = {"good": lambda: [Measurement("good", "w", "", 1.0, "x")], "bad": breaks}
    monkeypatch.setattr(suite, "BENCHMARKS", benchmarks)
    assert main(["bench", "--json", str(tmp_path / "out.json")]) == 1
    out, err = capsys.readouterr()
    assert "The benchmark bad needs librosa: run `pip install 'kobza[bench]'`." in err
    assert "| good | w | - | 1 x |  |" in out
    assert json.loads((tmp_path / "out.json").read_text())["lines"][1]["name"] == "half"
    assert main(["bench", "nothing"]) == 1
    assert "no benchmark 'nothing': choose from good, bad" in capsys.readouterr().err


@pytest.mark.parametrize("name", suite.BENCHMARKS)
def test_page_about_benchmarks_has_each(name):
    text = PAGE.read_text(encoding="utf-8")
    assert f"\n| {name} | " in text or f"`kobza bench {name}`" in text


@pytest.mark.parametrize("kind", audio.FORMATS)
def test_encoded_tracks_can_be_decoded(kind, tmp_path):
    import numpy as np

    from kobza.audio import load_audio

    audio.encode(tmp_path / f"a.{kind}", np.zeros((2, 3 * audio.SAMPLING_RATE), np.float32), *audio.FORMATS[kind])
    assert len(load_audio(tmp_path / f"a.{kind}")) == pytest.approx(48_000, abs=1200)
