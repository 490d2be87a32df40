"""Programs that find tempo and key, for `benchmarks.analysis`: (n,) float32 mono samples and their rate -> (bpm, key).

Only sonara comes with Kobza, as `kobza[analysis]`. The others are compared where they are installed; their licences are
the ISC's (librosa), the AGPL (Essentia) and the GPL (aubio, Mixxx).
"""

import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

Analyzer = Callable[[np.ndarray, int], tuple[float | None, str]]
ESSENTIA_RATE = 44100.0
# Temperley's key profiles, from the tonic on (Music and Probability, 2007)
PROFILES = {
    "major": np.array([0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400]),
    "minor": np.array([0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330]),
}
NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def kobza_analyzer(samples: np.ndarray, rate: int) -> tuple[float | None, str]:
    """What `kobza index --analyze` does: sonara, the tempo by a line through its beats."""
    from kobza.library.ingest.analysis_worker import measure

    found = measure(samples, rate)
    return found["bpm"], found["key"]


def sonara_alone(samples: np.ndarray, rate: int) -> tuple[float | None, str]:
    import sonara

    found = sonara.analyze_signal(samples, sr=rate, features=["bpm", "key"])
    return found["bpm"], found["key"]


def librosa_with_profiles(samples: np.ndarray, rate: int) -> tuple[float | None, str]:
    import librosa

    tempo = float(np.atleast_1d(librosa.feature.tempo(y=samples, sr=rate))[0])
    chroma = librosa.feature.chroma_stft(y=samples, sr=rate, n_fft=8192).mean(axis=1)
    fits = {
        f"{NAMES[tonic]} {mode}": float(np.corrcoef(np.roll(profile, tonic), chroma)[0, 1])
        for mode, profile in PROFILES.items()
        for tonic in range(12)
    }
    return tempo, max(fits, key=lambda key: fits[key])


def essentia_extractors(samples: np.ndarray, rate: int) -> tuple[float | None, str]:
    import essentia.standard as essentia

    if rate != ESSENTIA_RATE:
        samples = essentia.Resample(inputSampleRate=float(rate), outputSampleRate=ESSENTIA_RATE)(samples)
    tempo = essentia.RhythmExtractor2013(method="degara")(samples)[0]
    tonic, mode, _ = essentia.KeyExtractor(profileType="edma")(samples)
    return float(tempo), f"{tonic} {mode}"


def aubio_tempo(samples: np.ndarray, rate: int) -> tuple[float | None, str]:
    import aubio

    hop = 512
    tracker = aubio.tempo("specdiff", 2 * hop, hop, rate)
    starts = range(0, len(samples) - hop, hop)
    beats = [tracker.get_last_s() for start in starts if tracker(np.ascontiguousarray(samples[start : start + hop]))]
    return (60 / float(np.median(np.diff(beats))) if len(beats) > 1 else None), ""


def mixxx(samples: np.ndarray, rate: int) -> tuple[float | None, str]:
    import mixxx_analyzer

    from kobza.synth.album import write_flac

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.flac"
        write_flac(path, np.stack([samples, samples]), rate)
        found = mixxx_analyzer.analyze(str(path))
    return found.bpm, found.key or ""


# name: (module that it needs, sampling rate in Hz, what analyses)
ANALYZERS: dict[str, tuple[str, int, Analyzer]] = {
    "kobza: sonara, 16 kHz, tempo of its beats": ("sonara", 16000, kobza_analyzer),
    "sonara, 16 kHz": ("sonara", 16000, sonara_alone),
    "sonara, 44.1 kHz": ("sonara", 44100, sonara_alone),
    "librosa, 22.05 kHz": ("librosa", 22050, librosa_with_profiles),
    "Essentia, 44.1 kHz": ("essentia", 44100, essentia_extractors),
    "Mixxx's analyzer, 44.1 kHz": ("mixxx_analyzer", 44100, mixxx),
    "aubio, 44.1 kHz": ("aubio", 44100, aubio_tempo),
}


def installed_analyzers() -> dict[str, tuple[int, Analyzer]]:
    """Those whose module is installed: sampling rate, and what analyses."""
    return {name: (rate, call) for name, (module, rate, call) in ANALYZERS.items() if find_spec(module)}
