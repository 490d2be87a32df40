import functools
import http.server
import io
import itertools
import json
import logging
import re
import tarfile
import threading

import numpy as np
import pytest
from recordings import tone, write
from torch.utils.data import DataLoader

from kobza.data.recordings import DataSetError
from kobza.training.dataset import PairCollator
from kobza.training.shard_names import find_shards, open_shards
from kobza.training.streaming import PairStream

COUNT, SHARDS = 14, 4


def add(tar, name, data: bytes):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


@pytest.fixture(scope="module")
def shards(tmp_path_factory) -> list[str]:
    """Examples 0 to 13 over four shards; captions in json or in txt, some with aspects, one longer than a window."""
    folder, paths = tmp_path_factory.mktemp("shards"), []
    for shard in range(SHARDS):
        paths.append(str(folder / f"{shard:03d}.tar"))
        with tarfile.open(paths[-1], "w") as tar:
            for k in range(shard, COUNT, SHARDS):
                kind = ("flac", "mp3", "wav")[k % 3]
                sound = write(folder / f"x.{kind}", tone(200 + 50 * k, 12.0 if k == 5 else 0.5)).read_bytes()
                add(tar, f"{k:03d}.{kind}", sound)
                if k % 2:
                    add(tar, f"{k:03d}.txt", f"caption {k}\n".encode())
                else:
                    add(
                        tar,
                        f"{k:03d}.json",
                        json.dumps({"caption": f"caption {k}", "aspect_list": ["a", "b"]}).encode(),
                    )
    return paths


@pytest.fixture
def served(shards):
    """The shards' folder over HTTP: the address."""
    folder = shards[0].rsplit("/", 1)[0]

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def stream(shards, **options) -> PairStream:
    return PairStream([open_shards(shards)], **options)


def numbers(items) -> list[int]:
    return [int(item["text"].split()[-1]) for item in items]


def test_validation_reads_each_pair_once_in_order(shards, tiny_processor):
    items = list(stream(shards))
    assert numbers(items) == [k for shard in range(SHARDS) for k in range(shard, COUNT, SHARDS)]
    assert items[0]["key"] == "000.tar/000" and max(len(item["audio"]) for item in items) == 160_000
    first = np.fft.rfft(items[1]["audio"][:8000])
    assert abs(first).argmax() / 8000 * 16000 == pytest.approx(400, abs=4)  # example 4: its own sound
    assert PairCollator(tiny_processor)(items[:3])["input_values"].shape == (3, 1024, 128)


def test_shards_are_paths_braces_or_urls(shards, served):
    folder = shards[0].rsplit("/", 1)[0]
    assert find_shards(folder + "/{000..003}.tar") == shards
    assert numbers(stream(served + "/{000..003}.tar")) == numbers(stream(shards))
    with pytest.raises(DataSetError, match="has no tar or Parquet files"):
        find_shards([])
    with pytest.raises(DataSetError, match=r"The shard .*/004\.tar cannot be read .*FileNotFoundError"):
        list(stream(served + "/004.tar"))


@pytest.mark.parametrize("world,workers", [(2, 0), (2, 2), (3, 2), (1, 2)])
def test_processes_and_workers_share_without_duplicates(shards, monkeypatch, world, workers):
    """(3, 2): six readers of four shards."""
    seen = []
    for rank in range(world):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", str(world))
        part = numbers(DataLoader(stream(shards), batch_size=None, num_workers=workers))
        assert part
        seen += part
    assert sorted(seen) == list(range(COUNT))


def test_training_is_endless_in_new_orders(shards):
    pairs = stream(shards, train=True, text="mix", seed=1)
    items = list(itertools.islice(pairs, 3 * COUNT))
    epochs = [sorted(item["key"] for item in items[k : k + COUNT]) for k in range(0, 3 * COUNT, COUNT)]
    assert epochs[0] == epochs[1] == epochs[2] and len(set(epochs[0])) == COUNT
    orders = [[item["key"] for item in items[k : k + COUNT]] for k in range(0, 3 * COUNT, COUNT)]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    again = list(itertools.islice(stream(shards, train=True, text="mix", seed=1), 3 * COUNT))
    assert [i["text"] for i in again] == [i["text"] for i in items] and [i["mask_seed"] for i in again] == [
        i["mask_seed"] for i in items
    ]
    pairs.set_epoch(1)
    assert [i["mask_seed"] for i in itertools.islice(pairs, COUNT)] == [
        i["mask_seed"] for i in items[COUNT : 2 * COUNT]
    ]


def test_broken_examples_are_logged_and_skipped(tmp_path, shards, caplog):
    bad = tmp_path / "bad.tar"
    sound = write(tmp_path / "x.flac", tone(300, 0.5)).read_bytes()
    with tarfile.open(bad, "w") as tar:
        for name, data in (
            ("1.flac", b"no sound"), ("1.txt", b"text"), ("2.txt", b"text"), ("3.flac", sound), ("4.flac", sound),
            ("4.json", b"{"), ("5.flac", sound), ("5.json", b"[1]"), ("6.flac", sound), ("6.txt", b"good 6"),
            ("7.flac", sound), ("7.json", b'{"caption": 7}'),
        ):  # fmt: skip
            add(tar, name, data)
    with caplog.at_level(logging.WARNING):
        assert numbers(stream([str(bad)])) == [6]
    for sentence in (
        "1 .*cannot be read as",
        "2 .*no audio",
        "3 .*no caption",
        "4 ",
        "5 .*not an object",
        "7 .*no cap",
    ):
        assert any(re.match("bad.tar/" + sentence, record.getMessage()) for record in caplog.records), sentence

    cut = tmp_path / "cut.tar"
    with open(shards[0], "rb") as whole:
        cut.write_bytes(whole.read(3000))
    with pytest.raises(DataSetError, match=r"The shard .*cut\.tar cannot be read completely"):
        list(stream([str(cut)]))
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        items = list(itertools.islice(stream([str(cut), shards[1]], train=True), 8))
    assert {k % SHARDS for k in numbers(items)} == {1} and "cut.tar" in caplog.text
    with pytest.raises(DataSetError, match="hold no usable pair"):
        list(stream([str(cut)], train=True))
