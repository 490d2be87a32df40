"""Odd files of every kind: each is indexed rightly or named with its reason, nothing hangs, the music stays as is."""

import os
import queue
import re
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from child_processes import context, index_as_nobody
from recordings import ToneEmbedder, counts, everything, tone, write
from zoo import build, encoded, wav, zoo

from kobza import Checkpoint, MusicLibrary
from kobza.library.ingest import decode_ahead, decoding


def in_time(work):
    """So that what hangs fails."""
    done = queue.SimpleQueue()

    def run():
        try:
            done.put((work(), None))
        except Exception as error:
            done.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    result, error = done.get(timeout=300)
    if error is not None:
        raise error
    return result


def add(folder: Path):
    with MusicLibrary.open(folder / "library", ToneEmbedder()) as library:
        return library.add(folder / "music")


def test_the_whole_zoo(tmp_path):
    music, embedder = tmp_path / "music", ToneEmbedder()
    music.mkdir()
    build(music)
    before = everything(music)

    def index():
        with MusicLibrary.open(tmp_path / "library", embedder) as library:
            report = library.add(music)
            again = counts(library.sync())
            tracks = {track.path: (track, vectors) for track, _, _, vectors in library.store.scan()}
            return report, again, tracks

    report, again, tracks = in_time(index)
    reasons = {failure.path: failure.reason for failure in report.failed}
    skipped = {one.path: one.reason for one in report.skipped}
    wrong = []
    for name, animal in zoo().items():
        path = str(music / name)
        if animal.skipped is not None:
            said = next((over for over in (path, os.path.dirname(path)) if skipped.get(over) == animal.skipped), None)
            if path in tracks or skipped.pop(said, None) is None:
                wrong.append((name, animal.skipped, skipped))
            continue
        if animal.reason is not None:
            reason = reasons.pop(path, "")
            if path in tracks or not re.search(animal.reason, reason):
                wrong.append((name, animal.reason, reason))
            if not (reason.isprintable() and reason.endswith(".") and len(reason) < 500 + 4 * len(path)):
                wrong.append((name, "one sentence", reason))
            continue
        if path not in tracks:
            wrong.append((name, "indexed", reasons.pop(path, "neither indexed nor named")))
            continue
        track, vectors = tracks.pop(path)
        if abs(track.duration - animal.seconds) > animal.within:
            wrong.append((name, animal.seconds, track.duration))
        if len(vectors) != np.ceil(track.duration / 10) and not 0 <= track.duration % 10 < 1:
            wrong.append((name, "windows", len(vectors)))
        ideal = embedder.embed_text([f"tone {animal.hertz}"])[0] if animal.hertz else np.zeros(embedder.dim)
        likeness = vectors @ ideal
        if not np.isfinite(vectors).all() or (animal.hertz and likeness.min() < 0.8):
            wrong.append((name, "pitch", likeness))
    assert not wrong, "\n".join(map(ascii, wrong))
    assert not reasons and not tracks
    assert set(skipped) == {str(music / "loops" / name) for name in ("up", "here")}
    named = sum(animal.reason is not None for animal in zoo().values())
    whole = sum(animal.seconds is not None for animal in zoo().values())
    assert counts(report)[::5] == (whole, named)
    assert again == (0, 0, whole, 0, 0, named)
    assert everything(music) == before
    assert len(zoo()) >= 60


def test_a_recording_that_gives_nothing_is_left(tmp_path, monkeypatch):
    """As a dead disc or a decoder that runs in circles: two such, so both threads are held up, and one in mid-file."""
    release, decode = threading.Event(), decoding.decode

    def blocking(path, rate, **_):
        if "blocks" in path:
            if "late" in path:
                yield tone(300, 15, rate)
            release.wait(600)
        yield from decode(path, rate)

    monkeypatch.setattr(decoding, "decode", blocking)
    monkeypatch.setattr(decode_ahead, "WINDOW_TIMEOUT_SECONDS", 2.0)
    for i, name in enumerate(["a blocks", "b blocks", "c", "d blocks late", "e"]):
        write(tmp_path / "music" / f"{name}.flac", tone(300 + i, 2))
    try:
        report = in_time(lambda: add(tmp_path))
        assert counts(report)[::5] == (2, 3)
        assert all("timed out after 2 s" in failure.reason for failure in report.failed)
    finally:
        release.set()
    deadline = time.time() + 60
    while any(thread.name.startswith("kobza-decode") for thread in threading.enumerate()):
        assert time.time() < deadline, "threads that were left behind do not end when they can"
        time.sleep(0.01)


def test_a_slow_model_is_no_reason_to_give_up(tmp_path, monkeypatch):
    class Slow(ToneEmbedder):
        def embed_windows(self, samples):
            if not self.windows_embedded:
                time.sleep(3)
            return super().embed_windows(samples)

    monkeypatch.setattr(decode_ahead, "WINDOW_TIMEOUT_SECONDS", 2.0)
    monkeypatch.setattr(decode_ahead, "CPU_BATCH_WINDOWS", 1)
    write(tmp_path / "music" / "long.flac", tone(300, 45))
    with MusicLibrary.open(tmp_path / "library", Slow()) as library:
        assert counts(library.add(tmp_path / "music"))[::5] == (1, 0)


def test_a_file_that_grows_faster_than_it_is_read(tmp_path, monkeypatch):
    """Each second that is decoded brings a new one: what was there at first is indexed, the rest by the next run."""
    path, link, decode = tmp_path / "music" / "radio.ogg", encoded("ogg"), decoding.decode
    path.parent.mkdir()
    path.write_bytes(link * 5)

    def growing(source, rate, **_):
        for chunk in decode(source, rate):
            with open(path, "ab") as file:
                file.write(link)
            yield chunk

    with monkeypatch.context() as patch:
        patch.setattr(decoding, "decode", growing)
        assert counts(in_time(lambda: add(tmp_path)))[::5] == (1, 0)
    with MusicLibrary.open(tmp_path / "library", ToneEmbedder()) as library:
        (track, *_), *_ = library.store.scan()
        assert track.duration == pytest.approx(10, abs=0.5)
        assert counts(library.sync()) == (0, 1, 0, 0, 0, 0)


@pytest.mark.parametrize("change", [os.unlink, lambda path: os.truncate(path, 20_000)], ids=["vanishes", "shrinks"])
def test_a_file_that_goes_while_it_is_read(library, tmp_path, monkeypatch, change):
    path, decode = tmp_path / "music" / "a.flac", decoding.decode
    noise = np.random.default_rng(0).normal(size=60 * 16000) * 0.1
    write(path, noise)

    def changing(source, rate, **_):
        for i, chunk in enumerate(decode(source, rate)):
            if i == 2:
                change(path)
            yield chunk

    monkeypatch.setattr(decoding, "decode", changing)
    report = library.add(tmp_path / "music")
    if path.exists():
        assert counts(report)[::5] == (0, 1) and re.search("is cut off|is damaged", report.failed[0].reason)
    else:  # an open file stays whole
        assert counts(report)[::5] == (1, 0)
        assert library.store.count().seconds == pytest.approx(60)


def test_without_permission():
    """In a child that is nobody, for root may read everything."""
    with tempfile.TemporaryDirectory() as name:  # not below tmp_path, which only its owner may enter
        folder = Path(name)
        folder.chmod(0o777)
        write(folder / "music" / "open.flac", tone(300, 2))
        write(folder / "music" / "closed.flac", tone(300, 2)).chmod(0)
        (folder / "music" / "locked").mkdir(mode=0)
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=index_as_nobody, args=(folder, sender))
        child.start()
        sender.close()
        (added, *_, failed), reasons = receiver.recv()
        child.join()
    assert (added, failed) == (1, 2)
    assert "Permission denied" in reasons["closed.flac"] and "Permission denied" in reasons["locked"]


def test_louder_than_a_model_can_hear(tmp_path, tiny_checkpoint):
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "loud.wav").write_bytes(wav((tone(300, 2).astype(np.float64) * 6e38).astype("<f4")))
    (tmp_path / "music" / "tone.wav").write_bytes(wav(tone(300, 2)))
    with MusicLibrary.open(tmp_path / "library", Checkpoint.load(tiny_checkpoint)) as library:
        report = library.add(tmp_path / "music")
    assert counts(report)[::5] == (1, 1) and "is too loud" in report.failed[0].reason
