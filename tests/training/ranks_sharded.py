"""One process of two that divide a model by FSDP2: trains, saves and resumes for test_sharding.py.

accelerate has FSDP2 for GPUs only, although torch has it for CPUs too: here it takes gloo's processes for GPUs.
"""

import json
import os
import sys
from pathlib import Path

import torch
from accelerate.state import PartialState
from accelerate.utils import DistributedType
from pairs import TensorPairs, make_trainer, model_without_dropout
from tiny import make_tokenizer
from torch.distributed.tensor import DTensor
from transformers import TrainerState

from kobza import KobzaFeatureExtractor, KobzaProcessor
from kobza.training.adapters import add_adapters
from kobza.training.trainer import last_checkpoint

STEPS, BATCH = 4, 8
RUNS = {
    "siglip": {"loss": "siglip"},
    "clip": {"loss": "clip", "frozen": True},
    "bf16": {"loss": "clip", "bf16": True},
    "lora": {"loss": "clip", "frozen": True, "rank": 2},
}


def trainer_of(
    out: Path, loss: str, processes: int, frozen: bool = False, rank: int = 0, tokenizer_folder=None, **more
):
    model = model_without_dropout(loss_type=loss, temperature_learned=True, text_extra_layers=1)
    if frozen:
        model.freeze_towers(1, 0)
    if rank:
        torch.manual_seed(0)
        add_adapters(model, rank)
    arguments = {
        "per_device_train_batch_size": BATCH // processes,
        "per_device_eval_batch_size": 2,
        "max_steps": STEPS,
        "learning_rate": 1e-2,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "eval_strategy": "steps",
        "eval_steps": STEPS,
        "save_strategy": "steps",
        "save_steps": 2,
        **more,
    }
    processor = KobzaProcessor(KobzaFeatureExtractor(), make_tokenizer(tokenizer_folder or out))
    return make_trainer(out, model, 16, TensorPairs(7), processor=processor, **arguments)


def found(trainer) -> dict:
    weights = trainer.accelerator.get_state_dict(trainer.model)
    metrics = trainer.evaluate()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    norms = [row["grad_norm"] for row in trainer.state.log_history if "grad_norm" in row]
    metrics = {name: value for name, value in metrics.items() if "@" in name or "loss" in name}
    return {"losses": losses, "norms": norms, "metrics": metrics, "weights": weights}


def run(folder: Path, name: str, processes: int, **arguments) -> dict:
    out = folder / name
    out.mkdir(parents=True, exist_ok=True)
    (mine := folder / f"tokenizer-{os.environ.get('RANK', 'only')}").mkdir(exist_ok=True)
    trainer = trainer_of(out, processes=processes, tokenizer_folder=mine, **arguments)
    trainer.train()
    result = found(trainer)
    trainer.save_model()
    result["divided"] = sum(isinstance(weight, DTensor) for weight in trainer.model.parameters())
    return result


def resumed(folder: Path, name: str, **arguments) -> tuple[dict, dict]:
    """The end of a run that resumes in its middle, and of one that had finished."""
    mine = folder / f"tokenizer-{os.environ['RANK']}"
    again = trainer_of(folder / name, processes=2, tokenizer_folder=mine, **arguments)
    again.train(resume_from_checkpoint=str(folder / name / "checkpoint-2"))
    finished = trainer_of(folder / name, processes=2, tokenizer_folder=mine, **arguments)
    checkpoint = last_checkpoint(folder / name)
    finished.restore_finished(TrainerState.load_from_json(str(checkpoint / "trainer_state.json")), checkpoint)
    return found(again), found(finished)


def main(folder: Path) -> None:
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    PartialState._prepare_backend = lambda self, *args, **kwargs: ("gloo", DistributedType.MULTI_GPU)
    torch.distributed.init_process_group("gloo")
    results = {name: run(folder, name, 2, **arguments) for name, arguments in RUNS.items()}
    results["resumed"], results["finished"] = resumed(folder, "siglip", **RUNS["siglip"])
    refused = {}
    for option in ({"ema_decay": 0.9}, {"negatives_bank": 8}, {"gradient_cache_chunk": 2}):
        try:
            trainer_of(folder, "clip", 2, **option)
        except ValueError as error:
            refused[next(iter(option))] = str(error)
    if torch.distributed.get_rank() == 0:
        torch.save(results, folder / "found.pt")
        (folder / "refused.json").write_text(json.dumps(refused))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
