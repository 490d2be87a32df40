"""The benchmark of robustness, on few pieces."""

import numpy as np
import pytest
from recordings import ToneEmbedder, tone, write

from kobza.benchmarks import robustness


@pytest.fixture
def folder(tmp_path):
    for i, hertz in enumerate((300, 700, 1500)):
        write(tmp_path / "music" / f"{i}.flac", tone(hertz, 12, 44_100) + 0.1 * tone(5000, 12, 44_100), 44_100)
    write(tmp_path / "music" / "silent.flac", np.zeros(5 * 16_000))
    (tmp_path / "music" / "bad.mp3").write_bytes(b"no music")
    return tmp_path / "music"


def test_each_change_has_a_cosine_of_each_recording(folder, monkeypatch, capsys):
    asked = []

    def load(name, **options):
        asked.append(options)
        return ToneEmbedder()

    monkeypatch.setattr("kobza.embedding.loader.load_embedder", load)
    robustness.main([str(folder)])
    assert asked == [{"arithmetic": "float32"}]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("left out: ") and lines[1].split() == ["recordings:", "3", "mean", "worst"]
    figures = {line[:28].strip(): tuple(map(float, line[28:].split())) for line in lines[2:]}
    assert {"resampled by torchaudio", "file of 22.05 kHz", "Opus, 24 kbit/s", "-40 dB"} <= figures.keys()
    assert all(mean >= worst > 0.9 for mean, worst in figures.values())  # tones that no change can hide


def test_what_changes_the_vector_is_seen(folder):
    class Level(ToneEmbedder):
        """Hears loudness only."""

        def _embed(self, window):
            return np.array([np.cos(30 * abs(window).mean()), np.sin(30 * abs(window).mean())], np.float32)

    cosines = robustness.measure([folder / "0.flac"], Level(dim=2))
    assert cosines["-20 dB"][0] < 0.9 < cosines["file of 48 kHz"][0]


def test_a_folder_without_music_is_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("kobza.embedding.loader.load_embedder", lambda name, **_: ToneEmbedder())
    with pytest.raises(SystemExit) as leaving:
        robustness.main([str(tmp_path)])
    assert leaving.value.code == 1
    assert capsys.readouterr().err == "None of the recordings can be used: give a folder of music.\n"
