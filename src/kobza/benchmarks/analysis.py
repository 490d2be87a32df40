"""`kobza bench analysis`: how often tempo and key are right, what finding them costs, and what playlists make of them.

The pieces are composed and rendered (`synth`), two of each style and 45 s or more long, so their tempo and key are
known; they have no singers and no drifting tempo, and half of them no drums.
"""

import functools
import itertools
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kobza.audio import load_audio
from kobza.benchmarks.analyzers import Analyzer, installed_analyzers
from kobza.benchmarks.runner import Measurement
from kobza.library.ingest.analysis import end_idle_workers
from kobza.synth.album import write_album, write_flac
from kobza.synth.pieces import Piece, lengthened, random_pieces
from kobza.synth.styles import STYLES

NAME = "analysis"
PIECES_PER_STYLE = 2
PIECE_SECONDS = 45
TEMPO_TOLERANCE = 0.04  # of the tempo, as in MIREX
OCTAVES = (0.5, 2.0)
CLICK_TEMPI = range(50, 201, 10)
PLAYLISTS = 40
PLAYLIST_TRACKS = 10


@functools.cache
def pieces() -> list[Piece]:
    """`PIECES_PER_STYLE` of every style."""
    by_style: dict[str, list[Piece]] = {style: [] for style in STYLES}
    for piece in random_pieces(2000, seed=16):
        if len(by_style[piece.style]) < PIECES_PER_STYLE:
            by_style[piece.style].append(lengthened(piece, PIECE_SECONDS))
    return [piece for found in by_style.values() for piece in found]


def tempo_result(found: float | None, true: float) -> str:
    """
    >>> [tempo_result(bpm, 120) for bpm in (121.0, 60.0, 80.0, None)]
    ['right', 'octave', 'wrong', 'unknown']
    """
    if found is None:
        return "unknown"
    if abs(found / true - 1) < TEMPO_TOLERANCE:
        return "right"
    return "octave" if any(abs(found / true / ratio - 1) < TEMPO_TOLERANCE for ratio in OCTAVES) else "wrong"


def key_result(found: str, true: str) -> str:
    """
    >>> [key_result(key, "A minor") for key in ("A minor", "E minor", "C major", "A major", "B major", "")]
    ['right', 'fifth', 'relative', 'parallel', 'wrong', 'unknown']
    """
    from kobza.library.musical_key import musical_key
    from kobza.library.search.transitions import WHEEL, key_steps

    found = musical_key(found)
    if not found:
        return "unknown"
    steps = key_steps(found, true)
    if steps == 0:
        return "right"
    if WHEEL[found] == WHEEL[true]:
        return "relative"
    if steps == 1:
        return "fifth"
    return "parallel" if found.split()[0] == true.split()[0] else "wrong"


def _clicks(bpm: float, rate: int) -> np.ndarray:
    """(samples,) float32: a burst at every beat, every fourth louder."""
    audio = np.zeros(PIECE_SECONDS * rate, np.float32)
    t = np.arange(rate * 3 // 100) / rate
    burst = (np.sin(2000 * np.pi * t) * np.exp(-t / 0.005)).astype(np.float32)
    for beat in range(int(PIECE_SECONDS * bpm / 60)):
        part = audio[round(beat * 60 / bpm * rate) :][: len(burst)]
        part += (0.8 if beat % 4 == 0 else 0.55) * burst[: len(part)]
    return audio


def _accuracy(name: str, analyzer: Analyzer, rate: int, paths: list[Path]) -> Measurement:
    tempi, keys, errors, seconds, minutes = Counter[str](), Counter[str](), [], 0.0, 0.0
    for piece, path in zip(pieces(), paths, strict=True):
        samples = load_audio(path, rate)
        start = time.process_time()
        bpm, key = analyzer(samples, rate)
        seconds += time.process_time() - start
        minutes += len(samples) / rate / 60
        tempi[result := tempo_result(bpm, piece.tempo)] += 1
        if bpm is not None and result == "right":
            errors.append(abs(bpm / piece.tempo - 1))
        if piece.key:
            keys[key_result(key, piece.key)] += 1
    clicks = Counter(tempo_result(analyzer(_clicks(bpm, rate), rate)[0], bpm) for bpm in CLICK_TEMPI)

    def shares(counts: Counter[str], *names: str) -> str:
        return ", ".join(f"{name} {100 * counts[name] / counts.total():.0f} %" for name in names)

    note = (
        f"{shares(tempi, 'octave', 'wrong', 'unknown')}, median error {100 * np.median(errors):.3f} %; key: "
        f"{shares(keys, 'right', 'fifth', 'relative', 'parallel', 'wrong', 'unknown')}; clicks: "
        f"{clicks['right']} of {clicks.total()} right, {clicks['octave']} an octave off; "
        f"{seconds / minutes:.2f} CPU seconds for a minute of music"
    )
    what = f"tempo and key of {len(pieces())} pieces, {name}: tempo within 4 %"
    return Measurement(NAME, what, "the score", 100 * tempi["right"] / tempi.total(), "%", note=note)


def _loudness(paths: list[Path]) -> Measurement:
    """How far the loudness of 16 kHz mono, which the model hears, is from that of the stereo file."""
    from kobza.audio import decode
    from kobza.loudness import LoudnessMeter

    differences = []
    with tempfile.TemporaryDirectory() as folder:
        mono = Path(folder) / "mono.flac"
        for path in paths:
            lufs = []
            write_flac(mono, np.stack(2 * [load_audio(path)]), 16000)  # on both sides, as a player plays it
            for one in (path, mono):
                meter = LoudnessMeter()
                for _ in decode(one, meter=meter):
                    pass
                lufs.append(meter.result() or 0.0)
            differences.append(lufs[1] - lufs[0])
    note = f"from {min(differences):.1f} to {max(differences):.1f} LU"
    what = "loudness of a 16 kHz mono downmix, mean difference"
    return Measurement(NAME, what, "ebur128 of the stereo file", float(np.mean(differences)), "LU", note=note)


def _playlists(folder: Path) -> Iterator[Measurement]:
    """Mean jumps of tempo and key between neighbours, between random ends, with and without --smooth."""
    from kobza.library import MusicLibrary
    from kobza.library.search.transitions import key_steps, tempo_distance

    with tempfile.TemporaryDirectory() as place, MusicLibrary.open(place) as library:
        library.add(folder)
        tracks = [track for track, *_ in library.store.scan()]
        rng = np.random.default_rng(0)
        ends = [rng.choice(len(tracks), 2, replace=False) for _ in range(PLAYLISTS)]
        for smooth in ((), ("tempo",), ("key",), ("tempo", "key")):
            tempi: list[float] = []
            steps: list[int] = []
            cosines: list[float] = []
            for first, last in ends:
                hits = library.playlist(tracks[first], tracks[last], PLAYLIST_TRACKS, smooth=smooth)
                for a, b in itertools.pairwise(hits):
                    tempi.append(tempo_distance(a.track.bpm, b.track.bpm))
                    step = key_steps(a.track.key, b.track.key)
                    steps += [] if step is None else [step]
                    cosines.append(b.score)
            percent = 100 * (2 ** (float(np.mean(tempi)) / 2) - 1)
            note = f"key {np.mean(steps):.2f} steps on the wheel, cosine of the sound {np.mean(cosines):.2f}"
            what = f"playlist of {PLAYLIST_TRACKS}, --smooth {','.join(smooth) or 'absent'}: mean tempo jump"
            yield Measurement(NAME, what, "", percent, "%", lower_is_better=True, note=note)


def _indexing(folder: Path) -> Measurement:
    """Processor time of indexing a folder with --analyze, against without."""
    from kobza.library import MusicLibrary

    def cpu_seconds() -> float:
        return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))

    seconds = {}
    for analyze in (False, True):
        with tempfile.TemporaryDirectory() as place, MusicLibrary.open(place) as library:
            library.embedder.embed_windows([np.zeros(library.embedder.sampling_rate, np.float32)])  # loads the model
            start = cpu_seconds()
            library.add(folder, analyze=analyze)
            end_idle_workers()  # the time of a process counts once it has ended
            seconds[analyze] = cpu_seconds() - start
            minutes = sum(track.duration for track, *_ in library.store.scan()) / 60
    note = f"{seconds[True] / minutes:.2f} and {seconds[False] / minutes:.2f} CPU seconds for a minute of music"
    what = "kobza index --analyze: processor time"
    ratio = seconds[True] / seconds[False]
    return Measurement(NAME, what, "kobza index", ratio, "x", lower_is_better=True, note=note)


def analysis() -> Iterator[Measurement]:
    """Tempo, key and loudness of made pieces by every analyzer that is installed, and playlists of these pieces."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_album(folder, pieces())
        paths = [folder / f"{piece.name}.flac" for piece in pieces()]
        for name, (rate, analyzer) in installed_analyzers().items():
            yield _accuracy(name, analyzer, rate, paths)
        yield _loudness(paths)
        yield _indexing(folder)
        yield from _playlists(folder)
