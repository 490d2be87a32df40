import numpy as np

from kobza.embedding.checkpoint_folder import fingerprint
from kobza.embedding.trained_on import TRAINED_ON, TrainedOn, fetch_trained_on, read_trained_on, write_trained_on


def checkpoint(folder, weights=b"1"):
    folder.mkdir()
    for name in ("config.json", "processor_config.json"):
        (folder / name).write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_it_is_read_as_it_was_written_and_takes_eight_bytes_a_key(tmp_path):
    folder = checkpoint(tmp_path / "one")
    rng = np.random.default_rng(0)
    keys = [rng.integers(0, 2**64, 2, np.uint64).tolist() for _ in range(5000)]
    known = TrainedOn(is_complete=False, note="Not all, ось.").added({"train": [*keys, keys[0]], "captions": [[5]]})
    write_trained_on(folder, known)
    assert 80_008 < (folder / TRAINED_ON).stat().st_size < 80_400
    read = read_trained_on(folder, fingerprint(folder))
    assert (read.is_complete, read.note) == (False, "Not all, ось.") and read.parts["train"].recordings == 5000
    assert all(read.seen("train", [key[1]]) for key in keys) and read.seen("captions", [4, 5])
    assert not any(read.seen(part, [6, 2**64 - 1]) for part in ("train", "captions", "validation"))
    again = read.added({"train": [keys[3], [1, 2]], "validation": [[9]]})
    assert again.parts["train"].recordings == 5001 and len(again.parts["train"].keys) == 10_002
    assert again.summary() == "5,001 in train, 1 in captions, 1 in validation; Not all, ось."


def test_the_file_of_other_weights_or_a_damaged_one_does_not_count(tmp_path):
    one, two = checkpoint(tmp_path / "one"), checkpoint(tmp_path / "two", b"2")
    write_trained_on(one, TrainedOn().added({"train": [[1, 2]]}))
    content = (one / TRAINED_ON).read_bytes()
    (two / TRAINED_ON).write_bytes(content)
    assert read_trained_on(two, fingerprint(two)) is None and read_trained_on(two, "") is None
    for damaged in (b"", b"{}\n", content[:-4], b"\xff" * 100, content.replace(b'"version": 1', b'"version": 2')):
        (one / TRAINED_ON).write_bytes(damaged)
        assert read_trained_on(one, fingerprint(one)) is None
    assert read_trained_on(None, "") is None


def test_of_the_hub_it_is_fetched_when_it_is_asked_for(tmp_path, monkeypatch):
    folder = checkpoint(tmp_path / "snapshot")

    def download(repo, name):
        assert (repo, name) == ("me/model", TRAINED_ON)
        write_trained_on(folder, TrainedOn().added({"train": [[1]]}))
        return str(folder / name)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert fetch_trained_on("me/model", folder, fingerprint(folder)).seen("train", [1])

    def refuse(repo, name):
        raise OSError("404")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    (folder / TRAINED_ON).unlink()
    assert fetch_trained_on("me/model", folder, fingerprint(folder)) is None
