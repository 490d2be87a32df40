import math

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tiny import TINY_AUDIO
from transformers import ASTConfig

from kobza.distill import robustness, training_state
from kobza.distill.features import feature_extractor
from kobza.distill.labelling import LabelledWindows
from kobza.distill.robustness import RobustnessSettings, mix_pairs, train_robustness
from kobza.distill.student import Student

TINY = {name: value for name, value in TINY_AUDIO.items() if name != "model_type"}


def new_student():
    """A student with random weights, large ones, so that its outputs depend on the input."""
    torch.manual_seed(0)
    student = Student(ASTConfig(**TINY), 16, from_scratch=False).eval()
    with torch.no_grad():
        for parameter in student.audio_model.parameters():
            if parameter.ndim > 1:
                parameter *= 5
    return student


def settings(**changes):
    return RobustnessSettings(**{"steps": 4, "batch": 4, "warmup": 1, "trained_layers": 1, "save_every": 2, **changes})


def test_only_the_lower_layers_learn_and_disguised_windows_come_to_the_clean_ones(label_folder, tmp_path, monkeypatch):
    def dull(mel, extractor, rng):
        return mel - 1.5 * (torch.arange(128) > 64)

    monkeypatch.setattr(robustness, "disguise", dull)
    monkeypatch.setattr(training_state, "EARLY_SHARE", 1.0)  # few steps: the last weights instead of their mean
    extractor = feature_extractor()
    mel = extractor.log_mel(LabelledWindows(label_folder, held_out=True).batch(range(8)).waves)
    before = new_student()

    @torch.no_grad()
    def distance(student):  # to where the clean windows were, so that a collapse does not count
        clean, disguised = before.encode(mel)[0], student.encode(dull(mel, extractor, None))[0]
        vectors = (before.audio_projection(clean), student.audio_projection(disguised))
        return float(1 - F.cosine_similarity(*vectors).mean())

    plan = settings(steps=30, warmup=4, learning_rate=1e-3, save_every=30)
    after = train_robustness(label_folder, tmp_path, new_student(), plan).eval()
    assert distance(after) < 0.2 * distance(before) and distance(before) > 0.2
    changed = {name for name, value in after.state_dict().items() if not torch.equal(value, before.state_dict()[name])}
    assert changed and all("embeddings" in name or "layers.0." in name for name in changed), changed
    assert all(parameter.requires_grad for parameter in after.parameters())


def test_an_interrupted_run_resumes_to_the_same_weights(label_folder, tmp_path, interrupt_at):
    whole = train_robustness(label_folder, tmp_path / "whole", new_student(), settings()).state_dict()
    with interrupt_at(2):
        train_robustness(label_folder, tmp_path / "stopped", new_student(), settings())
    resumed = train_robustness(label_folder, tmp_path / "stopped", new_student(), settings()).state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    torch.testing.assert_close(load_file(tmp_path / "stopped" / "student.safetensors"), dict(resumed))


def test_a_mix_has_the_energy_of_both():
    extractor, rng = feature_extractor(), torch.Generator().manual_seed(0)
    unit = 2 * extractor.std
    loud, quiet = torch.full((200, 2, 3), 3.0 / unit), torch.full((200, 2, 3), -3.0 / unit)
    mixed = mix_pairs(loud, quiet, extractor, rng) * unit
    share = (mixed.exp() - math.exp(-3)) / (math.exp(3) - math.exp(-3))  # of the loud one
    assert 0.2 <= share.min() < 0.3 and 0.7 < share.max() <= 0.8
    torch.testing.assert_close(mix_pairs(loud, loud, extractor, rng), loud)
