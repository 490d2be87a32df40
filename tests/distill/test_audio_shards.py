import numpy as np
import pytest
import torch

from kobza.distill.audio_shards import SHARES, WINDOW, Sounds
from kobza.distill.corpus.fetching import write_shard


def write(folder, kind, value, samples, name="aaa"):
    (folder / kind).mkdir(exist_ok=True)
    write_shard(folder / kind / f"{name}.safetensors", [np.full(samples, value, np.float32)])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_kinds_take_part_by_their_shares_whatever_their_sizes(tmp_path):
    write(tmp_path, "real", 0.5, 40_000)
    write(tmp_path, "midi", -0.5, 4_000)
    drawn = Sounds(tmp_path).draw(600, 1000, generator())
    assert drawn.shape == (600, 1000) and drawn.dtype == torch.float32
    share = float((drawn[:, 0] > 0).float().mean())
    assert abs(share - SHARES["real"] / (SHARES["real"] + SHARES["midi"])) < 0.06
    torch.testing.assert_close(drawn.abs(), torch.full_like(drawn, 0.5), atol=1e-4, rtol=0)


def test_moments_come_from_everywhere_in_a_recording_and_depend_on_the_seed(tmp_path):
    (tmp_path / "real").mkdir()
    write_shard(tmp_path / "real" / "aaa.safetensors", [np.linspace(0, 1, 100_000, dtype=np.float32)])
    sounds = Sounds(tmp_path)
    starts = sounds.draw(200, 10_000, generator())[:, 0]
    assert starts.min() < 0.05 and 0.85 < starts.max() <= 0.9
    assert torch.equal(starts, sounds.draw(200, 10_000, generator())[:, 0])
    assert not torch.equal(starts, sounds.draw(200, 10_000, generator(1))[:, 0])


def test_a_short_recording_is_repeated(tmp_path):
    (tmp_path / "real").mkdir()
    write_shard(tmp_path / "real" / "aaa.safetensors", [np.array([0.25, -0.25, 0.5], np.float32)])
    sounds = Sounds(tmp_path)
    torch.testing.assert_close(
        sounds.draw(1, 5, generator())[0], torch.tensor([0.25, -0.25, 0.5, 0.25, -0.25]), atol=1e-4, rtol=0
    )
    assert [batch.shape for batch in sounds.windows(8)] == [(1, WINDOW)]


def test_held_out_recordings_are_not_learned_from(sound_folder):
    taught, held_out = Sounds(sound_folder), Sounds(sound_folder, held_out=True)
    assert len(taught.rows) == len(held_out.rows) == 4
    assert not any(torch.equal(a, b) for a in taught.rows for b in held_out.rows)


def test_windows_in_order_are_the_same_at_every_call_and_no_more_than_asked(sound_folder):
    sounds = Sounds(sound_folder)
    assert sum(map(len, sounds.windows(100))) == 4  # one whole window of 10 s in each 15 s
    assert sum(map(len, sounds.windows(3))) == 3
    assert torch.equal(sounds.windows(3)[0], sounds.windows(3)[0])


def test_no_sound_is_one_sentence(tmp_path):
    write(tmp_path, "real", 0.5, 4_000)
    with pytest.raises(ValueError, match=r"No held-out sound .* in .*: run the collecting stage first, with more"):
        Sounds(tmp_path, held_out=True)
    (tmp_path / "real" / "aaa.safetensors").unlink()
    with pytest.raises(ValueError, match=r"No sound in .*: run the collecting stage first"):
        Sounds(tmp_path)
