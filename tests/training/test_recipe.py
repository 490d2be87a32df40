"""Recipes by name and path, on top of bases, overridden by the command line; and the thesis's models."""

import pytest

from kobza.training.recipe import RecipeError, parse_arguments, recipe_names

# tau, trainable BERT and AST layers, extra BERT and AST layers: tables 2.2 and 2.4 of the thesis
TABLES = {
    "model_1": (1.0, 5, 0, 0, 0),
    "model_2": (2.0, 5, 0, 0, 0),
    "model_3": (0.2, 5, 0, 0, 0),
    "model_4": (0.2, 3, 3, 0, 0),
    "model_5": (0.2, 5, 5, 0, 0),
    "model_6": (1.0, 5, 0, 0, 1),
    "model_7": (1.0, 5, 0, 0, 3),
    "model_8": (1.0, 5, 0, 1, 1),
    "model_9": (1.0, 3, 0, 3, 3),
    "model_10": (1.0, 5, 0, 3, 0),
    "zero_shot": (1.2, 5, 0, 0, 0),
}


@pytest.mark.parametrize("name", TABLES)
def test_thesis_recipes_match_its_tables(name):
    _, model, data, args = parse_arguments([name])
    layers = model.text_trainable_layers, model.audio_trainable_layers
    extra = model.text_extra_layers or 0, model.audio_extra_layers or 0
    assert (model.temperature, *layers, *extra) == TABLES[name]
    assert (args.learning_rate, args.num_train_epochs, args.early_stopping_patience > 0) == (3e-4, 80, True)
    assert data.split == ("zero-shot" if name == "zero_shot" else "thesis")


def test_mulan_recipes_match_the_paper():
    for name, tower, rate in (("mulan_m_ast", "ast", 4e-5), ("mulan_m_resnet50", "resnet", 5e-5)):
        _, model, _, args = parse_arguments([name])
        assert (model.audio_tower, model.loss_type, args.learning_rate) == (tower, ["mulan"], rate)
        assert (model.text_trainable_layers, model.audio_trainable_layers) == (-1, -1)
        assert (args.lr_decay, args.lr_decay_steps, args.weight_decay) == (0.9, 40_000, 0)
        assert args.optim.startswith("adam")


def test_all_recipes_are_there():
    others = {"mlp_head", "residual_head", "mulan_m_ast", "mulan_m_resnet50", "siglip", "mini"}
    assert set(recipe_names()) == {*TABLES, *others}


def test_the_command_line_overrides_a_file_that_overrides_its_base(tmp_path):
    (tmp_path / "mine.yaml").write_text("base: model_7\ntemperature: 1.5\nlearning_rate: 1e-4\nbf16: true\n")
    (tmp_path / "next.yml").write_text("base: mine.yaml\ntext_pooling: mean\n")
    name, model, _, args = parse_arguments(
        [str(tmp_path / "next.yml"), "--temperature", "1.7", "--no_load_best_model_at_end"]
    )
    assert (name, args.output_dir) == ("next", "runs/next")
    assert (model.temperature, model.audio_extra_layers, model.text_pooling) == (1.7, 3, "mean")
    assert (args.learning_rate, args.bf16, args.load_best_model_at_end) == (1e-4, True, False)


def test_a_recipe_sets_lists_mappings_and_null(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "base: model_6\nreport_to: [tensorboard]\nlr_scheduler_kwargs: {power: 2}\nlabel_names: []\n"
        "save_total_limit: null\naudio_extra_layers: null\n"
    )
    _, model, _, args = parse_arguments([str(path)])
    assert (args.report_to, args.lr_scheduler_kwargs, args.label_names) == (["tensorboard"], {"power": 2}, [])
    assert args.save_total_limit is None and model.audio_extra_layers is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("temprature: 2", "unknown setting 'temprature': did you mean 'temperature'?"),
        ("base: model_99", "There is no recipe 'model_99': did you mean"),
        ("base: mine.yaml", "is its own base: remove one"),
        ("- model_1", "is not a mapping: write one line"),
        ("a: [", "cannot be read"),
        ("temperature: warm", "argument --temperature: invalid float value: 'warm'"),
        ("init: tini", "argument --init: invalid choice: 'tini'"),
        ("text_trainable_layers: [a]", "text-trainable-layers: invalid int value: 'a'"),
        ("temperature: {tau: 1}", "argument --temperature: invalid float value"),
    ],
)
def test_an_invalid_recipe_is_an_error_of_one_sentence(text, sentence, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match="(?i)" + sentence.replace("[", r"\[").replace("?", r"\?")) as caught:
        parse_arguments([str(path)])
    assert "\n" not in str(caught.value)


def test_the_old_name_of_a_setting_works_with_a_warning(tmp_path, capsys):
    (tmp_path / "old.yaml").write_text("base: model_1\ntowers: tiny\n")
    for arguments in (["model_1", "--towers", "tiny"], ["model_1", "--towers=tiny"], [str(tmp_path / "old.yaml")]):
        assert parse_arguments(arguments)[1].init == "tiny"
        warning = capsys.readouterr().err
        assert warning.count("\n") == 1 and "towers is now called" in warning and "init" in warning
    assert parse_arguments(["model_1", "--init", "tiny"])[1].init == "tiny"
    assert capsys.readouterr().err == ""


def test_a_setting_before_the_recipe_is_an_error_of_one_sentence():
    with pytest.raises(RecipeError, match="recipe"):
        parse_arguments(["--temperature", "2.0"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--temprature", "2"], "There is no setting '--temprature': did you mean 'temperature'"),
        (["--temp", "2"], "There is no setting '--temp'"),
        (["--lr_scheduler_type", "steep"], "steep is not a valid SchedulerType"),
        (["--report_to", "blackboard"], "--report_to blackboard needs a package that is not installed"),
    ],
)
def test_an_unknown_setting_is_an_error_of_one_sentence(arguments, sentence):
    with pytest.raises(RecipeError, match=sentence) as caught:
        parse_arguments(["model_1", *arguments])
    assert "\n" not in str(caught.value)
