"""Rows of vectors, and the nearest of them to a query: exact, or by codes of 4 bits first and then exact.

Reading a million float16 vectors takes 30 ms. So a block of an index file has codes, too, an eighth of the size: each
vector turned to its principal axes (PCA, of which the better half is kept, randomly rotated so that all axes matter
alike), with 4 bits an axis, which FAISS compares by table look-ups in registers (IndexPQFastScan, arXiv:2401.08281).
The rows with the best codes are then scored with their float16 vectors.

Whether these candidates were enough is tested: all other rows have lower approximate scores than the last candidate, so
unless an error is larger than all of the candidates near it, their scores are below that plus the largest error. If the
k-th track found is not above it, the search is repeated with four times as many candidates, and in the end exactly.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

MIN_ROWS_FOR_CODES = 1000  # fewer are always searched exactly
TRAINING_ROWS = 16_384  # for the axes and the codes
ROWS_PER_ENCODING = 50_000  # 25 MB in float32
CANDIDATES_PER_ROW = 25  # of the rows that are wanted
CANDIDATE_FRACTION = 1 / 250  # of all rows, at least: the more rows, the more are near
MAX_CANDIDATE_FRACTION = 1 / 8  # above it an exact search is quicker
ROWS_TO_ESTIMATE_SHARE = 10_000  # how many of all rows pass a filter
# FAISS's stubs describe the C++ signatures, not the numpy and keyword arguments that its Python layer accepts.
untyped_faiss: Any = faiss


@contextlib.contextmanager
def single_thread() -> Iterator[None]:
    """FAISS with one OpenMP thread: below millions of vectors more threads cost more than they gain.

    OpenMP keeps the setting per calling thread, so other threads are not affected.
    """
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def new_index(dim: int) -> Any:
    return untyped_faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


@dataclass
class Block:
    """Rows: track_ids (n,) int64 in ascending order, starts (n,) float64, and a `faiss.IndexScalarQuantizer`.

    `codes`: a `faiss.IndexPreTransform` of the same rows; None where searches are exact.
    """

    track_ids: np.ndarray
    starts: np.ndarray
    index: Any
    codes: Any = None
    has_deleted: bool = False  # whether some rows are of deleted tracks

    def __len__(self) -> int:
        return len(self.track_ids)

    @property
    def lacks_codes(self) -> bool:
        return self.codes is None and len(self) >= MIN_ROWS_FOR_CODES


def nearest_rows(
    block: Block, query: np.ndarray, n: int, k: int, passing: np.ndarray | None
) -> Iterator[tuple[float, int, float]]:
    """The n best rows, best first, or as many of them as the best k tracks need: (cosine, track id, start).

    Args:
        query: (dim,) float32.
        passing: (track ids,) bool: whose rows may be found; None for all.
    """
    n = min(n, len(block))
    with single_thread():
        found = _by_codes(block, query, n, k, passing) if block.codes is not None else None
        scores, rows = _exact(block, query, n, passing) if found is None else found
    yield from zip(scores.tolist(), block.track_ids[rows].tolist(), block.starts[rows].tolist(), strict=True)


def _exact(block: Block, query: np.ndarray, n: int, passing: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The scores and the numbers of the n best rows, by comparing all."""
    parameters = None
    if passing is not None:
        bits = np.packbits(passing[block.track_ids], bitorder="little")
        parameters = untyped_faiss.SearchParameters(sel=untyped_faiss.IDSelectorBitmap(bits))
    scores, rows = block.index.search(query[None], n, params=parameters)
    found = rows[0] >= 0  # FAISS pads with -1
    return scores[0][found], rows[0][found]


def _by_codes(
    block: Block, query: np.ndarray, n: int, k: int, passing: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """The same by codes; None where an exact search is quicker or needed."""
    every = 1 + len(block) // ROWS_TO_ESTIMATE_SHARE
    share = 1.0 if passing is None else float(np.mean(passing[block.track_ids[::every]]))
    wanted = max(CANDIDATES_PER_ROW * n, CANDIDATE_FRACTION * len(block))
    while wanted <= share * MAX_CANDIDATE_FRACTION * len(block):
        guesses, rows = (found[0] for found in block.codes.search(query[None], int(wanted / share)))
        lowest = guesses[-1]
        if passing is not None:
            allowed = passing[block.track_ids[rows]]
            guesses, rows = guesses[allowed], rows[allowed]
        if len(rows) >= n:
            near_lowest = slice(len(rows) // 2, None)
            halves = _codes(block)[rows[near_lowest]].view(np.float16)
            error = float(np.max(halves.astype(np.float32) @ query - guesses[near_lowest]))
            scores, best = _best_of(block, query, np.sort(rows), n)
            if scores[_last_needed(block.track_ids[best], k)] >= lowest + error:
                return scores, best
        wanted *= 4
    return None


def _codes(block: Block) -> np.ndarray:
    """(n, 2 dim) uint8: the float16 vectors as the index holds them, not a copy."""
    codes: np.ndarray = faiss.rev_swig_ptr(block.index.codes.data(), len(block) * block.index.code_size)
    return codes.reshape(len(block), -1)


def _best_of(block: Block, query: np.ndarray, rows: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The scores and the numbers of the n best of these rows, bit for bit as an exact search gives them."""
    some = new_index(block.index.d)
    some.add_sa_codes(_codes(block)[rows])
    scores, best = some.search(query[None], n)
    return scores[0], rows[best[0]]


def _last_needed(track_ids: np.ndarray, k: int) -> int:
    """The position at which the k-th track appears first; the last one if there are fewer tracks.

    >>> _last_needed(np.array([7, 7, 3, 7, 9]), 2), _last_needed(np.array([7, 7]), 2)
    (2, 1)
    """
    first = np.sort(np.unique(track_ids, return_index=True)[1])
    return int(first[k - 1]) if len(first) >= k else len(track_ids) - 1


def new_codes(index: Any) -> Any:
    """Codes of all rows of an index of `MIN_ROWS_FOR_CODES`, trained on rows spread evenly; the same each time."""
    dim, rows = index.d, index.ntotal
    axes = -(-dim // 2)
    rotation = untyped_faiss.PCAMatrix(dim, axes, 0, True)
    quantizer = untyped_faiss.IndexPQFastScan(axes, axes, 4, faiss.METRIC_INNER_PRODUCT)
    codes = untyped_faiss.IndexPreTransform(rotation, quantizer)
    with single_thread():
        sample = index.reconstruct_batch(np.arange(0, rows, -(-rows // TRAINING_ROWS)))
        rotation.train(sample)
        # Of queries and vectors the mean must not be subtracted: inner products would change by more than a constant.
        rotation.have_bias = False
        quantizer.train(rotation.apply(sample))
        codes.is_trained = True
        add_codes(codes, index)
    return codes


def empty_codes(codes: Any) -> Any:
    """Codes for other rows, with the same axes."""
    empty = untyped_faiss.clone_index(codes)
    empty.reset()
    return empty


def add_codes(codes: Any, index: Any) -> None:
    """Encode those rows of an index that the codes lack."""
    with single_thread():
        for first in range(codes.ntotal, index.ntotal, ROWS_PER_ENCODING):
            codes.add(index.reconstruct_n(first, min(ROWS_PER_ENCODING, index.ntotal - first)))
