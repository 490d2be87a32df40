import json

import numpy as np
import pytest

from kobza.checkpoint import Checkpoint
from kobza.data.synthetic import album, write_album
from kobza.evaluation import retrieval


def test_a_recording_is_embedded_as_the_library_does_it(tiny_checkpoint, tmp_path):
    from kobza import MusicLibrary

    write_album(tmp_path / "album", album()[:3])
    checkpoint = Checkpoint.load(str(tiny_checkpoint))
    with MusicLibrary.open(tmp_path / "library", checkpoint) as library:
        library.add([tmp_path / "album"])
        track = next((tmp_path / "album").glob("*.flac"))
        hits = {str(hit.track.path): hit.score for hit in library.search("slow piano", 3)}
    text = checkpoint.embed_text(["slow piano"])[0]
    assert text @ retrieval.embed_recording(checkpoint, track) == pytest.approx(hits[str(track)], abs=2e-3)


def test_the_command_prints_both_directions(tiny_checkpoint, tmp_path, capsys):
    write_album(tmp_path, album()[:4])
    retrieval.main([str(tiny_checkpoint), str(tmp_path)])
    printed = capsys.readouterr().out
    assert "4 pairs" in printed and "R@10 1.000" in printed  # of four, everything is among the first ten
    assert "text -> music" in printed and "music -> text" in printed


def test_pairs_are_read_in_order(tmp_path):
    rows = [{"file_name": "b.wav", "caption": "née"}, {"file_name": "a.wav", "caption": "x"}]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n", encoding="utf-8")
    assert retrieval.read_pairs(tmp_path) == [(tmp_path / "b.wav", "née"), (tmp_path / "a.wav", "x")]


def test_a_folder_without_captions_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"has no metadata\.jsonl"):
        retrieval.read_pairs(tmp_path)


def test_unit_length(tiny_checkpoint, tmp_path):
    write_album(tmp_path, album()[:1])
    vector = retrieval.embed_recording(Checkpoint.load(str(tiny_checkpoint)), next(tmp_path.glob("*.flac")))
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
