import pytest

from kobza.benchmarks.training_cache import epoch_with_and_without_cache
from kobza.data.pairs import load_pairs
from kobza.synth.album import random_pieces, write_album


@pytest.mark.slow
def test_an_epoch_of_model_1_at_full_size_is_many_times_faster(tmp_path):
    """In processor time, which other programs disturb little; the README's figure is of 16 clips."""
    write_album(tmp_path, random_pieces(8, seed=0))
    cached, whole = epoch_with_and_without_cache(load_pairs(tmp_path).recordings)
    assert whole.processors > 20 * cached.processors
