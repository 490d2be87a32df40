import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from recordings import ToneEmbedder, counts, memory_taken, tone, write

from kobza import MusicLibrary
from kobza.cli import main
from kobza.library import FolderAddress, LibraryError, default_library_address
from kobza.library.ingest import decode_ahead
from kobza.library.ingest.copy import copy_library


def pitches(hits) -> list[int]:
    return [int(Path(hit.track.path).stem) for hit in hits]


def test_index_and_search(library, music):
    seen = []
    assert counts(library.add(music, seen.append)) == (7, 0, 0, 0, 0, 0)
    assert len(library) == 7
    assert seen[-1].done == seen[-1].total == 7 and seen[-1].fraction == pytest.approx(1)
    assert [now.fraction for now in seen] == sorted(now.fraction for now in seen)
    for hertz in (200, 600, 1400):
        hit = library.search(f"tone {hertz}", k=3)[0]
        assert Path(hit.track.path).stem == str(hertz) and hit.track.title == f"Tone {hertz}"
        assert hit.track.artist == "Tuning Fork"
        assert hit.score > 0.9
    longest = library.search("tone 1400")[0].track
    assert longest.duration == pytest.approx(9, abs=0.2)
    assert len(library.search("tone 400", k=100)) == 7


def test_ranks_equal_exact_search_in_numpy(library, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(12):
        parts = [tone(rng.uniform(60, 4000), rng.uniform(2, 9)) for _ in range(rng.integers(1, 5))]
        write(tmp_path / "m" / f"{i}.flac", np.concatenate(parts))
    library.add(tmp_path / "m")
    stored = [(track.path, starts, vectors) for track, _, starts, vectors in library.store.scan()]
    means = np.stack([vectors.mean(0) / np.linalg.norm(vectors.mean(0)) for _, _, vectors in stored])
    for hertz in (100, 440, 1500, 3000):
        query = library.embedder.embed_text([f"tone {hertz}"])[0]
        scores = means @ query
        order = np.argsort(-scores)
        hits = library.search(f"tone {hertz}", k=12)
        assert [hit.track.path for hit in hits] == [stored[i][0] for i in order]
        cosines = [score for score, _, _ in library.store.search(query, 12)]
        np.testing.assert_allclose(cosines, scores[order], atol=2e-3)
        for hit, i in zip(hits, order, strict=True):
            _, starts, vectors = stored[i]
            assert hit.moment == starts[int(np.argmax(vectors @ query))]


def test_a_track_is_the_normalized_mean_of_its_windows(library, tmp_path):
    samples = np.concatenate([tone(300, 10), tone(2000, 10), tone(300, 4)])
    path = write(tmp_path / "a.flac", samples)
    library.add(path)
    (_, _, starts, vectors), *_ = library.store.scan()
    expected = ToneEmbedder().embed_windows([samples[:160_000], samples[160_000:320_000], samples[320_000:]])
    assert starts == [0, 10, 20]
    np.testing.assert_allclose(vectors, expected, atol=1e-3)
    query = library.embedder.embed_text(["tone 300"])[0]
    mean = expected.mean(0)
    (score, _, _), *_ = library.store.search(query, 1)
    assert score == pytest.approx(float(mean @ query / np.linalg.norm(mean)), abs=1e-3)


def test_the_best_moment(library, tmp_path):
    parts = [tone(300, 10), tone(300, 10), tone(2000, 10), tone(5000, 10)]
    library.add(write(tmp_path / "a.flac", np.concatenate(parts)))
    assert library.search("tone 2000")[0].moment == 20
    assert library.search("tone 5000")[0].moment == 30
    assert library.search("tone 300")[0].moment in (0, 10)


def test_bad_files_are_reported_and_the_others_indexed(library, music):
    (music / "text.mp3").write_text("These are only words, and no music.\n" * 300)
    (music / "empty.ogg").touch()
    (music / "blip.wav").write_bytes(write(music.parent / "b.wav", tone(300, 0.01)).read_bytes())
    (music / "notes.txt").write_text("no audio extension: not looked at")
    for _ in range(2):  # bad files are tried again
        report = library.add(music)
        assert sorted(Path(f.path).name for f in report.failed) == ["blip.wav", "empty.ogg", "text.mp3"]
        assert all(Path(f.path).name in f.reason for f in report.failed)
    assert counts(report) == (0, 0, 7, 0, 0, 3)


def test_unusual_names_links_and_pipes(library, tmp_path):
    root = tmp_path / "odd"
    path = write(root / "plain.flac", tone(440, 2))
    data, base = path.read_bytes(), os.fsencode(root)
    names = [b"\xff\xfe.flac", "🎵 пісня.FLAC".encode(), b"two\nlines.flac", b"concat:a|b.flac", b"100% [x]'\".flac"]
    for i, name in enumerate(names):
        with open(os.path.join(base, name), "wb") as file:
            file.write(data + bytes(i))
    os.symlink(root, root / "loop")
    os.symlink("/nowhere", root / "dangling.flac")
    os.mkfifo(root / "pipe.flac")
    (root / "._plain.flac").write_bytes(b"what macOS leaves")
    (root / "$RECYCLE.BIN").mkdir()
    (root / "$RECYCLE.BIN" / "a.flac").write_bytes(data)
    report = library.add(root)
    assert counts(report) == (6, 0, 0, 0, 0, 2)
    assert {os.path.basename(failure.path) for failure in report.failed} == {"dangling.flac", "pipe.flac"}
    (hit,) = library.search("tone 440", k=20)  # one recording in six files
    found = {os.fsencode(path) for path in (hit.track.path, *hit.copies)}
    assert found == {os.path.join(base, name) for name in [b"plain.flac", *names]}
    assert counts(library.sync()) == (0, 0, 6, 0, 0, 2)
    assert library.remove(os.fsdecode(os.path.join(base, names[0]))).removed == 1


def test_similar(library, music, tmp_path):
    library.add(music)
    hits = library.similar(music / "200.flac", k=3)
    assert len(hits) == 3 and str(music / "200.flac") not in [hit.track.path for hit in hits]
    assert pitches(library.similar(library.search("tone 600")[0].track, k=1))[0] in (400, 800)
    outside = write(tmp_path / "outside.mp3", tone(1000, 5))
    assert pitches(library.similar(outside, k=1)) == [1000]
    assert len(library) == 7
    with pytest.raises(LibraryError, match="cannot be read"):
        library.similar(tmp_path / "absent.mp3")
    with pytest.raises(LibraryError, match="is a folder"):
        library.similar(music)
    (tmp_path / "text.mp3").write_text("words " * 100)
    with pytest.raises(LibraryError, match=r"text\.mp3 cannot be read as a recording"):
        library.similar(tmp_path / "text.mp3")


def test_another_model_is_refused(library, music, tmp_path):
    library.add(music)
    other = ToneEmbedder(fingerprint="another-fingerprint")
    with MusicLibrary.open(library.address, other) as second:
        for attempt in (
            lambda: second.search("tone 200"),
            lambda: second.add(music),
            lambda: second.add(write(tmp_path / "x.flac", tone(300, 2))),
            lambda: second.similar(tmp_path / "x.flac"),
        ):
            with pytest.raises(
                LibraryError, match=r"tone-embedder-fingerprint.*another-fingerprint.*--model.*--library"
            ):
                attempt()
        assert len(second) == 7
        assert len(second.similar(music / "200.flac", k=2)) == 2  # needs no model
        second.remove(music)
        second.add(music)  # an empty library accepts another model
        assert second.search("tone 200", k=1)
    with pytest.raises(LibraryError, match="was made with"):
        library.search("tone 200")


def test_invalid_searches(library, music):
    assert library.search("tone 200") == []
    library.add(music)
    with pytest.raises(LibraryError, match="empty"):
        library.search(" \n")
    with pytest.raises(LibraryError, match="k is 0"):
        library.search("tone 200", k=0)


def test_a_long_recording_is_embedded_in_full_batches(library, tmp_path, monkeypatch):
    write(tmp_path / "long.flac", tone(300, 1200, level=0.1))
    sizes, real = [], library.embedder.embed_windows
    monkeypatch.setattr(library.embedder, "embed_windows", lambda w: sizes.append(len(w)) or real(w))
    library.add(tmp_path / "long.flac")
    assert sizes == [16] * 7 + [8]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("minutes", [30, pytest.param(180, marks=pytest.mark.slow)])
def test_a_long_recording_takes_little_more_memory(tmp_path, minutes):
    """Three hours may take 300 MB more than a short file; half an hour as samples would be 110 MB."""
    long = write(tmp_path / "long.flac", np.tile(tone(300, 60), minutes))
    short = write(tmp_path / "short.flac", tone(300, 60))

    def index(path):
        with MusicLibrary.open(tmp_path / path.stem, ToneEmbedder()) as library:
            assert counts(library.add(path)) == (1, 0, 0, 0, 0, 0)
            assert library.store.count().windows == (minutes * 6 if path == long else 6)

    more = memory_taken(lambda: index(long)) - memory_taken(lambda: index(short))
    assert more < 60


def test_batches_are_filled_across_files(library, tmp_path, monkeypatch):
    for i in range(20):
        write(tmp_path / "m" / f"{i}.flac", tone(100 + 50 * i, 2))
    sizes, real = [], library.embedder.embed_windows
    monkeypatch.setattr(library.embedder, "embed_windows", lambda w: sizes.append(len(w)) or real(w))
    assert counts(library.add(tmp_path / "m")) == (20, 0, 0, 0, 0, 0)
    assert sizes == [16, 4]


def test_default_address(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("KOBZA_LIBRARY", raising=False)
    assert default_library_address() == FolderAddress(tmp_path / "data" / "kobza" / "library")
    monkeypatch.setenv("KOBZA_LIBRARY", str(tmp_path / "mine"))
    assert default_library_address() == FolderAddress(tmp_path / "mine")
    with MusicLibrary.open(embedder=ToneEmbedder()) as library:
        assert library.address == FolderAddress(tmp_path / "mine")


def test_a_real_checkpoint(tiny_checkpoint, music, tmp_path):
    """Random weights: the ranking means nothing, but every component is the real one."""
    with MusicLibrary.open(tmp_path / "real", tiny_checkpoint) as library:
        assert counts(library.add(music)) == (7, 0, 0, 0, 0, 0)
        hits = library.search("slow sad piano", k=7)
        assert sum(1 + len(hit.copies) for hit in hits) == 7  # to such a model some sound the same
        query = library.embedder.embed_text(["slow sad piano"])[0]
        cosines = []
        for hit in hits:
            (_, _, _, vectors), *_ = library.store.scan(hit.track.path)
            mean = vectors.mean(0)
            cosines.append(float(mean @ query / np.linalg.norm(mean)))
        assert cosines == pytest.approx(sorted(cosines, reverse=True), abs=2e-3)
        fingerprint = library.store.meta["fingerprint"]
        assert library.store.meta["arithmetic"] == library.embedder.arithmetic
    with MusicLibrary.open(tmp_path / "real", tiny_checkpoint, read_only=True) as again:
        assert [hit.track.path for hit in again.search("slow sad piano", k=7)] == [hit.track.path for hit in hits]
        assert again.embedder.fingerprint == fingerprint


def test_for_a_model_on_a_gpu_every_core_decodes_and_batches_are_large(tmp_path, monkeypatch):
    embedder = ToneEmbedder()
    sizes, embed_windows = [], embedder.embed_windows
    embedder.model = SimpleNamespace(device=SimpleNamespace(type="cuda"))
    embedder.embed_windows = lambda samples: sizes.append(len(samples)) or embed_windows(samples)
    monkeypatch.setattr(decode_ahead, "GPU_BATCH_WINDOWS", 20)
    monkeypatch.setattr(decode_ahead.os, "cpu_count", lambda: 5)
    assert decode_ahead.decoders_and_batch(embedder) == (5, 20)
    assert decode_ahead.decoders_and_batch(ToneEmbedder()) == (
        decode_ahead.CPU_DECODERS,
        decode_ahead.CPU_BATCH_WINDOWS,
    )
    for i in range(7):
        write(tmp_path / "music" / f"{i}.flac", tone(300 + 50 * i, 60))
    with MusicLibrary.open(tmp_path / "library", embedder) as library:
        assert library.add(tmp_path / "music").added == 7
        assert library.store.count().windows == 42
    assert max(sizes) == 20 and sum(sizes) == 42


def test_vectors_of_both_arithmetics_lie_in_one_library(tiny_checkpoint, music, tmp_path, capsys, monkeypatch):
    """And the library says so; one without the note, made before there was a choice, has those of float32."""

    def run(*argv) -> str:
        assert main([*map(str, argv), "--library", str(tmp_path / "l")]) == 0
        return capsys.readouterr().out

    first, *rest = sorted(music.rglob("*.*"))
    monkeypatch.setenv("KOBZA_ARITHMETIC", "float32")
    run("index", first, "--model", tiny_checkpoint)
    assert "arithmetic   float32\n" in run("info")
    with MusicLibrary.open(tmp_path / "l") as library:
        library.store._db.execute("DELETE FROM meta WHERE key = 'arithmetic'")
        library.store._db.commit()
    monkeypatch.setenv("KOBZA_ARITHMETIC", "int8")
    run("index", *rest, "--model", tiny_checkpoint)
    assert "arithmetic   float32, int8\n" in run("info")
    assert json.loads(run("info", "--json"))["arithmetic"] == "float32, int8"
    assert len(run("search", "slow sad piano", "--model", tiny_checkpoint).splitlines()) > 1
    copy_library(tmp_path / "l", tmp_path / "copy")
    with MusicLibrary.open(tmp_path / "copy") as library:
        assert library.store.meta["arithmetic"] == "float32, int8"
