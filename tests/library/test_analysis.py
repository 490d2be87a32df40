"""Tempo, key, loudness and energy: found on made pieces, stored beside tags, and never at a track's cost."""

import os
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from recordings import ToneEmbedder, tone, write

from kobza import MusicLibrary
from kobza.audio import decode
from kobza.cli import main
from kobza.extras import MissingPackageError
from kobza.library.filters.parser import parse_filter
from kobza.library.ingest import analysis
from kobza.library.ingest.analysis import MAX_SECONDS, SAMPLING_RATE, Analysis, Analyzer, MiddleSamples
from kobza.library.ingest.ray import DecodingActor, WindowSettings, _from_batch, _to_batch
from kobza.library.ingest.reindex import reindex
from kobza.library.ingest.scan import Job
from kobza.synth.pieces import album, lengthened
from kobza.synth.renderer import render


def analyze_file(path: str, seconds: float) -> Analysis:
    analyzer = Analyzer(SAMPLING_RATE, seconds)
    for chunk in decode(path, SAMPLING_RATE, meter=analyzer.meter):
        analyzer.add(chunk)
    return analyzer.result()


def clicks(bpm: float, seconds: float = 30.0, rate: int = 16000) -> np.ndarray:
    """(samples,) float32: bursts of 20 ms at each beat, every fourth louder"""
    audio = np.zeros(round(seconds * rate), np.float32)
    burst = tone(1000, 0.02, rate) * np.linspace(1, 0, round(0.02 * rate), dtype=np.float32)
    for beat in range(int(seconds * bpm / 60)):
        start = round(beat * 60 / bpm * rate)
        part = burst[: len(audio) - start]
        audio[start : start + len(part)] += part * (1.0 if beat % 4 == 0 else 0.6)
    return audio


class CountingEmbedder(ToneEmbedder):
    windows = 0

    def embed_windows(self, samples):
        self.windows += len(samples)
        return super().embed_windows(samples)


@pytest.fixture(scope="module")
def trio(tmp_path_factory):
    """(path, piece) of a made piece with drums, in stereo, without tags"""
    piece = lengthened(next(piece for piece in album() if piece.style == "jazz trio"), 25)
    return write(tmp_path_factory.mktemp("trio") / "trio.flac", render(piece, 16000), 16000), piece


@pytest.fixture
def folder(tmp_path):
    """Two click tracks, one of them with tags of its own"""
    folder = tmp_path / "clicks"
    write(folder / "free.flac", clicks(128))
    write(folder / "tagged.flac", clicks(90), bpm="45", initialkey="8A")
    return folder


def tracks(library):
    return {os.path.basename(track.path): track for track, *_ in library.store.scan()}


class TestMeasures:
    def test_a_made_piece(self, trio):
        path, piece = trio
        found = analyze_file(str(path), piece.seconds)
        assert found.bpm == pytest.approx(piece.tempo, rel=0.005)
        assert found.key == piece.key
        assert 0.1 < found.energy < 1

    @pytest.mark.parametrize("bpm", [63.7, 90, 128, 139.5])
    def test_tempo_is_finer_than_its_frames(self, tmp_path, bpm):
        assert analyze_file(str(write(tmp_path / "a.wav", clicks(bpm))), 30).bpm == pytest.approx(bpm, rel=0.001)

    @pytest.mark.parametrize(
        "sides, lufs",
        [
            ((1, 1), -20.0),  # EBU Tech 3341: a 1 kHz tone of L dBFS on both sides is L LUFS
            ((1, -1), -20.0),  # opposite phases, which a downmix would silence
            ((1, 0), -23.0),
        ],
    )
    def test_loudness_is_that_of_all_channels(self, tmp_path, sides, lufs):
        wave = tone(1000, 20, 48000, level=0.1)
        path = write(tmp_path / "a.flac", np.stack([side * wave for side in sides]), 48000)
        assert analyze_file(str(path), 20).loudness == pytest.approx(lufs, abs=0.15)

    def test_silence_and_short_ones_have_no_tempo_and_no_key(self, tmp_path):
        silence = analyze_file(str(write(tmp_path / "a.flac", np.zeros(16000 * 12))), 12)
        assert silence == (None, "", -70.0, 0.0)
        short = analyze_file(str(write(tmp_path / "b.flac", clicks(120, 3))), 3)
        assert (short.bpm, short.key) == (None, "") and short.energy > 0

    def test_threads_give_what_one_gives(self, trio):
        path, piece = trio
        alone = analyze_file(str(path), piece.seconds)
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(analyze_file(str(path), piece.seconds))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [alone] * 3

    def test_a_forked_process_has_workers_of_its_own(self, trio):
        path, piece = trio
        before = analyze_file(str(path), piece.seconds)  # leaves an idle worker
        pid = os.fork()
        if pid == 0:
            same = analyze_file(str(path), piece.seconds) == before
            os._exit(0 if same else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert analyze_file(str(path), piece.seconds) == before


class TestMiddleSamples:
    @pytest.mark.parametrize(
        "header_seconds, first",
        [(1000, 410), (100, 0), (0, 0), (5000, 820)],  # the length is 1,000 s; the last header is wrong
    )
    def test_which_are_kept(self, header_seconds, first):
        middle = MiddleSamples(10, header_seconds)
        stream = np.arange(10_000, dtype=np.float32)
        most = 0
        for start in range(0, len(stream), 7):
            middle.add(stream[start : start + 7])
            most = max(most, sum(map(len, middle._chunks)))
        kept = middle.samples()
        assert np.array_equal(kept, stream[first * 10 :][: round(MAX_SECONDS * 10)])
        assert most < MAX_SECONDS * 10 + 14

    def test_a_short_recording_is_kept_whole(self):
        middle = MiddleSamples(10, 20)
        middle.add(np.arange(200, dtype=np.float32))
        assert len(middle.samples()) == 200


class TestLibrary:
    def test_tags_come_first(self, folder, library):
        library.add(folder, analyze=True)
        free, tagged = (tracks(library)[name] for name in ("free.flac", "tagged.flac"))
        assert free.bpm == pytest.approx(128, rel=0.001)
        assert (tagged.bpm, tagged.key) == (45, "A minor")
        assert all(track.loudness < -10 and track.energy > 0 for track in (free, tagged))

    def test_sync_fills_what_is_missing_and_embeds_nothing(self, folder, tmp_path):
        embedder = CountingEmbedder()
        with MusicLibrary.open(tmp_path / "library", embedder) as library:
            library.add(folder)
            assert tracks(library)["free.flac"].energy is None
            before = embedder.windows
            vectors = {track.path: vectors for track, _, _, vectors in library.store.scan()}
            assert (
                str(library.sync(analyze=True))
                == "0 added, 0 changed, 2 unchanged, 0 moved, 0 removed, 2 analyzed, 0 failed"
            )
            assert embedder.windows == before
            assert tracks(library)["free.flac"].bpm == pytest.approx(128, rel=0.001)
            assert all(np.array_equal(vectors[track.path], now) for track, _, _, now in library.store.scan())
            assert library.sync(analyze=True).analyzed == 0

    def test_a_file_that_cannot_be_read_any_more_is_named(self, folder, library):
        library.add(folder)
        path = folder / "free.flac"
        status = path.stat()
        path.write_bytes(b"x" * status.st_size)
        os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
        report = library.sync(analyze=True)
        assert report.analyzed == 1 and [failure.path for failure in report.failed] == [str(path)]

    @pytest.mark.parametrize(
        "program",
        [
            "raise SystemExit(1)",
            "import os; os.abort()",
            "import sys; sys.stdin.buffer.read(8); print('?', flush=True)",
        ],
    )
    def test_a_failed_analysis_fails_no_track(self, folder, library, tmp_path, monkeypatch, program):
        worker = tmp_path / "worker.py"
        worker.write_text(program)
        monkeypatch.setattr(analysis, "WORKER", worker)
        monkeypatch.setattr(analysis, "_idle_workers", [])
        report = library.add(folder, analyze=True)
        assert (report.added, report.failed) == (2, [])
        assert tracks(library)["free.flac"].bpm is None and tracks(library)["free.flac"].loudness < -10

    def test_one_that_hangs_is_ended(self, folder, library, tmp_path, monkeypatch):
        worker = tmp_path / "worker.py"
        worker.write_text("import time; time.sleep(100)")
        monkeypatch.setattr(analysis, "WORKER", worker)
        monkeypatch.setattr(analysis, "_idle_workers", [])
        monkeypatch.setattr(analysis, "TIMEOUT_SECONDS", 0.5)
        assert library.add(folder, analyze=True).added == 2

    def test_without_the_extra(self, folder, library, monkeypatch):
        monkeypatch.setitem(sys.modules, "sonara", None)
        with pytest.raises(MissingPackageError, match=r"--analyze needs sonara: run `pip install 'kobza\[analysis\]'`"):
            library.add(folder, analyze=True)
        assert library.add(folder).added == 2

    def test_reindex_keeps_what_was_found(self, folder, tmp_path):
        place = tmp_path / "library"
        with MusicLibrary.open(place, ToneEmbedder()) as library:
            library.add(folder, analyze=True)
            before = tracks(library)
        reindex(place, ToneEmbedder(fingerprint="another"))
        with MusicLibrary.open(place) as library:
            assert tracks(library) == before and before["free.flac"].key
            same_key = library.store.select(parse_filter(f'key = "{before["free.flac"].key}"'))
            assert before["free.flac"] in same_key

    def test_on_a_cluster(self, folder):
        path = str(folder / "free.flac")
        job = Job(path, os.path.getsize(path), 0, known=False, analyze=True)
        batches = DecodingActor(WindowSettings(16000, 10.0, 1.0))(_to_batch([(0, job)]))
        end = [message for batch in batches for _, message in _from_batch(batch)][-1]
        assert end.recording.analysis.bpm == pytest.approx(128, rel=0.001)


def test_by_command(folder, tmp_path, capsys, monkeypatch):
    library = str(tmp_path / "library")
    with MusicLibrary.open(library, ToneEmbedder()) as opened:
        opened.add(folder)
    monkeypatch.setattr("kobza.embedding.loader.load_embedder", lambda name: ToneEmbedder())
    assert main(["sync", "--analyze", "--library", library]) == 0
    assert "2 analyzed" in capsys.readouterr().out
    with MusicLibrary.open(library, read_only=True) as opened:
        assert replace(tracks(opened)["free.flac"], path="").energy > 0
