"""The benchmark of copies, on few pieces."""

from kobza import Checkpoint
from kobza.benchmarks import copies
from kobza.synth.album import random_pieces, write_album


def test_copies_are_found_and_counted(tmp_path):
    write_album(tmp_path, random_pieces(3, seed=5))
    result = copies.measure(sorted(tmp_path.glob("*.flac")), Checkpoint.load())
    assert set(result.found) == set(copies.FORMATS)
    assert all(count >= 2 for count in result.found.values())
    assert len(result.to_nearest) == 3 and max(result.to_nearest) < min(c[1] for c in result.to_original.values())
    assert result.mixed == 0
