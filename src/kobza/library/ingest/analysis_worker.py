"""Tempo, key and energy of samples, by sonara. As a program, it answers on standard output what standard input asks.

`analysis` runs it as a process of its own: sonara holds the GIL, so it would stop the model meanwhile; its threads do
not survive a fork; and a crash in native code would end the indexing. It imports nothing of Kobza, to start quickly.

    in: sampling rate and number of samples (two little-endian uint32), then float32 samples;  out: a line of JSON
"""

import json
import math
import select
import struct
import sys
from typing import Any, BinaryIO

import numpy as np

HEADER = struct.Struct("<II")
IDLE_SECONDS = 60  # without work, the process ends
FEATURES = ["bpm", "beats", "key", "energy"]
MIN_SECONDS = 10.0  # of less, tempo and key are guesses
MIN_TEMPO_CONFIDENCE = 0.45  # below it sonara calls its tempo suspect; of 78 made pieces, none of the 6 such was right
MIN_BEATS = 8
SILENT_PEAK = 1e-4  # -80 dB


def measure(samples: np.ndarray, sampling_rate: int) -> dict[str, Any]:
    """(n,) float32 -> {"bpm": float or None, "key": such as "C# minor" or "", "energy": 0..1 or None}."""
    import sonara

    peak = float(np.abs(samples).max(initial=0.0))
    if peak < SILENT_PEAK:
        return {"bpm": None, "key": "", "energy": 0.0}
    samples = np.ascontiguousarray(samples / max(peak, 1.0), np.float32)
    found = sonara.analyze_signal(samples, sr=sampling_rate, features=FEATURES)
    energy = float(found["energy"])
    answer = {"bpm": None, "key": "", "energy": min(1.0, max(0.0, energy)) if math.isfinite(energy) else None}
    if len(samples) >= MIN_SECONDS * sampling_rate:
        answer["key"] = str(found["key"])
        if found["bpm_confidence"] >= MIN_TEMPO_CONFIDENCE:
            hop_seconds = found["provenance"]["hop_length"] / sampling_rate
            answer["bpm"] = tempo_of_beats(np.array(found["beats"], float) * hop_seconds)
    return answer


def tempo_of_beats(beats: np.ndarray) -> float | None:
    """Beats per minute from the times of the beats (n,) in seconds: the slope of a line through all of them.

    It is much finer than the steps of an autocorrelation. Missed beats do not matter.

    >>> tempo_of_beats(np.delete(np.arange(40), 7) * 0.48)
    125.0
    """
    if len(beats) < MIN_BEATS:
        return None
    intervals = np.diff(beats)
    numbers = np.concatenate([[0], np.cumsum(np.maximum(1, np.round(intervals / np.median(intervals))))])
    seconds_per_beat = float(np.polyfit(numbers, beats, 1)[0])
    return round(60 / seconds_per_beat, 2) if seconds_per_beat > 0 else None


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def main() -> None:
    """Answer until the input ends, or nothing comes for `IDLE_SECONDS`."""
    sys.modules["matplotlib"] = None  # type: ignore[assignment]  # sonara would import it, which takes a second
    source = sys.stdin.buffer
    while select.select([source], [], [], IDLE_SECONDS)[0]:
        try:
            sampling_rate, count = HEADER.unpack(_read(source, HEADER.size))
            samples = np.frombuffer(_read(source, 4 * count), "<f4")
        except EOFError:
            return
        try:
            answer = measure(samples, sampling_rate)
        except BaseException as error:  # a panic of sonara is no Exception
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
