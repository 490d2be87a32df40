"""transformers' own tests on Kobza's classes: `pytest -m slow tests/peer`.

Their base classes come with the source distribution of transformers, so the files here cannot even be imported without
it: they are collected only where slow tests are wanted. The distribution is fetched once, with pip, into the user's
cache. Its pipeline tests are not in it (only their frame, which opens tiny models of the Hub): zero-shot audio
classification on a Kobza checkpoint is tested by tests/model/test_pipeline.py.
"""


def pytest_ignore_collect(collection_path, config):
    return True if config.option.markexpr == "not slow" and collection_path.name.startswith("test_peer") else None
