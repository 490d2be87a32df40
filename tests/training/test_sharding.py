"""Two processes that divide a model by FSDP2 train as one process does, and save what anyone can load."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pairs import make_trainer, model_without_dropout
from ranks_sharded import RUNS, STEPS, run
from torch import nn
from torch.distributed.fsdp import MixedPrecisionPolicy
from transformers import AutoModel

from kobza.embedding.checkpoint import Checkpoint
from kobza.training.sharding import prepare_sharding, separate_scalars

HERE = Path(__file__).parent
CONFIG = HERE.parents[1] / "configs" / "fsdp2.yaml"


@pytest.fixture(scope="module")
def divided(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("divided")
    path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CONFIG), "--num_processes", "2"]
    done = subprocess.run(
        [*launch, "--mixed_precision", "no", "--main_process_port", "0", str(HERE / "ranks_sharded.py"), str(out)],
        env=environment, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def close(found: dict, expected: dict, tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=tolerance, rtol=0, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in RUNS if name != "bf16"])
def test_a_divided_model_trains_as_a_whole_one(name, divided, tmp_path):
    one, two = run(tmp_path, name, 1, **RUNS[name]), torch.load(divided / "found.pt", weights_only=True)[name]
    assert two["divided"] >= len(two["weights"]) - 2  # all but the temperature and siglip's bias
    assert len(one["losses"]) == STEPS and two["losses"] == pytest.approx(one["losses"], abs=1e-5)
    assert two["norms"] == pytest.approx(one["norms"], rel=1e-4)
    assert two["metrics"] == pytest.approx(one["metrics"], abs=1e-4)
    close(two["weights"], one["weights"], 2e-4)  # Adam divides by the root of small numbers
    published, expected = (Checkpoint.load(str(folder / name), "cpu").model for folder in (divided, tmp_path))
    close(published.state_dict(), expected.state_dict(), 5e-4)  # in half precision
    halfway = AutoModel.from_pretrained(divided / name / f"checkpoint-{STEPS}", trust_remote_code=True)
    close(halfway.state_dict(), published.state_dict(), 5e-4)


@pytest.mark.slow
def test_half_precision_is_for_the_towers_only(divided, tmp_path):
    one, two = run(tmp_path, "bf16", 1, **RUNS["bf16"]), torch.load(divided / "found.pt", weights_only=True)["bf16"]
    assert two["losses"] == pytest.approx(one["losses"], abs=2e-2)
    assert two["losses"][0] == pytest.approx(one["losses"][0], abs=1e-3)  # cosines in bfloat16 are off by 4e-3
    assert {value.dtype for value in two["weights"].values()} == {torch.float32}


@pytest.mark.slow
def test_a_divided_run_resumes_bit_for_bit(divided):
    found = torch.load(divided / "found.pt", weights_only=True)
    for again in (found["resumed"], found["finished"]):
        assert all(torch.equal(value, found["siglip"]["weights"][name]) for name, value in again["weights"].items())
        assert again["losses"] == found["siglip"]["losses"] and again["metrics"] == found["siglip"]["metrics"]


@pytest.mark.slow
def test_what_cannot_be_divided_is_refused(divided):
    refused = json.loads((divided / "refused.json").read_text())
    assert refused.keys() == {"ema_decay", "negatives_bank", "gradient_cache_chunk"}
    assert all("with FSDP or DeepSpeed: use neither." in sentence for sentence in refused.values())


def test_layers_and_scalars_of_any_tower_are_named():
    policy = MixedPrecisionPolicy(torch.bfloat16, torch.bfloat16, torch.bfloat16)
    plugin = SimpleNamespace(fsdp_version=2, cpu_ram_efficient_loading=False, mixed_precision_policy=policy)
    model = model_without_dropout(loss_type="siglip", audio_extra_layers=1)
    prepare_sharding(SimpleNamespace(fsdp_plugin=plugin), model)
    assert plugin.transformer_cls_names_to_wrap == ["ASTLayer", "BertLayer"]
    assert plugin.mixed_precision_policy == MixedPrecisionPolicy(torch.bfloat16, torch.float32, None)
    (ignored,) = plugin.ignored_modules
    assert {id(one) for one in ignored.parameters()} == {id(model.logit_scale), id(model.logit_bias)}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"fsdp_version": 1}, "set fsdp_version: 2"), ({"cpu_ram_efficient_loading": True}, "efficient_loading: false")],
)
def test_settings_that_do_not_fit_are_refused(settings, sentence):
    plugin = SimpleNamespace(**{"fsdp_version": 2, "cpu_ram_efficient_loading": False, **settings})
    with pytest.raises(ValueError, match=sentence):
        prepare_sharding(SimpleNamespace(fsdp_plugin=plugin), model_without_dropout())


def test_a_group_of_the_optimizer_has_scalars_only_or_none():
    matrix, scalar = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.tensor(1.0))
    optimizer = torch.optim.AdamW([{"params": [matrix, scalar], "lr": 0.5, "weight_decay": 0.1}], lr=1.0)
    separate_scalars(optimizer)
    assert [group["params"] for group in optimizer.param_groups] == [[matrix], [scalar]]
    assert [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups] == [(0.5, 0.1)] * 2


def test_fsdp_without_gpus_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ValueError, match="asks for FSDP, which it has for GPUs only"):
        make_trainer(tmp_path)
