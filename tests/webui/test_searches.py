"""Searches by description in one thread, with the texts of a moment in one batch."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from recordings import ToneEmbedder, tone, write

from kobza.library import LibraryError, MusicLibrary
from kobza.webui.batching import SharedEmbedder
from kobza.webui.errors import PageError
from kobza.webui.searches import Search, Searches


class SlowEmbedder(ToneEmbedder):
    """Notes the batches of texts, and embeds when it may."""

    def __init__(self):
        super().__init__()
        self.batches = []
        self.has_begun = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def embed_text(self, texts):
        self.has_begun.set()
        assert self.may_go_on.wait(30)
        self.batches.append(list(texts))
        if "tone 666" in texts:
            raise ValueError("bad text")
        return super().embed_text(texts)


@pytest.fixture
def embedder():
    return SlowEmbedder()


@pytest.fixture
def searches(embedder, tmp_path):
    for hertz in (200, 440, 1000):
        write(tmp_path / "music" / f"{hertz}.flac", tone(hertz, 3.0), title=f"Tone {hertz}")
    with MusicLibrary.open(tmp_path / "library", SharedEmbedder(embedder)) as library:
        library.add(tmp_path / "music")
        searches = Searches(lambda: library, library.embedder)
        searches.ask(Search("tone 300"))  # which embeds the references of the scores, too
        embedder.batches.clear()
        yield searches
        searches.close()


def ask_together(searches, embedder, texts):
    """The answers or errors of texts that come while another is searched for."""
    embedder.has_begun.clear()
    embedder.may_go_on.clear()
    with ThreadPoolExecutor(40) as pool:
        first = pool.submit(searches.ask, Search("tone 50"))
        assert embedder.has_begun.wait(30)
        asked = [pool.submit(searches.ask, Search(text, k=1, match="sound")) for text in texts]
        while searches._waiting.qsize() < len(texts):
            pass
        embedder.may_go_on.set()
        first.result()
        return [one.exception() or one.result() for one in asked]


def test_texts_of_a_moment_are_one_batch_and_each_has_its_own_answer(searches, embedder):
    texts = [f"tone {hertz}" for hertz in range(190, 210)] + ["tone 1000"]
    answers = ask_together(searches, embedder, texts)
    assert embedder.batches == [["tone 50"], texts]
    assert [answer.hits[0].track.title for answer in answers] == ["Tone 200"] * 20 + ["Tone 1000"]
    assert answers[-1].query.terms[0].text == "tone 1000"


def test_an_error_is_only_that_of_who_asked(searches, embedder):
    good, empty, bad = ask_together(searches, embedder, ["tone 440", " ", "tone 666"])
    assert good.hits[0].track.title == "Tone 440"
    assert isinstance(empty, LibraryError) and isinstance(bad, ValueError)


def test_after_the_end_nobody_waits(searches):
    searches.close()
    with pytest.raises(PageError, match="stopping"):
        searches.ask(Search("tone 440"))
