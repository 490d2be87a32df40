"""musicnn's taggers: the checkpoints' reader, and the network against plain convolutions and the released weights."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tensorflow_files import musicnn_tensors, write_checkpoint, write_musicnn_wheel

from kobza.distill.teachers.musicnn import MSD_TAGS, MTT_TAGS, Musicnn, slaney_mel_filters
from kobza.distill.teachers.tensorflow_checkpoint import read_checkpoint

RELEASED = Path(__file__).with_name("musicnn_released.json")  # of the wheel musicnn 0.1.0: tensors' digest, logits


def made_window():
    """10 s of two gliding tones with harmonics and a pulse, (1, 160000): the same on every machine."""
    time = np.arange(160_000) / 16_000
    glide = sum(np.sin(2 * np.pi * k * (110 * time + 11 * time**2)) / k for k in (1, 2, 3, 5))
    pulse = np.exp(-30 * (time % 0.5)) * np.sin(2 * np.pi * 2_000 * time)
    return torch.from_numpy((0.1 * glide + 0.2 * pulse + 0.05 * np.sin(2 * np.pi * 660 * time)).astype(np.float32))[
        None
    ]


def plain_logits(tensors, mel):
    """The network as its paper draws it, by convolutions in two dimensions: patches (n, 187, 96) -> (n, 50)."""
    tensors = {name: torch.from_numpy(value) for name, value in tensors.items()}

    def suffix(number):
        return f"_{number}" if number else ""

    def norm(x, number, axis):
        mean, variance, gamma, beta = (
            tensors[f"batch_normalization{suffix(number)}/{part}"].view([-1 if i == axis else 1 for i in range(x.ndim)])
            for part in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return (x - mean) / (variance + 1e-3).sqrt() * gamma + beta

    def conv(x, number, padding):
        kernel = tensors[f"conv2d{suffix(number)}/kernel"].permute(3, 2, 0, 1)
        return norm(F.relu(F.conv2d(F.pad(x, padding), kernel, tensors[f"conv2d{suffix(number)}/bias"])), number + 1, 1)

    x = norm(mel[:, None], 0, 1)
    front = [conv(x, number, (0, 0, 3, 3)).amax(3) for number in (0, 1)]
    front += [conv(x, 2 + i, (0, 0, (k - 1) // 2, k // 2)).amax(3) for i, k in enumerate((128, 64, 32))]
    front = torch.cat(front, 1)

    def middle(x, number):  # a channel of the convolution's image is all of x: (n, c, t) -> (n, 1, t, c)
        return conv(x.mT[:, None], number, (0, 0, 3, 3))[..., 0]

    first = middle(front, 5)
    second = middle(first, 6) + first
    third = middle(second, 7) + second
    features = torch.cat([front, first, second, third], 1)
    pooled = norm(torch.stack([features.amax(2), features.mean(2)], 2).flatten(1), 9, 1)
    hidden = norm(F.relu(pooled @ tensors["dense/kernel"] + tensors["dense/bias"]), 10, 1)
    return hidden @ tensors["dense_1/kernel"] + tensors["dense_1/bias"]


def test_a_checkpoint_is_read_without_tensorflow():
    tensors = musicnn_tensors(seed=3)
    read = read_checkpoint(*write_checkpoint(tensors))
    assert "dense/kernel/Adam" in tensors and "dense/kernel/Adam" not in read
    assert read.keys() == tensors.keys() - {"dense/kernel/Adam"}
    assert all(np.array_equal(read[name], tensors[name]) for name in read)


def test_a_damaged_checkpoint_is_an_error():
    index, data = write_checkpoint(musicnn_tensors(seed=3))
    with pytest.raises(ValueError, match="does not end as a LevelDB table does"):
        read_checkpoint(index[:-1], data)
    with pytest.raises(ValueError, match="does not lie in its data file"):
        read_checkpoint(index, data[:-4])


def test_the_quick_convolutions_equal_the_plain_ones(tmp_path):
    tagger = Musicnn.load(write_musicnn_wheel(tmp_path / "musicnn.whl"), "MTT")
    mel = tagger.log_mel(made_window())
    patches = torch.stack([mel[0, start : start + 187] for start in (0, 219, 439)])
    expected = plain_logits(musicnn_tensors(seed=1), patches)
    torch.testing.assert_close(tagger.patch_logits(patches), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(tagger(made_window())[0], expected.mean(0), atol=1e-5, rtol=1e-5)
    assert expected.std() > 0.1  # the outputs depend on the input and the channel


def test_the_mel_filters_are_slaneys():
    filters = slaney_mel_filters()
    assert filters.shape == (96, 257)
    hertz = torch.linspace(0, 8000, 257)
    area = (filters[60:] * 8000 / 256).sum(1)  # wide enough to be sampled well
    torch.testing.assert_close(area, torch.ones(36), atol=0.03, rtol=0)
    centres = hertz[filters.argmax(1)]
    assert (centres.diff() >= 0).all() and centres[-1] > 7500


def test_there_are_fifty_tags_of_each_kind():
    assert len(set(MSD_TAGS)) == len(set(MTT_TAGS)) == 50


@pytest.mark.parametrize("content", [None, b"", b"PK\x05\x06" + bytes(18)])
def test_a_file_without_the_weights_is_an_error_that_says_where_to_get_them(content, tmp_path):
    path = tmp_path / "musicnn.whl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((FileNotFoundError, ValueError), match=r"pip download --no-deps musicnn==0\.1\.0"):
        Musicnn.load(path, "MSD")


@pytest.mark.slow  # downloads 29 MB from PyPI
@pytest.mark.parametrize("tags", ["MSD", "MTT"])
def test_the_released_weights_are_read_exactly_and_give_the_logits_they_gave(tags, tmp_path):
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(tmp_path), "musicnn==0.1.0"]
    subprocess.run(command, check=True)
    wheel = next(tmp_path.glob("*.whl"))
    expected = json.loads(RELEASED.read_text())[tags]
    with zipfile.ZipFile(wheel) as archive:
        contents = (archive.read(f"musicnn/{tags}_musicnn/{name}") for name in (".index", ".data-00000-of-00001"))
        tensors = read_checkpoint(*contents)
    digest = hashlib.sha256(b"".join(name.encode() + value.tobytes() for name, value in sorted(tensors.items())))
    assert digest.hexdigest() == expected["sha256"]
    logits = Musicnn.load(wheel, tags)(made_window())[0]
    torch.testing.assert_close(logits, torch.tensor(expected["logits"]), atol=2e-4, rtol=0)
