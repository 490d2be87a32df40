import pytest
import torch
from safetensors.torch import load_file
from tiny import TINY_AUDIO
from transformers import ASTConfig

from kobza.distill import train as distillation
from kobza.distill.audio_shards import Sounds
from kobza.distill.augment import unchanged
from kobza.distill.label_space import Bridge
from kobza.distill.spec_augment import disguise
from kobza.distill.student import Student, Targets, distillation_losses, statistics

TINY = {name: value for name, value in TINY_AUDIO.items() if name != "model_type"}


def settings(**changes):
    return distillation.Settings(**{"steps": 6, "batch": 4, "warmup": 2, "save_every": 2, "tower": TINY, **changes})


@pytest.fixture(autouse=True)
def few_windows_for_statistics(monkeypatch):
    monkeypatch.setattr(distillation, "WINDOWS_FOR_STATISTICS", 8)


@pytest.fixture(scope="module")
def axes():
    return torch.linalg.qr(torch.randn(527, 16, generator=torch.Generator().manual_seed(2))).Q


@pytest.fixture(scope="module")
def bridge(sound_folder, teacher, axes):
    """A bridge of these axes, by the statistics of the sounds."""
    heard = statistics([teacher(unchanged(batch).teacher) for batch in Sounds(sound_folder).windows(8)])
    return Bridge(torch.zeros(16, 4), torch.zeros(16), axes, heard["logits_mean"], heard["logits_std"])


@pytest.mark.parametrize("patch", [32, 16])
def test_a_token_stands_for_each_cell_of_the_teachers_map(patch):
    config = ASTConfig(**{**TINY, "patch_size": patch, "frequency_stride": patch, "time_stride": patch})
    learner = Student(config, 16).eval()
    mel = torch.randn(2, 1024, 128)
    with torch.no_grad():
        pooled, tokens = learner.encode(mel)
        whole = learner.audio_model(mel)
    torch.testing.assert_close(pooled, whole.pooler_output)
    side = 32 // patch
    grid = whole.last_hidden_state[:, 2:].view(2, 4 * side, 32 * side, 32)  # bands of frequency, columns of time
    last = grid[:, 3 * side :, 31 * side :].mean((1, 2))
    torch.testing.assert_close(tokens[:, -1], last)
    assert tokens.shape == (2, 128, 32)


def test_a_disguise_changes_the_recording_and_not_the_music():
    loud = torch.zeros(400, 256, 128)
    loud[:, 100:140, 40:60] = 1.5  # a sound that stands out
    disguised = disguise(loud, torch.Generator().manual_seed(0))
    assert disguised.shape == loud.shape and torch.isfinite(disguised).all()
    contrast = disguised[:, 100:140, 40:60].mean((1, 2)) - disguised.mean((1, 2))
    assert (contrast > 0.5).float().mean() > 0.9  # it still does
    assert disguised[:, 0, 0].std() > 0.1  # at another loudness each time
    missing = (disguised == 0).flatten(1).any(1).float().mean()
    assert 0.6 < missing < 0.9  # a band in half, a moment in half
    again = disguise(loud, torch.Generator().manual_seed(0))
    assert torch.equal(disguised, again)


def test_targets_are_standardised_and_of_unit_length(sound_folder, teacher, axes):
    heard = [teacher(unchanged(batch).teacher) for batch in Sounds(sound_folder).windows(8)]
    said = Targets(statistics(heard), axes)(heard[0])
    assert said["cells"].shape == (4, 128, 64)
    for name in ("cells", "logits", "embedding"):
        flat = said[name].flatten(0, -2)
        torch.testing.assert_close(flat.mean(0), torch.zeros(flat.shape[1]), atol=0.05, rtol=0)
        assert 0.7 < flat.std() < 1.2
    torch.testing.assert_close(said["direction"].norm(dim=1), torch.ones(4))


def test_who_hears_as_the_teacher_does_loses_nothing(axes):
    config = ASTConfig(**TINY)
    learner = Student(config, 16)
    pooled = torch.randn(5, config.hidden_size)
    tokens = torch.randn(5, 128, config.hidden_size)
    with torch.no_grad():
        perfect = {name: getattr(learner, name)(x) for name, x in (("cells", tokens), ("embedding", pooled))}
        perfect |= {"logits": learner.logits(pooled)}
        perfect |= {"direction": torch.nn.functional.normalize(learner.audio_projection(pooled), dim=-1)}
        losses = distillation_losses(learner, pooled, tokens, perfect)
        swapped = distillation_losses(learner, pooled.flip(0), tokens, perfect)
    assert all(abs(float(value)) < 1e-5 for value in losses.values()), losses
    assert all(float(swapped[name]) > 0.01 for name in ("embedding", "logits", "direction", "relation"))


def test_the_rate_rises_stays_and_falls_to_zero():
    plan = settings(steps=100, warmup=10, fall=0.2)
    rates = [distillation.rate(step, plan) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert set(rates[10:80]) == {1.0}
    assert rates[90] == pytest.approx(0.5)
    assert rates[100] == 0.0


def test_it_learns_what_the_teacher_hears(sound_folder, teacher, bridge, tmp_path, monkeypatch):
    monkeypatch.setattr(distillation, "disguise", lambda mel, rng: mel)
    plan = settings(steps=40, batch=4, learning_rate=3e-3, save_every=40)
    learner = distillation.train(sound_folder, tmp_path, teacher, bridge, plan)
    standard = {"logits_mean": bridge.logits_mean, "logits_std": bridge.logits_std}
    targets = Targets(load_file(tmp_path / "statistics.safetensors") | standard, bridge.axes)
    torch.manual_seed(0)
    before = Student(ASTConfig(**TINY), 16)
    ears = distillation.Ears(teacher, "cpu")
    sound, _ = distillation.hear(Sounds(sound_folder), plan.steps, plan)  # a batch that it has not heard

    def losses(student):
        with torch.no_grad():
            return distillation_losses(
                student, *student.encode(ears.student_sees(sound)), targets(ears.teacher_hears(sound))
            )

    start, end = losses(before), losses(learner)
    assert all(end[name] < 0.9 * start[name] for name in ("direction", "embedding", "logits")), (start, end)


def test_a_stopped_run_goes_on_to_the_same_weights(sound_folder, teacher, bridge, tmp_path, monkeypatch):
    whole = distillation.train(sound_folder, tmp_path / "whole", teacher, bridge, settings()).state_dict()
    save = distillation._save

    def save_and_die(state, path):
        save(state, path)
        if state["step"] == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(distillation, "_save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        distillation.train(sound_folder, tmp_path / "stopped", teacher, bridge, settings())
    monkeypatch.setattr(distillation, "_save", save)
    resumed = distillation.train(sound_folder, tmp_path / "stopped", teacher, bridge, settings()).state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    torch.testing.assert_close(load_file(tmp_path / "stopped" / "student.safetensors"), resumed)


def test_a_loss_that_is_no_number_stops_the_run_and_spoils_nothing(sound_folder, teacher, bridge, tmp_path):
    with pytest.raises(FloatingPointError, match="is no number before step 2"):
        distillation.train(sound_folder, tmp_path, teacher, bridge._replace(axes=bridge.axes * torch.nan), settings())
    assert not (tmp_path / "state.pt").exists()
