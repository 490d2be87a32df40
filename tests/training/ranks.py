"""One process of several, or the only one: trains a few steps and saves the result for test_distributed.py."""

import sys
from pathlib import Path

import torch
from accelerate.utils import gather_object
from pairs import TensorPairs, make_trainer, model_without_dropout
from recorded import losses, make_recordings, recorded_trainer
from tiny import make_tokenizer
from transformers import TrainerCallback

from kobza import KobzaFeatureExtractor, KobzaProcessor
from kobza.data import decoding_check
from kobza.data.recording_identity import sound_key
from kobza.data.recordings import DataSet, Recording
from kobza.training.checked_splits import checked_splits
from kobza.training.dataset import PairCollator
from kobza.training.pair_sources import FolderSource
from kobza.training.streaming import PairStream

STEPS, BATCH = 3, 8


class RecordGradients(TrainerCallback):
    def __init__(self, model):
        self.model = model
        self.gradients = {}

    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        if not self.gradients:
            named = self.model.named_parameters()
            self.gradients = {name: weight.grad.clone() for name, weight in named if weight.grad is not None}


def pairs(n: int, captions: int) -> TensorPairs:
    return TensorPairs(n, keys=[f"{k % -(-n // captions)}.flac" for k in range(n)])


def train(out: str, loss: str, processes: int, captions: int = 1, **more) -> dict:
    """Three steps of SGD over the same 8 pairs a step, however many processes share them.

    Args:
        captions: pairs of each recording, which no process has all of.
    """
    model = model_without_dropout(loss_type=loss, temperature_learned=True)
    recorder = RecordGradients(model)
    trainer = make_trainer(
        out,
        model,
        train=pairs(2 * BATCH, captions),
        validation=pairs(7, captions),  # which 2 processes cannot share evenly
        callbacks=[recorder],
        per_device_train_batch_size=BATCH // processes,
        per_device_eval_batch_size=2,
        max_steps=STEPS,
        max_grad_norm=0.0,
        optim="sgd",
        learning_rate=0.05,
        logging_strategy="steps",
        logging_steps=1,
        eval_strategy="no",
        **more,
    )
    trainer.train()
    metrics = trainer.evaluate()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    metrics = {name: value for name, value in metrics.items() if "@" in name or "loss" in name or "Me" in name}
    return {"gradients": recorder.gradients, "weights": model.state_dict(), "losses": losses, "metrics": metrics}


def train_on_recordings(out: str, processes: int, **cache) -> list[float]:
    """The losses of a model of which three layers are frozen, on the recordings in `out`."""
    process_folder = Path(out, f"process-{torch.distributed.get_rank() if processes > 1 else 'only'}")
    process_folder.mkdir(exist_ok=True)
    model = model_without_dropout(audio_extra_layers=1)
    model.freeze_towers(1, 0)
    processor = KobzaProcessor(KobzaFeatureExtractor(), make_tokenizer(process_folder))
    recordings = make_recordings(Path(out), 11)
    return losses(
        recorded_trainer(out, model, processor, recordings, per_device_train_batch_size=4 // processes, **cache)
    )


def check(out: str) -> tuple[int, int, int]:
    """How many of the recordings in `out`, one of which is none, this process has decoded, how many are left, and the
    number of keys."""
    decoded, whole = [], decoding_check.decoding_error
    decoding_check.decoding_error = lambda path: (decoded.append(path), whole(path))[1]
    Path(out, "none.wav").write_bytes(b"no sound")
    recordings = [*make_recordings(Path(out), 11), Recording(Path(out, "none.wav"), "none.wav", caption="nothing")]
    checked, sounds = checked_splits({"train": DataSet("pairs", Path(out), tuple(recordings))})
    return len(decoded), len(checked["train"].recordings), len(set(sounds.values()))


def stream(out: str) -> tuple[list[int], list[int]]:
    """Three steps on a stream of the recordings in `out`: the keys of those trained on, and their sounds'."""
    folder, recordings = Path(out), make_recordings(Path(out), 11)
    own = folder / f"rank-{torch.distributed.get_rank()}"
    own.mkdir()
    processor = KobzaProcessor(KobzaFeatureExtractor(), make_tokenizer(own))
    pairs = PairStream([FolderSource(recordings)], train=True)
    options = {"per_device_train_batch_size": 2, "max_steps": 2, "eval_strategy": "no", "save_strategy": "steps"}
    trainer = make_trainer(f"{out}/stream", train=pairs, processor=processor, save_steps=1, **options)
    trainer.data_collator = PairCollator(processor)
    names: list[str] = []
    step = trainer.training_step
    trainer.training_step = lambda model, inputs, *more: (names.extend(inputs["keys"]), step(model, inputs, *more))[1]
    trainer.train()
    sounds = {int(name, 16) for name in gather_object(names)} & {sound_key(one.path) for one in recordings}
    return trainer.recordings_of_stream().rows[:, 0].tolist(), sorted(sounds)


if __name__ == "__main__":
    found = {loss: train(sys.argv[1], loss, processes=2) for loss in ("clip", "mulan", "siglip")}
    found["chunks"] = train(sys.argv[1], "clip", processes=2, gradient_cache_chunk=1)
    found["captions"] = train(sys.argv[1], "clip", processes=2, captions=8)
    found["bank"] = train(sys.argv[1], "clip", processes=2, captions=2, negatives_bank=12)
    found["recordings"] = train_on_recordings(sys.argv[1], 2, frozen_cache=f"{sys.argv[1]}/cache")
    found["checked"] = check(sys.argv[1])
    found["stream"] = stream(sys.argv[1])
    if torch.distributed.get_rank() == 0:
        torch.save(found, f"{sys.argv[1]}/found.pt")
    torch.distributed.barrier()  # a process that ends while the other still works may crash in its threads
    torch.distributed.destroy_process_group()
