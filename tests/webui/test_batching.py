import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from recordings import ToneEmbedder, tone

from kobza.embedding.embedder import Embedder
from kobza.webui.batching import WINDOWS_AT_ONCE, AnswerCache, RecentlyUsed, SharedEmbedder


class SlowEmbedder(ToneEmbedder):
    """Notes the batches of texts, and embeds when it may."""

    def __init__(self):
        super().__init__()
        self.batches, self.steps = [], []
        self.may_go_on = threading.Event()
        self.has_begun = threading.Event()

    def embed_text(self, texts):
        self.batches.append(list(texts))
        self.has_begun.set()
        assert self.may_go_on.wait(30)
        if "bad" in texts:
            raise ValueError("bad text")
        return super().embed_text([f"tone {text}" for text in texts])

    def embed_windows(self, windows):
        self.steps.append(len(windows))
        return super().embed_windows(windows)


def test_queries_of_a_moment_are_one_batch_and_each_gets_its_own():
    slow = SlowEmbedder()
    shared = SharedEmbedder(slow)
    assert isinstance(shared, Embedder)
    texts = [str(hertz) for hertz in range(300, 340)]
    with ThreadPoolExecutor(41) as pool:
        first = pool.submit(shared.embed_text, ["200"])
        assert slow.has_begun.wait(30)
        others = [pool.submit(shared.embed_text, [text, "300"]) for text in texts]
        while len(shared._waiting) < len(texts):
            pass
        slow.may_go_on.set()
        answers = [other.result() for other in others]
    assert first.result().shape == (1, slow.dim)
    assert slow.batches[0] == ["200"] and sorted(slow.batches[1]) == texts and len(slow.batches) == 2
    expected = ToneEmbedder().embed_text([f"tone {text}" for text in texts])
    assert np.allclose(np.stack([answer[0] for answer in answers]), expected)
    assert all(np.allclose(answer[1], expected[0]) for answer in answers)
    shared.embed_text(["305", "305"])
    assert len(slow.batches) == 2  # known


def test_an_error_reaches_who_asked_and_is_not_kept():
    slow = SlowEmbedder()
    slow.may_go_on.set()
    shared = SharedEmbedder(slow)
    for _ in range(2):
        with pytest.raises(ValueError, match="bad text"):
            shared.embed_text(["bad"])
    assert len(slow.batches) == 2 and shared.embed_text(["440"]).shape == (1, slow.dim)
    assert shared.embed_text([]).shape == (0, slow.dim)


def test_a_clip_lets_queries_pass():
    slow = SlowEmbedder()
    shared = SharedEmbedder(slow)
    windows = [tone(200 + 100 * i, 1) for i in range(5)]
    with ThreadPoolExecutor(2) as pool:
        query = pool.submit(shared.embed_text, ["440"])
        assert slow.has_begun.wait(30)
        clip = pool.submit(shared.embed_windows, windows)
        assert not clip.done() and not slow.steps  # waits for the query
        slow.may_go_on.set()
        vectors = clip.result()
        query.result()
    assert max(slow.steps) == WINDOWS_AT_ONCE and sum(slow.steps) == 5
    assert np.allclose(vectors, ToneEmbedder().embed_windows(windows), atol=1e-6)


def test_a_clip_ends_while_queries_never_do():
    slow = SlowEmbedder()
    shared = SharedEmbedder(slow)
    with ThreadPoolExecutor(1) as pool:
        query = pool.submit(shared.embed_text, ["440"])
        assert slow.has_begun.wait(30)
        assert shared.embed_windows([tone(200, 1)]).shape == (1, slow.dim)
        slow.may_go_on.set()
        query.result()


def test_equal_questions_are_computed_once():
    cache: AnswerCache[int] = AnswerCache(2)
    calls, go_on = [], threading.Event()

    def compute() -> int:
        calls.append(1)
        go_on.wait(30)
        return 7

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(cache.get, "key", compute) for _ in range(8)]
        while not calls:
            pass
        go_on.set()
        assert [one.result() for one in asked] == [7] * 8 and len(calls) == 1
    with pytest.raises(ZeroDivisionError):
        cache.get("other", lambda: 1 // 0)
    assert cache.get("other", lambda: 3) == 3


def test_the_last_used_are_kept():
    recent: RecentlyUsed[int] = RecentlyUsed(2)
    for key in "ab":
        recent.put(key, ord(key))
    assert recent.get("a") == 97
    recent.put("c", 99)
    assert recent.get("b") is None and recent.get("a") == 97 and recent.get("c") == 99
