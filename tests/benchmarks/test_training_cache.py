import pytest

from kobza.benchmarks.training_cache import time_epochs
from kobza.data.pairs import load_pairs
from kobza.synth.album import random_pieces, write_album


@pytest.mark.slow
def test_an_epoch_of_model_1_at_full_size_is_many_times_faster(tmp_path):
    """In CPU time, which other programs hardly disturb; docs/benchmarks.md has wall-clock time for 64 clips."""
    write_album(tmp_path, random_pieces(8, seed=0))
    cached, uncached = time_epochs(load_pairs(tmp_path).recordings)
    assert uncached.cpu > 20 * cached.cpu
