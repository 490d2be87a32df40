"""Two processes of four pairs each must equal one process of eight in loss, gradients, weights and metrics."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ranks import STEPS, train, train_on_recordings
from recorded import make_recordings

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    out = tmp_path_factory.mktemp("ranks")
    make_recordings(out, 11)
    path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "XDG_CACHE_HOME": str(out / "cache"),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    done = subprocess.run(
        [*command, str(HERE / "ranks.py"), str(out)], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(out / "found.pt", weights_only=True)


@pytest.mark.parametrize("loss", ["clip", "mulan", "siglip"])
def test_two_processes_equal_one_with_the_whole_batch(loss, two_processes, tmp_path):
    assert_equal_runs(two_processes[loss], train(str(tmp_path), loss, processes=1))


def test_captions_of_one_recording_meet_across_processes(two_processes, tmp_path):
    one = train(str(tmp_path), "clip", processes=1, captions=8)
    assert_equal_runs(two_processes["captions"], one)
    apart = train(str(tmp_path), "clip", processes=1)
    assert one["losses"] != pytest.approx(apart["losses"], abs=0.01)  # else the line above would prove nothing


def test_processes_have_one_bank(two_processes, tmp_path):
    one = train(str(tmp_path), "clip", processes=1, captions=2, negatives_bank=12)
    assert_equal_runs(two_processes["bank"], one)
    without = train(str(tmp_path), "clip", processes=1, captions=2)
    assert one["losses"][1] > without["losses"][1] + 0.3  # else the lines above would prove nothing


@pytest.mark.parametrize("processes", [1, 2])
def test_a_chunked_batch_equals_the_whole_batch(processes, two_processes, tmp_path):
    whole = train(str(tmp_path), "clip", processes=1)
    chunks = train(str(tmp_path), "clip", processes=1, gradient_cache_chunk=3)
    assert_equal_runs(chunks if processes == 1 else two_processes["chunks"], whole)


def test_two_processes_fill_and_read_one_cache(two_processes, tmp_path):
    assert two_processes["recordings"] == pytest.approx(train_on_recordings(str(tmp_path), 1), abs=1e-5)


def test_processes_share_the_check_of_the_recordings(two_processes):
    assert two_processes["checked"] == (6, 11, 11)


def test_a_stream_of_two_processes_knows_the_recordings_of_both(two_processes):
    found, trained_on = two_processes["stream"]
    assert found == trained_on and len(found) == 8  # two steps of two processes with two pairs each


def assert_equal_runs(two: dict, one: dict) -> None:
    assert two["losses"] == pytest.approx(one["losses"], abs=1e-5) and len(one["losses"]) == STEPS
    assert two["gradients"].keys() == one["gradients"].keys() and "logit_scale" in one["gradients"]
    for name, gradient in one["gradients"].items():
        torch.testing.assert_close(
            two["gradients"][name], gradient, atol=1e-6, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )
    for name, weight in one["weights"].items():
        torch.testing.assert_close(
            two["weights"][name], weight, atol=1e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )
    assert two["metrics"] == pytest.approx(one["metrics"], abs=1e-4)
