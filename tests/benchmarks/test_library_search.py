from kobza.benchmarks.library_search import FILTERS, fill, run
from kobza.benchmarks.made_libraries import mixed_library, synthetic_library
from kobza.library.stores.base import open_store


def test_synthetic_library_is_measured(tmp_path):
    costs, searches = run(2400, tmp_path, queries=10)
    assert costs.database > 0 and costs.fill > 0 and costs.search_files == 0
    assert [(row.by, row.where) for row in searches] == [(by, where) for by in ("track", "moment") for where in FILTERS]
    for row in searches:
        assert row.recall == 1 and 0 < row.p50 <= row.p95 and row.windows == 2400
        assert row.matching == 100 if row.where == "none" else row.matching < 100


def test_libraries_are_mixed_of_real_windows(tmp_path):
    store = open_store(tmp_path)
    fill(store, list(synthetic_library(480)))
    store.close()
    tracks = list(mixed_library(2400, tmp_path))
    assert len({track.path for track, _ in tracks}) == 100
    real = [vectors for _, vectors in synthetic_library(480)]
    for _, vectors in tracks:
        cosines = [float((vectors.astype(float) @ others.T.astype(float)).max()) for others in real]
        assert vectors.shape == (24, 128) and 0.7 < max(cosines) < 1
