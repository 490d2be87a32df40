"""Embedding on Ray: its actors in this process, and (slow) a cluster of two nodes that loses one in the middle."""

import os
import random
import time
from pathlib import Path

import pytest
from recordings import ToneEmbedder, counts, tone, write

from kobza import MusicLibrary
from kobza.library.ingest import ray as ray_engine
from kobza.library.ingest.ray import DecodingActor, EmbeddingActor, WindowSettings, embed_on_ray

FILES = 40


class SlowEmbedder(ToneEmbedder):
    def embed_windows(self, samples):
        time.sleep(0.05 * len(samples))
        return super().embed_windows(samples)


@pytest.fixture
def cluster(monkeypatch):
    import ray
    from ray.cluster_utils import Cluster

    here = Path(__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (here.parent / "src", here, here / "library"))))
    node = {"num_cpus": 2, "object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    cluster.second = cluster.add_node(**node)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


class InThisProcess:
    """Runs the actors as Ray Data does, in another order: the batches of all recordings are shuffled."""

    def __init__(self, jobs, embedder):
        decode, embed = DecodingActor(WindowSettings.of(embedder)), EmbeddingActor(embedder)
        decoded = [batch for number, job in enumerate(jobs) for batch in decode(ray_engine._to_batch([(number, job)]))]
        random.Random(1).shuffle(decoded)
        self.batches = map(embed, decoded)

    def iter_batches(self, **_):
        return self.batches


def test_the_actors_give_what_one_machine_gives(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "_dataset", InThisProcess)
    for i in range(5):
        write(tmp_path / "music" / f"{i}.flac", tone(100 + 50 * i, 3 + 9 * (i % 3)))
    write(tmp_path / "music" / "long.flac", tone(3000, 400))  # its windows are in several batches
    (tmp_path / "music" / "bad.mp3").write_bytes(b"no music")
    contents, reports, progress = [], [], []
    for engine in ({}, {"engine": embed_on_ray}):
        with MusicLibrary.open(tmp_path / f"library-{len(contents)}", ToneEmbedder()) as library:
            reports.append(library.add(tmp_path / "music", progress.append, **engine))
            contents.append({t.path: (t, state, starts, v.tobytes()) for t, state, starts, v in library.store.scan()})
    assert contents[0] == contents[1] and len(contents[0]) == 6
    assert reports[0].failed == reports[1].failed and len(reports[0].failed) == 1
    assert (progress[-1].done, progress[-1].total, progress[-1].fraction) == (7, 7, 1.0)


@pytest.mark.slow
def test_a_node_is_lost_and_every_track_is_there_once(tmp_path, cluster):
    for i in range(FILES):
        write(tmp_path / "music" / f"{i}.flac", tone(100 + 50 * i, 3 + 9 * (i % 3)))
    write(tmp_path / "music" / "long.flac", tone(3000, 400))  # its windows are in several batches
    (tmp_path / "music" / "bad.mp3").write_bytes(b"no music")
    with MusicLibrary.open(tmp_path / "local", ToneEmbedder()) as library:
        local = counts(library.add(tmp_path / "music"))
        expected = {t.path: (t, file_state, starts, v.tobytes()) for t, file_state, starts, v in library.store.scan()}
    lost = []

    def lose_a_node(progress):
        if progress.done >= 5 and not lost:
            cluster.remove_node(cluster.second, allow_graceful=False)
            lost.append(progress.done)

    embedded = []

    def engine(*args):
        for outcome in embed_on_ray(*args):
            embedded.append(outcome)
            yield outcome

    with MusicLibrary.open(tmp_path / "library", SlowEmbedder()) as library:
        report = library.add(tmp_path / "music", lose_a_node, engine=engine)
        assert lost and lost[0] < FILES
        assert counts(report) == local == (FILES + 1, 0, 0, 0, 0, 1) and len(embedded) == FILES + 2
        assert report.failed[0].path.endswith("bad.mp3") and "cannot be read as a recording" in report.failed[0].reason
        assert {
            t.path: (t, file_state, starts, v.tobytes()) for t, file_state, starts, v in library.store.scan()
        } == expected
        again = library.add(tmp_path / "music", engine=embed_on_ray)
        assert counts(again) == (0, 0, FILES + 1, 0, 0, 1)


@pytest.mark.slow
def test_a_checkpoint_of_torch_on_ray_at_an_address(tmp_path, cluster, tiny_checkpoint):
    write(tmp_path / "music" / "a.flac", tone(300, 12))
    with MusicLibrary.open(tmp_path / "local", tiny_checkpoint) as here:
        here.add(tmp_path / "music")
        (expected,) = here.store.scan()
    with MusicLibrary.open(tmp_path / "library", tiny_checkpoint) as library:
        assert library.add(f"file://{tmp_path}/music", engine=embed_on_ray).added == 1
        ((track, _, starts, vectors),) = library.store.scan()
    assert track.path == f"file://{tmp_path}/music/a.flac" and starts == expected[2]
    assert abs(vectors - expected[3]).max() < 2e-3
