"""Recordings of one data set that sound like one of another: copies that were encoded again or cut otherwise, which
`overlap.py` does not know by their keys."""

from typing import Any

import numpy as np

from kobza.audio import printable
from kobza.data.recordings import DataSet, DataSetError
from kobza.data.sets import divide_labelled, load_data_set
from kobza.embedding.embedder import Embedder, embed_recordings
from kobza.embedding.loader import load_embedder
from kobza.library.search.copies import COPY_COSINE

RECORDINGS_PER_BLOCK = 1024  # compared at once with all of the other set: 100 MB for 25,000


def nearest_above(vectors: np.ndarray, others: np.ndarray, cosine: float) -> dict[int, tuple[int, float]]:
    """{row of `vectors`: (the nearest row of `others`, their cosine)} of those at least as near as `cosine`.

    >>> nearest_above(np.eye(2), np.array([[0.0, 1.0]]), 0.97)
    {1: (0, 1.0)}

    Args:
        vectors, others: (n, dim) and (m, dim), of unit length.
    """
    found = {}
    for start in range(0, len(vectors), RECORDINGS_PER_BLOCK):
        similarity = vectors[start : start + RECORDINGS_PER_BLOCK] @ others.T
        best = similarity.argmax(axis=1)
        for row, (at, value) in enumerate(zip(best, similarity.max(axis=1), strict=True), start):
            if value >= cosine:
                found[row] = int(at), float(value)
    return found


def find_near_duplicates(
    spec: str, other: str, embedder: Embedder | None = None, probe: bool = False
) -> dict[str, Any]:
    """The near duplicates of a data set among the recordings of another, as a result carries them.

    Args:
        spec, other: see `load_data_set`.
        embedder: by default kobza-mini, for which `COPY_COSINE` was measured; not the model that is evaluated, to which
            different recordings may be alike.
        probe: of `spec` the test alone, as a probe measures it.

    Raises:
        ValueError: a data set or the model cannot be used.
    """
    embedder = embedder or load_embedder(arithmetic="float32")
    sets = divide_labelled(spec)["test"] if probe else load_data_set(spec), load_data_set(other)
    (ids, vectors), (other_ids, others) = (_embedded(embedder, data) for data in sets)
    found = nearest_above(vectors, others, COPY_COSINE)
    return {
        "of": " ".join(part for part in (sets[1].name, sets[1].split) if part),
        "model": embedder.fingerprint,
        "cosine": COPY_COSINE,
        "count": len(found),
        "share": len(found) / len(ids),
        "pairs": [[ids[row], other_ids[at], round(value, 4)] for row, (at, value) in found.items()],
    }


def _embedded(embedder: Embedder, data: DataSet) -> tuple[list[str], np.ndarray]:
    """The ids and vectors of the different recordings that can be used."""
    recordings = list({recording.path: recording for recording in data.recordings}.values())
    vectors, reasons = embed_recordings(embedder, [recording.path for recording in recordings])
    kept = [index for index in range(len(recordings)) if index not in reasons]
    if not kept:
        raise DataSetError(f"No recording in {printable(data.folder)} can be used: {reasons[0]}")
    return [recordings[index].id for index in kept], vectors[kept]
