"""How `kobza bench analysis` counts; the whole of it takes minutes and is not run."""

import numpy as np
import pytest

from kobza.benchmarks import analysis
from kobza.benchmarks.analyzers import ANALYZERS, installed_analyzers, kobza_analyzer
from kobza.library.musical_key import musical_key
from kobza.synth.album import album, write_album
from kobza.synth.styles import STYLES


def test_the_pieces_are_of_every_style_and_long_enough():
    styles = [piece.style for piece in analysis.pieces()]
    assert sorted(styles) == sorted(2 * list(STYLES))
    assert min(piece.seconds for piece in analysis.pieces()) > analysis.PIECE_SECONDS
    assert all(musical_key(piece.key) == piece.key for piece in analysis.pieces())


def test_accuracy_is_counted(tmp_path, monkeypatch):
    some = [piece for piece in album() if piece.style in ("jazz trio", "church organ")]
    write_album(tmp_path, some)
    monkeypatch.setattr(analysis, "pieces", lambda: some)
    paths = [tmp_path / f"{piece.name}.flac" for piece in some]
    answers = iter([(some[0].tempo / 2, ""), (some[1].tempo * 1.001, some[1].key)])
    found = analysis._accuracy("fake", lambda samples, rate: next(answers, (None, "")), 16000, paths)
    assert found.value == 50
    for part in ("octave 50 %, wrong 0 %, unknown 0 %, median error 0.100 %", "key: right 50 %", "unknown 50 %"):
        assert part in found.note, found.note
    loudness = analysis._loudness(paths)
    assert abs(loudness.value) < 1  # these are narrow stereo


@pytest.mark.parametrize("rate", [16000, 44100])
def test_clicks_have_their_tempo(rate):
    assert kobza_analyzer(analysis._clicks(110, rate), rate)[0] == pytest.approx(110, rel=0.002)


def test_only_installed_analyzers_are_run(monkeypatch):
    monkeypatch.setitem(ANALYZERS, "absent", ("no_such_module", 16000, lambda samples, rate: (None, "")))
    assert "absent" not in installed_analyzers() and any("sonara" in name for name in installed_analyzers())
    assert np.isfinite(analysis._clicks(60, 16000)).all()
