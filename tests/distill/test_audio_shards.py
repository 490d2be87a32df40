import numpy as np
import pytest
import torch

from kobza.distill.audio_shards import (
    MIXTURE_WEIGHTS,
    WINDOW_SAMPLES,
    AudioShards,
    cut_windows,
    is_held_out,
    list_shards,
)
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
    assert cut_windows(shards.recordings[0][None]).shape == (1, WINDOW_SAMPLES)


def test_held_out_recordings_are_not_trained_on(shard_folder):
    training, held_out = AudioShards(shard_folder), AudioShards(shard_folder, held_out=True)
    assert len(training.recordings) == len(held_out.recordings) == 4
    assert not any(torch.equal(a, b) for a in training.recordings for b in held_out.recordings)


def test_windows_are_cut_one_after_another_and_the_last_may_be_half():
    size = WINDOW_SAMPLES
    ramp = torch.arange(2 * size + size // 2).div(size).mul(1000).short()[None]
    windows = cut_windows(torch.cat([ramp, -ramp]))
    assert windows.shape == (6, size)
    torch.testing.assert_close(windows[:, 0] * 32.768, torch.tensor([0.0, 1, 2, 0, -1, -2]), atol=1e-3, rtol=0)
    assert torch.equal(windows[2, : size // 2], windows[2, size // 2 :])  # repeated to 10 s
    assert len(cut_windows(ramp[:, : 2 * size + size // 2 - 1])) == 2


def test_shards_of_held_out_sources_are_never_trained_on(tmp_path):
    write(tmp_path, "songs", 0.5, 4_000)
    (tmp_path / "songs" / "held-out").mkdir()
    write(tmp_path / "songs", "held-out", -0.5, 4_000, "aab")
    kept, held = list_shards(tmp_path)["songs"]
    assert (is_held_out(kept), is_held_out(held)) == (False, True)
    assert AudioShards(tmp_path).sample(8, 10, generator()).min() > 0
    assert AudioShards(tmp_path, held_out=True).sample(8, 10, generator()).max() < 0


def test_missing_audio_is_an_error_that_says_what_to_do(tmp_path):
    write(tmp_path, "real", 0.5, 4_000)
    with pytest.raises(ValueError, match=r"No held-out audio .* in .*: run the collect stage"):
        AudioShards(tmp_path, held_out=True)
    (tmp_path / "real" / "aaa.safetensors").unlink()
    with pytest.raises(ValueError, match=r"No audio in .*: run the collect stage"):
        AudioShards(tmp_path)
