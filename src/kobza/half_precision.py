"""Numbers that are stored in half precision and computed with in float32.

NumPy converts float16 to float32 element by element, which takes several times as long as this: the bits of a half are
shifted to where float32 has its sign, exponent and fraction. Its exponent then lacks the difference of the two biases,
127 - 15: the value is too small by 2^112, which a multiplication makes up for. Every finite value stays exact.
"""

import numpy as np

BIAS = np.float32(2.0**112)
FRACTION_SHIFT = 13  # float32 has 23 bits of fraction, float16 10
CLEARED = np.int32(-0x7000_0001)  # all bits but those that the sign was copied to
ELEMENTS_PER_STEP = 1 << 17  # half a megabyte in float32, which stays in a core's cache


def widened(halves: np.ndarray, memory: np.ndarray) -> np.ndarray:
    """(n, dim) float16 -> (n, dim) float32, the values divided by `BIAS`.

    Args:
        memory: (at least n, dim) int32, which the result lies in.

    >>> (widened(np.array([[1.5, -0.25]], np.float16), np.empty((1, 2), np.int32)) * BIAS).tolist()
    [[1.5, -0.25]]
    """
    bits = memory[: len(halves)]
    bits[:] = halves.view(np.int16)  # with copies of the sign above
    np.left_shift(bits, FRACTION_SHIFT, out=bits)
    np.bitwise_and(bits, CLEARED, out=bits)
    return bits.view(np.float32)


def to_float32(values: np.ndarray) -> np.ndarray:
    """An array as float32; finite float16 is converted as above, anything else by NumPy.

    >>> to_float32(np.array([[0.1, -2.0]], np.float16))
    array([[ 0.09997559, -2.        ]], dtype=float32)
    """
    if values.dtype != np.float16:
        return values.astype(np.float32)
    flat = np.ascontiguousarray(values).reshape(1, -1)
    result = np.empty(flat.shape, np.float32)
    for first in range(0, flat.size, ELEMENTS_PER_STEP):
        part = np.s_[:, first : first + ELEMENTS_PER_STEP]
        widened(flat[part], result[part].view(np.int32))
        result[part] *= BIAS
    return result.reshape(values.shape)


def inner_products(halves: np.ndarray, query: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """(n,) float32: those of the rows (n, dim) float16 with the query (dim,) float32.

    Equal rows have equal products, whatever the other rows: BLAS does not promise it.

    Args:
        rows: the numbers of the rows that are wanted; None for all.

    >>> inner_products(np.array([[1, 0], [0.5, 0.5]], np.float16), np.array([2, 4], np.float32)).tolist()
    [2.0, 3.0]
    """
    n, dim = len(halves) if rows is None else len(rows), halves.shape[1]
    products = np.empty(n, np.float32)
    step = max(1, ELEMENTS_PER_STEP // max(1, dim))
    memory = np.empty((min(step, n), dim), np.int32)
    biased = query.astype(np.float32) * BIAS
    for first in range(0, n, step):
        part = slice(first, first + step)
        some = halves[part] if rows is None else halves.take(rows[part], axis=0)
        np.einsum("ij,j->i", widened(some, memory), biased, out=products[part])
    return products
