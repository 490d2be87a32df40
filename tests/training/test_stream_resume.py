"""A stream goes on where it stopped, reading nothing twice; sources are mixed by weights, from any kind of file."""

import io
import itertools
import json
import tarfile
from collections import Counter

import pytest
from recordings import tone, write
from torch.utils.data import DataLoader

from kobza.audio import load_audio
from kobza.data.recordings import DataSetError, Recording
from kobza.training import streaming
from kobza.training.arguments import DataArguments
from kobza.training.data_sources import is_stream, load_splits, stream_sources
from kobza.training.pair_sources import FolderSource, Place, Share
from kobza.training.shard_names import open_shards
from kobza.training.stream_state import Position, StreamState
from kobza.training.streaming import PairStream

COUNT = 10


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    return [write(folder / f"{k}.flac", tone(200 + 40 * k, 0.2)) for k in range(COUNT)]


@pytest.fixture(scope="module")
def shards(sounds, tmp_path_factory):
    """Two tar files of five examples, each with two captions."""
    folder, paths = tmp_path_factory.mktemp("tar"), []
    for shard in range(2):
        paths.append(str(folder / f"{shard}.tar"))
        with tarfile.open(paths[-1], "w") as tar:
            for k in range(shard, COUNT, 2):
                row = json.dumps({"captions": [f"tar {k}", f"tar {k} again"]}).encode()
                for name, data in ((f"{k}.flac", sounds[k].read_bytes()), (f"{k}.json", row)):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    return paths


@pytest.fixture(scope="module")
def parquet(sounds, tmp_path_factory):
    """A file of ten rows in groups of three, as `datasets` writes it."""
    import pyarrow
    import pyarrow.parquet

    path = tmp_path_factory.mktemp("parquet") / "train.parquet"
    audio = [{"bytes": sound.read_bytes(), "path": sound.name} for sound in sounds]
    columns = {"audio": audio, "caption": [f"row {k}" for k in range(COUNT)], "tags": [["a", "b"]] * COUNT}
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=3)
    return str(path)


def folder_source(sounds):
    return FolderSource([Recording(path, path.name, caption=f"folder {path.stem}") for path in sounds])


@pytest.fixture
def make_stream(sounds, shards, parquet, monkeypatch):
    monkeypatch.setattr(streaming, "SHUFFLE_BLOCK_SIZE", 4)

    def make(**options):
        sources = [open_shards(shards), open_shards(parquet), folder_source(sounds)]
        return PairStream(sources, [1.0, 2.0, 3.0], train=True, seed=5, **options)

    return make


def same(one, two):
    return [(item["text"], item["mask_seed"], item["key"]) for item in one] == [
        (item["text"], item["mask_seed"], item["key"]) for item in two
    ]


def test_any_position_is_a_start_and_nothing_before_it_is_decoded(make_stream, monkeypatch, tmp_path):
    whole = list(itertools.islice(make_stream(), 70))
    decoded = []
    make_pair = PairStream.make_pair
    monkeypatch.setattr(PairStream, "make_pair", lambda *args: (decoded.append(1), make_pair(*args))[1])
    for n in (1, 4, 17, 40, 60):
        state = StreamState()
        for item in whole[:n]:
            state.add(item["position"])
        state.save(tmp_path, 0)
        resumed = make_stream()
        resumed.state = StreamState.load(tmp_path, 0, 1, 1)
        decoded.clear()
        assert same(itertools.islice(resumed, 10), whole[n : n + 10]) and len(decoded) == 10


def batches_of(stream, workers, count, start=None):
    stream.state = start
    loader = DataLoader(stream, batch_size=3, collate_fn=list, num_workers=workers)
    return list(itertools.islice(loader, count))


@pytest.mark.parametrize("done", [1, 4, 5])
def test_workers_go_on_in_turn(make_stream, done, tmp_path):
    whole = batches_of(make_stream(), 2, 9)
    state = StreamState(workers=2)
    for batch in whole[:done]:
        state.add(batch[-1]["position"])
    state.save(tmp_path, 0)
    resumed = batches_of(make_stream(), 2, 9 - done, StreamState.load(tmp_path, 0, 1, 2))
    assert all(same(one, two) for one, two in zip(resumed, whole[done:], strict=True))


def test_another_number_of_workers_goes_on_with_the_next_epoch(make_stream, tmp_path, capsys):
    state = StreamState(workers=2, positions={1: Position(1, 9, 0, ((0, 0, 3, 1), (1, 0, 0, 0), (0, 0, 0, 2)))})
    state.save(tmp_path, 0)
    other = StreamState.load(tmp_path, 0, 2, 1)
    assert other.positions == {0: Position(0, 0, 0, ((1, 0, 0, 0), (2, 0, 0, 0), (1, 0, 0, 0)))}
    assert "processes=1 and workers=2, not 2 and 1: the stream goes on with its next" in capsys.readouterr().err


def item_of(recording):
    return {"text": recording.caption, "key": recording.id}


def test_sources_are_drawn_from_by_weight(make_stream, monkeypatch):
    monkeypatch.setattr(PairStream, "make_pair", lambda self, recording, audio, rng: item_of(recording))
    items = list(itertools.islice(make_stream(), 600))
    kinds = Counter(item["text"].split()[0] for item in items)
    assert abs(kinds["tar"] - 100) < 40 and abs(kinds["row"] - 200) < 50 and abs(kinds["folder"] - 300) < 60
    assert len({item["key"] for item in items}) == COUNT  # they have the same recordings
    of_folder = [item["text"] for item in items if item["text"].startswith("folder")]
    assert all(len(set(of_folder[k : k + COUNT])) == COUNT for k in range(0, 2 * COUNT, COUNT))  # whole epochs
    captions = Counter(item["text"] for item in items if item["text"].startswith("tar"))
    assert all(captions[f"tar {k}"] and captions[f"tar {k} again"] for k in range(COUNT))


def write_rows(path, columns):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return open_shards([str(path)])


def test_rows_of_one_recording_are_drawn_once_in_turn(sounds, monkeypatch, tmp_path):
    audio = [sound.read_bytes() for sound in (sounds[0], *sounds[:4], sounds[0])]
    rows = write_rows(tmp_path / "rows.parquet", {"audio": audio, "caption": ["0 a", "0 b", "1", "2", "3", "0 c"]})
    items = list(itertools.islice(PairStream([rows], train=True), 12))
    epochs = [items[k : k + 4] for k in (0, 4, 8)]
    assert all(len({item["key"] for item in epoch}) == 4 for epoch in epochs)
    assert {item["text"] for item in items} == {"0 a", "0 b", "0 c", "1", "2", "3"}
    resumed = PairStream([rows], train=True)
    resumed.state = StreamState(positions={0: items[6]["position"]})
    assert same(itertools.islice(resumed, 5), items[7:])
    # of rows that are too far from each other, the key says that they are of one recording
    monkeypatch.setattr(streaming, "SHUFFLE_BLOCK_SIZE", 3)
    epoch = list(itertools.islice(PairStream([rows], train=True), 5))
    keys = Counter(item["key"] for item in epoch)
    assert sorted(keys.values()) == [1, 1, 1, 2]


def test_a_parquet_file_is_read_from_any_row(parquet, sounds):
    source = open_shards(parquet)
    every = list(source.samples(Share(None, 0), Place()))
    assert [sample.recording.caption for _, sample in every] == [f"row {k}" for k in range(COUNT)]
    assert every[3][1].recording.aspects == ("a", "b") and every[3][1].recording.id == "train.parquet/3"
    assert (load_audio(every[3][1].audio) == load_audio(sounds[3])).all()
    for start in (1, 3, 5, 9):
        assert list(source.samples(Share(None, 0), Place(0, start))) == every[start:]
    shares = [list(source.samples(Share(None, 0, reader, 3), Place())) for reader in range(3)]
    assert sorted(sample.recording.id for part in shares for _, sample in part) == sorted(
        s.recording.id for _, s in every
    )
    with pytest.raises(DataSetError, match=r"nothing\.parquet cannot be read completely \(FileNotFoundError"):
        list(open_shards("/nothing.parquet").samples(Share(None, 0), Place()))


def test_data_that_is_mostly_unusable_is_an_error(sounds, monkeypatch):
    monkeypatch.setattr(streaming, "MIN_SKIPPED", 4)
    bad = [Recording(sounds[0].with_name("none.flac"), f"{k}", caption="nothing") for k in range(6)]
    good = [Recording(path, path.name, caption="a tone") for path in sounds[:3]]
    with pytest.raises(DataSetError, match=r"Of the first \d+ examples \d+ cannot be used"):
        list(itertools.islice(PairStream([FolderSource(bad + good)], train=True), 50))
    few = PairStream([FolderSource(bad[:1] + good)], train=True)
    assert list(itertools.islice(few, 30))[-1]["position"].skipped > 4


def test_folders_and_shards_are_mixed_by_the_command_line(sounds, shards, tmp_path):
    folders = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        rows = [{"file_name": f"{k}.flac", "caption": f"{name} {k}"} for k in range(COUNT)]
        for k, sound in enumerate(sounds):
            (folder / f"{k}.flac").write_bytes(sound.read_bytes())
        (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        folders.append(str(folder))
    tar = str(shards[0]).replace("0.tar", "{0..1}.tar")
    args = DataArguments(data=[f"{folders[0]}:3", folders[1], f"{tar}:0.5"])
    assert is_stream(args) and not is_stream(DataArguments(data=folders[:1])) and is_stream(DataArguments(data=[tar]))
    splits, rule = load_splits(args)
    assert rule == "stream"
    ids = [recording.id for data in splits.values() for recording in data.recordings]
    assert len(set(ids)) == 2 * COUNT and "1/0.flac" in ids and "2/0.flac" in ids
    sources, weights = stream_sources(args, splits, 0)
    assert weights == [3.0, 1.0, 0.5]
    assert sorted(len(source.draw) for source in sources[:2]) == [len(splits["train"].recordings) // 2] * 2
    with pytest.raises(DataSetError, match="The weight of a is 0"):
        load_splits(DataArguments(data=["a:0"]))
