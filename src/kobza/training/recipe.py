"""A recipe: a YAML file of settings on top of a base; the command line overrides it.

    base: model_6              # another recipe, by name or by a path relative to this file
    temperature: 2.0           # any field of the three dataclasses in `arguments.py`

Recipes that come with Kobza, the files in `recipes/`, are known by their names.
"""

import argparse
import dataclasses
import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import yaml
from transformers import HfArgumentParser

from kobza.audio import printable
from kobza.errors import KobzaError
from kobza.suggestions import nearest
from kobza.terminal import say
from kobza.training.arguments import DataArguments, KobzaTrainingArguments, ModelArguments

RECIPES = Path(__file__).with_name("recipes")
ARGUMENT_CLASSES = (ModelArguments, DataArguments, KobzaTrainingArguments)
RENAMED = {"towers": "init"}  # settings of version 0.1; the old name works until 0.3


def _field_names(kind: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(kind) if field.init]


SETTINGS = tuple(name for kind in ARGUMENT_CLASSES for name in _field_names(kind))
Arguments = TypeVar("Arguments")


class RecipeError(KobzaError):
    """A recipe or a setting cannot be used; the message is one sentence for the user."""


class _Parser(HfArgumentParser):
    def error(self, message: str):
        raise RecipeError(f"{message[:1].upper()}{message[1:]}: see train.py --help for the settings and their values.")


def recipe_names() -> list[str]:
    """The names of the recipes that come with Kobza, without `base`."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml") if path.stem != "base")


def _did_you_mean(name: str, names) -> str:
    near = nearest(name, names)
    return f"did you mean {near!r}?" if near else "check the name."


def _find_recipe(name: str, folder: Path) -> Path:
    candidates = (folder / name, RECIPES / f"{name}.yaml")
    found = next((path for path in candidates if path.suffix in (".yaml", ".yml") and path.is_file()), None)
    if found is None:
        raise RecipeError(
            f"There is no recipe {name!r}: {_did_you_mean(name, recipe_names())} "
            f"Known: {', '.join(recipe_names())}; or give the path of a .yaml file."
        )
    return found


def load_recipe(name: str, folder: Path = Path(), seen: tuple[Path, ...] = ()) -> dict:
    """{setting: value} of a recipe and its bases, by its name or its path relative to `folder`.

    Raises:
        RecipeError: the recipe does not exist, is no YAML mapping, has an unknown setting, or is its own base.

    >>> load_recipe("model_3")["temperature"]
    0.2
    """
    path = _find_recipe(name, folder).resolve()
    if path in seen:
        raise RecipeError(f"The recipe {printable(path)} is its own base: remove one `base:`.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise RecipeError(f"The recipe {printable(path)} cannot be read ({reason}): correct the file.") from None
    if not isinstance(values, dict):
        raise RecipeError(
            f"The recipe {printable(path)} is not a mapping: write one line `setting: value` for each setting."
        )
    base = values.pop("base", None)
    for old in RENAMED.keys() & values.keys():
        say(f"train.py: in {printable(path)}, {old} is now called {RENAMED[old]}.")
        values[RENAMED[old]] = values.pop(old)
    unknown = next((str(key) for key in values if key not in SETTINGS), None)
    if unknown is not None:
        raise RecipeError(
            f"The recipe {printable(path)} has an unknown setting {unknown!r}: {_did_you_mean(unknown, SETTINGS)}"
        )
    return {**(load_recipe(str(base), path.parent, (*seen, path)) if base else {}), **values}


def parse_arguments(argv: list[str]) -> tuple[str, ModelArguments, DataArguments, KobzaTrainingArguments]:
    """The recipe's name and its settings, changed by the command line: `RECIPE --temperature 2.0 --bf16`.

    Raises:
        RecipeError: as `load_recipe`, or an argument that is no setting or of the wrong type.
    """
    classes: Any = ARGUMENT_CLASSES  # the parser's annotation is a NewType that no class has
    parser = _Parser(
        classes,
        prog="train.py",
        description="Train a model from a recipe.",
        epilog=f"Recipes: {', '.join(recipe_names())}; or the path of a .yaml file.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("recipe", help="a recipe's name or the path of a .yaml file")
    argv = [_renamed(argument) for argument in argv]
    first = argv[0] if argv else "--help"
    if first.startswith("-") and first not in ("-h", "--help"):
        raise RecipeError(f"The recipe comes before {first}: train.py RECIPE --setting value ...")
    given: dict = {} if first.startswith("-") else load_recipe(first)
    stem = "RECIPE" if first.startswith("-") else Path(first).stem
    parser.set_defaults(**{"output_dir": f"runs/{stem}", **given})  # which --help shows, and the only way to set None
    namespace, unknown = parser.parse_known_args([first, *_as_options(given), *argv[1:]])
    if unknown:
        option = unknown[0].split("=")[0].lstrip("-").replace("-", "_")
        raise RecipeError(f"There is no setting {unknown[0]!r}: {_did_you_mean(option, SETTINGS)}")
    values = vars(namespace)
    try:
        model_args = _instance(ModelArguments, values)
        data_args = _instance(DataArguments, values)
        args = _instance(KobzaTrainingArguments, values)
    except (ValueError, ImportError) as error:  # TrainingArguments checks combinations of settings
        raise RecipeError(" ".join(str(error).split())) from error
    for tracker in args.report_to or ():
        if find_spec(tracker) is None:
            raise RecipeError(f"--report_to {tracker} needs a package that is not installed: pip install {tracker}")
    return stem, model_args, data_args, args


def _instance(kind: type[Arguments], values: dict[str, Any]) -> Arguments:
    return kind(**{name: values[name] for name in _field_names(kind)})


def _as_options(given: dict[str, Any]) -> Iterator[str]:
    """A recipe's settings as options, so that argparse checks their values and choices as on the command line.

    >>> list(_as_options({"temperature": 2.0, "report_to": ["tensorboard", "wandb"], "save_total_limit": None}))
    ['--temperature=2.0', '--report_to', 'tensorboard', 'wandb']
    """
    for name, value in given.items():
        if value in (None, []):
            continue
        if isinstance(value, list):
            yield from (f"--{name}", *map(str, value))
        else:
            yield f"--{name}={json.dumps(value) if isinstance(value, dict) else value}"


def _renamed(argument: str) -> str:
    """An argument of the command line with the present name of its option."""
    option, equals, value = argument.partition("=")
    name = option.removeprefix("--")
    if not option.startswith("--") or name not in RENAMED:
        return argument
    say(f"train.py: {option} is now called --{RENAMED[name]}; the old name will be removed.")
    return f"--{RENAMED[name]}{equals}{value}"
