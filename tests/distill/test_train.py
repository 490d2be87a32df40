import pytest
import torch
from safetensors.torch import load_file
from tiny import TINY_AUDIO
from transformers import ASTConfig

from kobza.distill import train as distillation
from kobza.distill.audio_shards import AudioShards
from kobza.distill.augment import without_augmentation
from kobza.distill.label_space import LabelSpace
from kobza.distill.spec_augment import spec_augment
from kobza.distill.student import DistillationTargets, Student, channel_statistics, distillation_losses

TINY = {name: value for name, value in TINY_AUDIO.items() if name != "model_type"}


def settings(**changes):
    return distillation.DistillationSettings(
        **{"steps": 6, "batch": 4, "warmup": 2, "save_every": 2, "tower": TINY, **changes}
    )


@pytest.fixture(autouse=True)
def few_windows_for_statistics(monkeypatch):
    monkeypatch.setattr(distillation, "STATISTICS_WINDOWS", 8)


@pytest.fixture(scope="module")
def axes():
    return torch.linalg.qr(torch.randn(527, 16, generator=torch.Generator().manual_seed(2))).Q


@pytest.fixture(scope="module")
def label_space(shard_folder, teacher, axes):
    """A label space with these axes and the statistics of the recordings."""
    outputs = channel_statistics(
        [teacher(without_augmentation(batch).teacher) for batch in AudioShards(shard_folder).fixed_windows(8)]
    )
    return LabelSpace(torch.zeros(16, 4), torch.zeros(16), axes, outputs["logits_mean"], outputs["logits_std"])


@pytest.mark.parametrize("patch", [32, 16])
def test_there_is_a_token_for_each_cell_of_the_teachers_map(patch):
    config = ASTConfig(**{**TINY, "patch_size": patch, "frequency_stride": patch, "time_stride": patch})
    student = Student(config, 16).eval()
    mel = torch.randn(2, 1024, 128)
    with torch.no_grad():
        pooled, tokens = student.encode(mel)
        whole = student.audio_model(mel)
    torch.testing.assert_close(pooled, whole.pooler_output)
    side = 32 // patch
    grid = whole.last_hidden_state[:, 2:].view(2, 4 * side, 32 * side, 32)  # bands of frequency, columns of time
    last = grid[:, 3 * side :, 31 * side :].mean((1, 2))
    torch.testing.assert_close(tokens[:, -1], last)
    assert tokens.shape == (2, 128, 32)


def test_spec_augment_keeps_a_loud_event_and_changes_level_and_masks():
    loud = torch.zeros(400, 256, 128)
    loud[:, 100:140, 40:60] = 1.5  # a loud event
    augmented = spec_augment(loud, torch.Generator().manual_seed(0))
    assert augmented.shape == loud.shape and torch.isfinite(augmented).all()
    contrast = augmented[:, 100:140, 40:60].mean((1, 2)) - augmented.mean((1, 2))
    assert (contrast > 0.5).float().mean() > 0.9  # still the loudest
    assert augmented[:, 0, 0].std() > 0.1  # the level varies
    masked = (augmented == 0).flatten(1).any(1).float().mean()
    assert 0.6 < masked < 0.9  # a time mask in half, a frequency mask in half
    again = spec_augment(loud, torch.Generator().manual_seed(0))
    assert torch.equal(augmented, again)


def test_targets_are_standardised_and_directions_have_unit_length(shard_folder, teacher, axes):
    outputs = [teacher(without_augmentation(batch).teacher) for batch in AudioShards(shard_folder).fixed_windows(8)]
    targets = DistillationTargets(channel_statistics(outputs), axes)(outputs[0])
    assert targets["cells"].shape == (4, 128, 64)
    for name in ("cells", "logits", "embedding"):
        flat = targets[name].flatten(0, -2)
        torch.testing.assert_close(flat.mean(0), torch.zeros(flat.shape[1]), atol=0.05, rtol=0)
        assert 0.7 < flat.std() < 1.2
    torch.testing.assert_close(targets["direction"].norm(dim=1), torch.ones(4))


def test_losses_are_zero_for_a_student_that_equals_the_teacher(axes):
    config = ASTConfig(**TINY)
    student = Student(config, 16)
    pooled = torch.randn(5, config.hidden_size)
    tokens = torch.randn(5, 128, config.hidden_size)
    with torch.no_grad():
        perfect = {name: getattr(student, name)(x) for name, x in (("cells", tokens), ("embedding", pooled))}
        perfect |= {"logits": student.logits(pooled)}
        perfect |= {"direction": torch.nn.functional.normalize(student.audio_projection(pooled), dim=-1)}
        losses = distillation_losses(student, pooled, tokens, perfect)
        swapped = distillation_losses(student, pooled.flip(0), tokens, perfect)
    assert all(abs(float(value)) < 1e-5 for value in losses.values()), losses
    assert all(float(swapped[name]) > 0.01 for name in ("embedding", "logits", "direction", "relation"))


def test_the_learning_rate_warms_up_stays_and_decays_to_zero():
    plan = settings(steps=100, warmup=10, fall=0.2)
    rates = [distillation.learning_rate_factor(step, plan) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert set(rates[10:80]) == {1.0}
    assert rates[90] == pytest.approx(0.5)
    assert rates[100] == 0.0


def test_training_reduces_the_losses_on_unseen_windows(shard_folder, teacher, label_space, tmp_path, monkeypatch):
    monkeypatch.setattr(distillation, "spec_augment", lambda mel, rng: mel)
    plan = settings(steps=40, batch=4, learning_rate=3e-3, save_every=40)
    student = distillation.train(shard_folder, tmp_path, teacher, label_space, plan)
    standard = {"logits_mean": label_space.logits_mean, "logits_std": label_space.logits_std}
    targets = DistillationTargets(load_file(tmp_path / "statistics.safetensors") | standard, label_space.axes)
    torch.manual_seed(0)
    before = Student(ASTConfig(**TINY), 16)
    inputs = distillation.DistillationInputs(teacher, "cpu")
    audio, _ = distillation.sample_batch(AudioShards(shard_folder), plan.steps, plan)  # an unseen batch

    def losses(student):
        with torch.no_grad():
            return distillation_losses(
                student, *student.encode(inputs.student_features(audio)), targets(inputs.teacher_output(audio))
            )

    start, end = losses(before), losses(student)
    assert all(end[name] < 0.9 * start[name] for name in ("direction", "embedding", "logits")), (start, end)


def test_an_interrupted_run_resumes_to_the_same_weights(shard_folder, teacher, label_space, tmp_path, monkeypatch):
    whole = distillation.train(shard_folder, tmp_path / "whole", teacher, label_space, settings()).state_dict()
    save = distillation._save

    def save_and_interrupt(state, path):
        save(state, path)
        if state["step"] == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(distillation, "_save", save_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        distillation.train(shard_folder, tmp_path / "stopped", teacher, label_space, settings())
    monkeypatch.setattr(distillation, "_save", save)
    resumed = distillation.train(shard_folder, tmp_path / "stopped", teacher, label_space, settings()).state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    torch.testing.assert_close(load_file(tmp_path / "stopped" / "student.safetensors"), resumed)


def test_a_loss_that_is_not_finite_stops_the_run_before_its_state_is_saved(
    shard_folder, teacher, label_space, tmp_path
):
    with pytest.raises(FloatingPointError, match="not finite at step 2"):
        distillation.train(
            shard_folder, tmp_path, teacher, label_space._replace(axes=label_space.axes * torch.nan), settings()
        )
    assert not (tmp_path / "state.pt").exists()
