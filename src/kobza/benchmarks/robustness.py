"""How far the vector of a recording moves when only its file changes: resampling, codec, level, a shift in time.

    python -m kobza.benchmarks.robustness FOLDER [--model NAME] [--count 60]

The first window of each recording, at 44.1 kHz in mono, is changed in every way of `changes`, and its vector is
compared with that of the unchanged window. Printed are, for each way, the mean cosine of all recordings and the worst.
"""

import argparse
import importlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kobza.audio import AUDIO_EXTENSIONS, AudioError, excerpt, load_audio
from kobza.benchmarks.audio import SAMPLING_RATE, encode
from kobza.embedding.embedder import Embedder, cut_windows
from kobza.model.resampling_kobza import resample

CODECS = {  # encoder, container, extension, bit/s
    "MP3, 128 kbit/s": ("libmp3lame", "mp3", "mp3", 128_000),
    "MP3, 64 kbit/s": ("libmp3lame", "mp3", "mp3", 64_000),
    "AAC, 96 kbit/s": ("aac", "ipod", "m4a", 96_000),
    "Opus, 48 kbit/s": ("libopus", "ogg", "opus", 48_000),
    "Opus, 24 kbit/s": ("libopus", "ogg", "opus", 24_000),
}
GAINS_DB = (-40, -20, 12)
CUT_HERTZ = 7000.0
SHIFT_SECONDS = 0.5


def low_pass(samples: np.ndarray, sampling_rate: int, hertz: float) -> np.ndarray:
    """Remove what is above a frequency, as the encoders of small files do: (n,) -> (n,) float32.

    >>> time = np.arange(8000) / 8000
    >>> tones = np.sin(2 * np.pi * 1000 * time) + np.sin(2 * np.pi * 3000 * time)
    >>> bool(np.allclose(low_pass(tones, 8000, 2000.0), np.sin(2 * np.pi * 1000 * time), atol=1e-6))
    True
    """
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(len(samples), 1 / sampling_rate) > hertz] = 0
    return np.fft.irfft(spectrum, len(samples)).astype(np.float32)


def changes(samples: np.ndarray, rate: int, seconds: float, folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """A recording changed in every way, as the model gets it: (what was done, (n,) float32 at `rate`).

    Args:
        samples: (n,) float32 at 44.1 kHz, longer than the window by `SHIFT_SECONDS` if the recording is.
        rate: the model's, Hz. seconds: the length of its window.
        folder: for the encoded files.
    """
    window = samples[: round(seconds * SAMPLING_RATE)]
    plain = resample(torch.from_numpy(window), SAMPLING_RATE, rate).numpy()
    for name, convert in resamplers().items():
        yield f"resampled by {name}", convert(window, SAMPLING_RATE, rate)
    for source_rate in (22_050, 48_000):
        source = resample(torch.from_numpy(window), SAMPLING_RATE, source_rate)
        yield f"file of {source_rate / 1000:g} kHz", resample(source, source_rate, rate).numpy()
    for name, (encoder, container, extension, bit_rate) in CODECS.items():
        path = folder / f"a.{extension}"
        encode(path, np.stack([window, window]), encoder, container, bit_rate=bit_rate)
        yield name, load_audio(path, rate)[: len(plain)]
    path = folder / "opposite.flac"
    encode(path, np.stack([window, -window]), "flac", "flac")
    yield "right channel turned round", load_audio(path, rate)[: len(plain)]
    yield f"cut at {CUT_HERTZ / 1000:g} kHz", low_pass(plain, rate, CUT_HERTZ)
    for gain in GAINS_DB:
        yield f"{gain:+d} dB", (10 ** (gain / 20) * plain).astype(np.float32)
    yield "followed by silence", np.concatenate([plain, np.zeros(10 * len(plain), np.float32)])
    shifted = samples[round(SHIFT_SECONDS * SAMPLING_RATE) :][: len(window)]
    yield f"shifted by {SHIFT_SECONDS:g} s", resample(torch.from_numpy(shifted), SAMPLING_RATE, rate).numpy()


def resamplers() -> dict[str, Callable[[np.ndarray, int, int], np.ndarray]]:
    """Other libraries' resamplers, those that are installed: (samples, rate, new rate) -> samples."""
    found: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {}
    if (torchaudio := _installed("torchaudio.functional")) is not None:
        found["torchaudio"] = lambda wave, old, new: torchaudio.resample(torch.from_numpy(wave), old, new).numpy()
    if (soxr := _installed("soxr")) is not None:
        found["soxr"] = lambda wave, old, new: soxr.resample(wave, old, new)
    return found


def _installed(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def measure(paths: Sequence[Path], embedder: Embedder) -> dict[str, list[float]]:
    """For each way of `changes`, the cosine of each recording's changed vector with its own; silent ones are left out.

    Raises:
        ValueError: none of the recordings can be used.
    """
    rate, seconds = embedder.sampling_rate, embedder.window_seconds
    cosines: dict[str, list[float]] = {}
    for path in paths:
        try:
            samples = excerpt(path, 0.0, seconds + SHIFT_SECONDS, SAMPLING_RATE)
        except AudioError as error:
            print(f"left out: {error}")
            continue
        plain = resample(torch.from_numpy(samples[: round(seconds * SAMPLING_RATE)]), SAMPLING_RATE, rate).numpy()
        if not list(cut_windows(embedder, iter([plain]))):
            continue
        with tempfile.TemporaryDirectory() as folder:
            changed = list(changes(samples, rate, seconds, Path(folder)))
        windows = [next((w for _, w in cut_windows(embedder, iter([samples]))), plain * 0) for _, samples in changed]
        own, *others = embedder.embed_windows([plain, *windows])
        for (name, _), vector in zip(changed, others, strict=True):
            cosines.setdefault(name, []).append(float(own @ vector))
    if not cosines:
        raise ValueError("None of the recordings can be used: give a folder of music.")
    return cosines


def main(arguments: Sequence[str] | None = None) -> None:
    from kobza.embedding.loader import load_embedder

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="recordings, at any depth")
    parser.add_argument("--model", metavar="NAME", help="a checkpoint's folder or Hub id; default: kobza-mini")
    parser.add_argument("--count", type=int, default=60, help="use at most so many (default: %(default)s)")
    args = parser.parse_args(arguments)
    paths = sorted(path for path in args.folder.rglob("*") if path.suffix.lower() in AUDIO_EXTENSIONS)
    step = max(1, len(paths) // args.count)
    try:
        result = measure(paths[::step][: args.count], load_embedder(args.model, arithmetic="float32"))
    except ValueError as error:
        parser.exit(1, f"{error}\n")
    print(f"{'recordings: ' + str(len(next(iter(result.values())))):<28}  mean  worst")
    for name, cosines in result.items():
        print(f"{name:<28}  {np.mean(cosines):.3f}  {min(cosines):.3f}")


if __name__ == "__main__":
    main()
