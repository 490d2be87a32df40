from kobza.benchmarks.library_search import FILTERS, run


def test_synthetic_library_is_measured(tmp_path):
    costs, searches = run(2400, tmp_path, queries=10)
    assert costs.database > 0 and costs.fill > 0 and costs.search_files == 0
    assert [(row.by, row.where) for row in searches] == [(by, where) for by in ("track", "moment") for where in FILTERS]
    for row in searches:
        assert row.recall == 1 and 0 < row.p50 <= row.p95 and row.windows == 2400
        assert row.matching == 100 if row.where == "none" else row.matching < 100
