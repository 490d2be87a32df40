import numpy as np
import pytest
import torch

from kobza.distill.audio_shards import MIXTURE_WEIGHTS, WINDOW_SAMPLES, AudioShards
from kobza.distill.corpus.fetching import write_shard


def write(folder, kind, value, samples, name="aaa"):
    (folder / kind).mkdir(exist_ok=True)
    write_shard(folder / kind / f"{name}.safetensors", [np.full(samples, value, np.float32)])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_kinds_are_mixed_by_their_weights_whatever_their_sizes(tmp_path):
    write(tmp_path, "real", 0.5, 40_000)
    write(tmp_path, "midi", -0.5, 4_000)
    drawn = AudioShards(tmp_path).sample(600, 1000, generator())
    assert drawn.shape == (600, 1000) and drawn.dtype == torch.float32
    fraction = float((drawn[:, 0] > 0).float().mean())
    assert abs(fraction - MIXTURE_WEIGHTS["real"] / (MIXTURE_WEIGHTS["real"] + MIXTURE_WEIGHTS["midi"])) < 0.06
    torch.testing.assert_close(drawn.abs(), torch.full_like(drawn, 0.5), atol=1e-4, rtol=0)


def test_windows_are_sampled_from_the_whole_recording_and_depend_on_the_seed(tmp_path):
    (tmp_path / "real").mkdir()
    write_shard(tmp_path / "real" / "aaa.safetensors", [np.linspace(0, 1, 100_000, dtype=np.float32)])
    shards = AudioShards(tmp_path)
    starts = shards.sample(200, 10_000, generator())[:, 0]
    assert starts.min() < 0.05 and 0.85 < starts.max() <= 0.9
    assert torch.equal(starts, shards.sample(200, 10_000, generator())[:, 0])
    assert not torch.equal(starts, shards.sample(200, 10_000, generator(1))[:, 0])


def test_a_short_recording_is_repeated(tmp_path):
    (tmp_path / "real").mkdir()
    write_shard(tmp_path / "real" / "aaa.safetensors", [np.array([0.25, -0.25, 0.5], np.float32)])
    shards = AudioShards(tmp_path)
    torch.testing.assert_close(
        shards.sample(1, 5, generator())[0], torch.tensor([0.25, -0.25, 0.5, 0.25, -0.25]), atol=1e-4, rtol=0
    )
    assert [batch.shape for batch in shards.fixed_windows(8)] == [(1, WINDOW_SAMPLES)]


def test_held_out_recordings_are_not_trained_on(shard_folder):
    training, held_out = AudioShards(shard_folder), AudioShards(shard_folder, held_out=True)
    assert len(training.recordings) == len(held_out.recordings) == 4
    assert not any(torch.equal(a, b) for a in training.recordings for b in held_out.recordings)


def test_fixed_windows_are_the_same_at_every_call_and_at_most_the_limit(shard_folder):
    shards = AudioShards(shard_folder)
    assert sum(map(len, shards.fixed_windows(100))) == 4  # one whole window of 10 s in each 15 s
    assert sum(map(len, shards.fixed_windows(3))) == 3
    assert torch.equal(shards.fixed_windows(3)[0], shards.fixed_windows(3)[0])


def test_missing_audio_is_an_error_that_says_what_to_do(tmp_path):
    write(tmp_path, "real", 0.5, 4_000)
    with pytest.raises(ValueError, match=r"No held-out audio .* in .*: run the collect stage"):
        AudioShards(tmp_path, held_out=True)
    (tmp_path / "real" / "aaa.safetensors").unlink()
    with pytest.raises(ValueError, match=r"No audio in .*: run the collect stage"):
        AudioShards(tmp_path)
