"""Writes what TensorFlow 1 writes, as far as the build reads it, and a small musicnn in a wheel."""

import zipfile

import numpy as np


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number, value):
    """A field of a protobuf message: of a number, or of bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def block(pairs):
    """A block of a LevelDB table, with what the keys share with the one before left out."""
    out, before = b"", b""
    for key, value in pairs:
        shared = 0
        while key[: shared + 1] == before[: shared + 1] and shared < min(len(key), len(before)):
            shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return out + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


def write_checkpoint(tensors):
    """The contents of `.index` and `.data-00000-of-00001`."""
    data, pairs = b"", [(b"", field(1, 1))]
    for name, tensor in sorted(tensors.items()):
        shape = b"".join(field(2, field(1, size)) for size in tensor.shape)
        raw = tensor.astype("<f4").tobytes()
        entry = field(1, 1) + field(2, shape) + (field(4, len(data)) if data else b"") + field(5, len(raw))
        pairs.append((name.encode(), entry + varint(6 << 3 | 5) + b"\0\0\0\0"))  # a checksum, which is not read
        data += raw
    half = len(pairs) // 2
    table, handles = b"", []
    for part in (pairs[:half], pairs[half:]):
        content = block(part)
        handles.append((part[-1][0], varint(len(table)) + varint(len(content))))
        table += content + bytes(5)
    index = block(handles)
    handle = varint(0) + varint(0) + varint(len(table)) + varint(len(index))
    footer = handle.ljust(40, b"\0") + (0xDB4775248B80FB57).to_bytes(8, "little")
    return table + index + bytes(5) + footer, data


def musicnn_tensors(seed, timbral=6, temporal=2, middle=4, hidden=8):
    """Random tensors of musicnn's names and shapes, with fewer channels."""
    rng = np.random.default_rng(seed)
    front = 2 * timbral + 3 * temporal
    kernels = [(7, 38, 1, timbral), (7, 67, 1, timbral), *((frames, 1, 1, temporal) for frames in (128, 64, 32))]
    kernels += [(7, front, 1, middle), (7, middle, 1, middle), (7, middle, 1, middle)]
    pooled = 2 * (front + 3 * middle)
    norms = [1, *(kernel[3] for kernel in kernels), pooled, hidden]
    tensors = {}
    for number, kernel in enumerate(kernels):
        suffix = f"_{number}" if number else ""
        tensors[f"conv2d{suffix}/kernel"] = rng.normal(size=kernel) / np.prod(kernel[:3]) ** 0.5
        tensors[f"conv2d{suffix}/bias"] = rng.normal(size=kernel[3]) * 0.1
    for number, channels in enumerate(norms):
        prefix = f"batch_normalization_{number}" if number else "batch_normalization"
        tensors[f"{prefix}/gamma"] = rng.normal(size=channels)  # of both signs
        tensors[f"{prefix}/beta"] = rng.normal(size=channels) * 0.1
        tensors[f"{prefix}/moving_mean"] = rng.normal(size=channels) * 0.1
        tensors[f"{prefix}/moving_variance"] = rng.uniform(0.5, 2, channels)
    for suffix, shape in (("", (pooled, hidden)), ("_1", (hidden, 50))):
        tensors[f"dense{suffix}/kernel"] = rng.normal(size=shape) / shape[0] ** 0.5
        tensors[f"dense{suffix}/bias"] = rng.normal(size=shape[1]) * 0.1
    tensors["dense/kernel/Adam"] = np.ones((2, 2))  # the optimizer's, which is left out
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


def write_musicnn_wheel(path):
    """A wheel with a small MSD tagger and a small MTT tagger."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for seed, tags in enumerate(("MSD", "MTT")):
            index, data = write_checkpoint(musicnn_tensors(seed))
            wheel.writestr(f"musicnn/{tags}_musicnn/.index", index)
            wheel.writestr(f"musicnn/{tags}_musicnn/.data-00000-of-00001", data)
    return path
