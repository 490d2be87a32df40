"""Reads the tensors of a TensorFlow 1 checkpoint without TensorFlow.

A checkpoint is two files. `*.index` is a LevelDB table (github.com/google/leveldb, doc/table_format.md): sorted keys
with shared prefixes, here the tensors' names, and as values protobuf messages `BundleEntryProto` (shape, shard,
offset, size). `*.data-00000-of-00001` holds the tensors themselves, raw and little-endian, one after another.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

FOOTER_BYTES = 48
TABLE_MAGIC = 0xDB4775248B80FB57
OPTIMIZER = re.compile(r"(/Adam(_\d+)?|^beta\d_power)$")
FLOAT32 = 1  # DT_FLOAT in tensorflow/core/framework/types.proto


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A base-128 varint and the offset after it.

    >>> read_varint(bytes([0xAC, 0x02]), 0)
    (300, 2)
    """
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def read_block(data: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The (key, value) pairs of one block of a LevelDB table."""
    if data[offset + size] != 0:
        raise ValueError("The checkpoint's index is compressed, which this reader does not support.")
    block = data[offset : offset + size]
    restarts = int.from_bytes(block[-4:], "little")
    end, at, key = size - 4 * (restarts + 1), 0, b""
    while at < end:
        shared, at = read_varint(block, at)
        own, at = read_varint(block, at)
        length, at = read_varint(block, at)
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + length]
        at += length


def read_table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All (key, value) pairs of a LevelDB table."""
    footer = data[-FOOTER_BYTES:]
    if len(footer) < FOOTER_BYTES or int.from_bytes(footer[-8:], "little") != TABLE_MAGIC:
        raise ValueError("The file is not a checkpoint's index: it does not end as a LevelDB table does.")
    _, at = read_varint(footer, 0)  # the meta index: offset and size
    _, at = read_varint(footer, at)
    offset, at = read_varint(footer, at)
    size, _ = read_varint(footer, at)
    for _, handle in read_block(data, offset, size):
        start, at = read_varint(handle, 0)
        length, _ = read_varint(handle, at)
        yield from read_block(data, start, length)


def read_message(data: bytes) -> dict[int, list[Any]]:
    """The fields of a protobuf message by their numbers; of each field all values, bytes or numbers."""
    fields: dict[int, list[Any]] = {}
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        value: int | bytes
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 2:
            length, at = read_varint(data, at)
            value, at = data[at : at + length], at + length
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            value, at = int.from_bytes(data[at : at + width], "little"), at + width
        else:
            raise ValueError(f"The checkpoint's index holds a protobuf field of the unknown kind {kind}.")
        fields.setdefault(number, []).append(value)
    return fields


def read_checkpoint(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """The float32 tensors of a checkpoint by name, except the optimizer's.

    Args:
        index: the content of `*.index`. data: of `*.data-00000-of-00001`.

    Raises:
        ValueError: one of them is not what TensorFlow 1 writes.
    """
    try:
        entries = [(key.decode(), read_message(value)) for key, value in read_table(index)]
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError("The checkpoint's index is damaged: it ends inside an entry.") from error
    tensors = {}
    for name, entry in entries:
        if not name or entry.get(1, [0])[0] != FLOAT32 or OPTIMIZER.search(name):  # the empty name is the header
            continue
        dimensions = read_message(entry[2][0]).get(2, []) if 2 in entry else []
        shape = tuple(read_message(dimension).get(1, [0])[0] for dimension in dimensions)
        offset, size = entry.get(4, [0])[0], entry[5][0]
        if offset + size > len(data) or size != 4 * int(np.prod(shape)):
            raise ValueError(f"The checkpoint is damaged: {name} does not lie in its data file.")
        tensors[name] = np.frombuffer(data, "<f4", size // 4, offset).reshape(shape)
    return tensors
