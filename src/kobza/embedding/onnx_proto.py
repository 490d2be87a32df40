"""A model of ONNX's in its file format, written without the package `onnx`, which takes 30 MB and .2 s to import.

A graph is a list of nodes over named tensors; `Graph` collects them and `Graph.serialize` gives the bytes that an
engine opens. The format is Protocol Buffers' (https://protobuf.dev/programming-guides/encoding), with the field numbers
of onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3). Large weights stay outside: a session gets
them by name.
"""

import itertools
import struct
from collections.abc import Iterable, Sequence

import numpy as np

IR_VERSION = 10
OPSET = 20
CONTRIBUTED = "com.microsoft"  # ONNX Runtime's own operators
INLINE_BYTES = 1024  # weights above it are handed to the session
DATA_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11}
EXTERNAL_LOCATION = "weights"  # no file: the session is handed the arrays

Attribute = int | float | str | Sequence[int]


def varint(value: int) -> bytes:
    """
    >>> varint(300).hex()
    'ac02'
    """
    value &= (1 << 64) - 1  # negative numbers are written as 64 bits
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, value: int | float | str | bytes) -> bytes:
    """One field of a message: an integer, a 32-bit float, or text, bytes or another message.

    >>> field(1, "ab").hex()
    '0a026162'
    """
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def fields(number: int, values: Iterable[int | float | str | bytes]) -> bytes:
    return b"".join(field(number, value) for value in values)


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        return field(1, name) + field(2, value) + field(20, 1)
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    if isinstance(value, str):
        return field(1, name) + field(4, value) + field(20, 3)
    return field(1, name) + fields(8, value) + field(20, 7)


def _tensor(name: str, array: np.ndarray, is_external: bool) -> bytes:
    head = fields(1, array.shape) + field(2, DATA_TYPES[array.dtype.name]) + field(8, name)
    if is_external:
        entry = field(1, "location") + field(2, EXTERNAL_LOCATION)
        length = field(1, "length") + field(2, str(array.nbytes))
        return head + field(13, entry) + field(13, length) + field(14, 1)
    return head + field(9, np.ascontiguousarray(array).tobytes())


def _value(name: str, dtype: str, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(field(1, field(2, n) if isinstance(n, str) else field(1, n)) for n in shape)
    return field(1, name) + field(2, field(1, field(1, DATA_TYPES[dtype]) + field(2, dims)))


class Graph:
    """Nodes in the order in which they run. `add` returns the name of a node's result, the input of others.

    Attributes:
        weights: by name, the arrays that a session must be handed, see `serialize`.
    """

    def __init__(self) -> None:
        self.weights: dict[str, np.ndarray] = {}
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []
        self._numbers = itertools.count()

    def input(self, name: str, dtype: str, shape: Sequence[int | str]) -> str:
        """A dimension is a number, or a name if it varies."""
        self._inputs.append(_value(name, dtype, shape))
        return name

    def output(self, name: str, dtype: str, shape: Sequence[int | str]) -> None:
        self._outputs.append(_value(name, dtype, shape))

    def constant(self, value: np.ndarray | float | Sequence[int], name: str = "") -> str:
        """Integers become int64, other numbers float32; an array keeps its type."""
        if not isinstance(value, np.ndarray):
            value = np.array(value, np.float32 if isinstance(value, float) else np.int64)
        name = name or f"constant_{next(self._numbers)}"
        is_external = value.nbytes > INLINE_BYTES
        self._tensors.append(_tensor(name, value, is_external))
        if is_external:
            self.weights[name] = np.ascontiguousarray(value)
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Attribute) -> str:
        """Append a node; "" for an optional input that is left out. The name of its first result is returned; further
        ones append .1, .2 ... to it."""
        name = f"{operator}_{next(self._numbers)}"
        results = [name, *(f"{name}.{i}" for i in range(1, outputs))]
        node = fields(1, inputs) + fields(2, results) + field(3, name) + field(4, operator)
        node += fields(5, (_attribute(key, value) for key, value in attributes.items())) + field(7, domain)
        self._nodes.append(node)
        return name

    def serialize(self) -> bytes:
        """The model as `onnx.load` and engines read it, without `weights`."""
        graph = fields(1, self._nodes) + field(2, "kobza") + fields(5, self._tensors)
        graph += fields(11, self._inputs) + fields(12, self._outputs)
        versions = [field(1, "") + field(2, OPSET), field(1, CONTRIBUTED) + field(2, 1)]
        return field(1, IR_VERSION) + field(2, "kobza") + field(7, graph) + fields(8, versions)
