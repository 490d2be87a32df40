"""Codes of 4 bits for vectors: approximate inner products with a million of them in some milliseconds.

A vector is multiplied by a random rotation, so that all its values are of about one size, whatever the model; each then
has 4 bits, with a scale for each 128 of them: 68 bytes for a vector of 128 dimensions. The error of a product has a
standard deviation of .01. ONNX Runtime compares the codes in integers (`MatMulNBits`).

Codes of half of the principal axes took half of the memory, but their errors are larger for descriptions, which do not
lie where recordings do: of the ten best tracks for them, 1 % were missed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from kobza.half_precision import BIAS, ELEMENTS_PER_STEP, widened

VALUES_PER_SCALE = 128
LARGEST = 7  # codes are 1 to 15, of -7 to 7
ROWS_PER_PRODUCT = 1 << 20  # of one node of the graph: bounds what an engine without fast instructions unpacks


@dataclass
class Codes:
    """Codes of n vectors.

    Attributes:
        rotation: (dim, width) float32, see `random_rotation`.
        packed: (n, width / 2) uint8, two values each, the first in the lower bits.
        scales: (n, width / 128) float32.
    """

    rotation: np.ndarray
    packed: np.ndarray
    scales: np.ndarray

    def __len__(self) -> int:
        return len(self.packed)

    def inner_products(self, query: np.ndarray) -> np.ndarray:
        """(n,) float32, approximately those of the vectors with the query (dim,) float32."""
        products: np.ndarray = self._session.run(None, {"query": (query @ self.rotation)[None]})[0]
        return products[0]

    @cached_property
    def deviation(self) -> float:
        """The standard deviation of the error of a product with a query of unit length: in each dimension, that of
        rounding is uniform within half a scale to both sides."""
        return float(np.sqrt(np.mean(np.square(self.scales)) / 12))

    @cached_property
    def _session(self) -> Any:
        from kobza.embedding.engine import open_session, usable_cpus  # imported here: a first search needs none
        from kobza.embedding.onnx_proto import CONTRIBUTED, Graph

        graph, width = Graph(), self.rotation.shape[1]
        query = graph.input("query", "float32", [1, width])
        products = []
        for first in range(0, len(self), ROWS_PER_PRODUCT):
            packed = self.packed[first : first + ROWS_PER_PRODUCT]
            codes = graph.constant(packed.reshape(len(packed), -1, VALUES_PER_SCALE // 2), f"codes_{first}")
            scales = graph.constant(self.scales[first : first + ROWS_PER_PRODUCT], f"scales_{first}")
            sizes = {"N": len(packed), "K": width, "bits": 4, "block_size": VALUES_PER_SCALE}
            attributes = {**sizes, "accuracy_level": 4}  # 4: the query in 8 bits, too
            products.append(graph.add("MatMulNBits", query, codes, scales, domain=CONTRIBUTED, **attributes))
        joined = graph.add("Concat", *products, axis=1) if len(products) > 1 else products[0]
        graph.output(joined, "float32", [1, len(self)])
        return open_session(graph, usable_cpus())


@cache
def are_quick() -> bool:
    """Whether the CPU has the instructions that the engine needs for codes; without, exact products are quicker."""
    from kobza.embedding.int8 import has_instructions

    return has_instructions(x86=("avx2",), arm=("asimddp",))


@cache
def random_rotation(dim: int) -> np.ndarray:
    """(dim, width) float32: what vectors are multiplied by before they are coded; the same each time. The last columns
    are zeros, which make `width` a multiple of 128."""
    rotation = np.zeros((dim, -(-dim // VALUES_PER_SCALE) * VALUES_PER_SCALE), np.float32)
    rotation[:, :dim] = np.linalg.qr(np.random.default_rng(0).standard_normal((dim, dim)))[0]
    return rotation


def encode_in_steps(rotation: np.ndarray, halves: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The `packed` and the `scales` of vectors (n, dim) float16, some rows at a time."""
    dim = len(rotation)
    step = max(1, ELEMENTS_PER_STEP // dim)
    memory = np.empty((min(step, len(halves)), dim), np.int32)
    biased = rotation * BIAS
    for first in range(0, len(halves), step):
        values = widened(halves[first : first + step], memory) @ biased
        parts = values.reshape(len(values), -1, VALUES_PER_SCALE)
        scales = np.abs(parts).max(axis=2) / LARGEST
        parts /= np.where(scales > 0, scales, 1)[:, :, None]
        parts += LARGEST + 1.5  # and 0.5 to round
        numbers = values.astype(np.uint8)
        yield numbers[:, 0::2] | numbers[:, 1::2] << 4, scales


def encode(halves: np.ndarray, rotation: np.ndarray | None = None) -> Codes:
    """The codes of vectors (n, dim) float16."""
    rotation = random_rotation(halves.shape[1]) if rotation is None else rotation
    packed = np.empty((len(halves), rotation.shape[1] // 2), np.uint8)
    scales = np.empty((len(halves), rotation.shape[1] // VALUES_PER_SCALE), np.float32)
    first = 0
    for some, their_scales in encode_in_steps(rotation, halves):
        last = first + len(some)
        packed[first:last], scales[first:last] = some, their_scales
        first = last
    return Codes(rotation, packed, scales)


def joined(codes: Codes, more: Codes) -> Codes:
    """The codes of both, which have the same rotation."""
    packed, scales = np.concatenate([codes.packed, more.packed]), np.concatenate([codes.scales, more.scales])
    return Codes(codes.rotation, packed, scales)
