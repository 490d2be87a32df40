"""Several captions of one recording: each epoch draws one, and none is another's negative."""

import pytest
import torch
from pairs import TensorPairs, make_trainer, model_without_dropout
from recorded import losses, make_recordings, recorded_trainer
from torch.utils.data import DataLoader

from kobza.data.recordings import Recording
from kobza.model.loss_kobza import LOSSES
from kobza.training.recording_draw import RecordingDraw, draw_by_recording

IDS = ["a", "b", "a", "c", "a", "c"]  # three captions of a, one of b, two of c


def drawn(epoch: int, seed: int = 0, workers: int = 0) -> list[int]:
    draw = RecordingDraw(list(range(6)), IDS, seed)
    draw.set_epoch(epoch)
    return (
        list(DataLoader(draw, batch_size=None, num_workers=workers))
        if workers
        else list(map(draw.__getitem__, range(3)))
    )


def test_an_epoch_has_each_recording_once_and_each_caption_has_its_turn():
    epochs = [drawn(epoch) for epoch in range(12)]
    assert all([IDS[row] for row in rows] == ["a", "b", "c"] for rows in epochs)
    for turn in range(0, 12, 3):
        assert {rows[0] for rows in epochs[turn : turn + 3]} == {0, 2, 4}
    assert len({tuple(rows[0] for rows in epochs[turn : turn + 3]) for turn in range(0, 12, 3)}) > 1  # in other orders


def test_the_draw_depends_on_seed_epoch_and_recording_only():
    assert drawn(5) == drawn(5) == drawn(5, workers=2)
    assert any(drawn(epoch) != drawn(epoch, seed=1) for epoch in range(6))


def test_rows_of_one_caption_each_are_left_as_they_are():
    rows = TensorPairs(4)
    rows.recording_ids = list("abcd")
    assert draw_by_recording(rows, 0) is rows and draw_by_recording([1, 2], 0) == [1, 2]


def captioned_twice(n: int) -> TensorPairs:
    """n recordings with two captions each."""
    pairs = TensorPairs(2 * n)
    pairs.values[1::2] = pairs.values[::2]
    pairs.keys = pairs.recording_ids = [f"{k // 2}.flac" for k in range(2 * n)]
    return pairs


@pytest.mark.parametrize("chunk", [0, 2])
@pytest.mark.parametrize("loss", LOSSES)
def test_batches_and_evaluations_leave_other_captions_out(loss, chunk, tmp_path):
    pairs, model = captioned_twice(4), model_without_dropout(loss_type=loss)
    if model.logit_bias is not None:
        model.logit_bias.data.zero_()  # with the initial -10 a negative costs almost nothing
    trainer = make_trainer(tmp_path, model, train=pairs, validation=pairs, gradient_cache_chunk=chunk)
    assert len(trainer.train_dataset) == 4
    batch = trainer.data_collator([pairs[k] for k in range(8)])
    loss_of_batch = trainer.compute_loss(trainer.embedder, dict(batch)).item()
    batch.pop("keys")
    output = model(**batch)
    same = torch.arange(8)[:, None] // 2 == torch.arange(8)[None] // 2
    expected = LOSSES[loss](output.logits_per_text, same).item()
    assert loss_of_batch == pytest.approx(expected, abs=1e-5)
    assert trainer.evaluate()["eval_loss"] == pytest.approx(expected, abs=1e-5)
    assert abs(LOSSES[loss](output.logits_per_text).item() - expected) > 0.05


def test_training_draws_the_same_captions_with_and_without_the_cache(tiny_processor, tmp_path):
    recordings = [
        Recording(r.path, r.id, caption=text)
        for r in make_recordings(tmp_path, 6)
        for text in (r.caption, "a sad song")
    ]
    found = []
    for more in ({}, {"frozen_cache": str(tmp_path / "cache")}):
        model = model_without_dropout()
        model.freeze_towers(1, 0)
        trainer = recorded_trainer(
            tmp_path, model, tiny_processor, recordings, 4, per_device_train_batch_size=2, **more
        )
        assert len(trainer.train_dataset) == 4
        found.append(losses(trainer))
    assert found[1] == pytest.approx(found[0], abs=1e-5) and len(found[0]) == 2 * 2 + 2
