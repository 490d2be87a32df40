"""A recipe: a YAML file of settings over a base; the command line has the last word.

    base: model_6              # another recipe, by name or by a path relative to this file
    temperature: 2.0           # any field of the three dataclasses in `arguments.py`

Recipes that come with Kobza go by their names: the files in `recipes/`.
"""

import argparse
import dataclasses
import difflib
from importlib.util import find_spec
from pathlib import Path

import yaml
from transformers import HfArgumentParser

from kobza.audio import printable
from kobza.errors import KobzaError
from kobza.training.arguments import DataArguments, KobzaTrainingArguments, ModelArguments

RECIPES = Path(__file__).with_name("recipes")
KINDS = (ModelArguments, DataArguments, KobzaTrainingArguments)
FIELDS = tuple(field.name for kind in KINDS for field in dataclasses.fields(kind) if field.init)


class RecipeError(KobzaError):
    """A recipe or a setting that cannot be used; the message is one sentence for its user."""


class _Parser(HfArgumentParser):
    def error(self, message: str):
        raise RecipeError(f"{message[:1].upper()}{message[1:]}: see train.py --help for what a setting takes.")


def recipe_names() -> list[str]:
    """The names of the recipes that come with Kobza, without their base."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml") if path.stem != "base")


def _did_you_mean(name: str, names) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else "check the name."


def _find(name: str, beside: Path) -> Path:
    places = (beside / name, RECIPES / f"{name}.yaml")
    found = next((place for place in places if place.suffix in (".yaml", ".yml") and place.is_file()), None)
    if found is None:
        raise RecipeError(
            f"There is no recipe {name!r}: {_did_you_mean(name, recipe_names())} "
            f"Known: {', '.join(recipe_names())}; or give the path of a .yaml file."
        )
    return found


def load_recipe(name: str, beside: Path = Path(), seen: tuple[Path, ...] = ()) -> dict:
    """{setting: value} of a recipe by name or path, those of its base first.

    Raises:
        RecipeError: no such recipe, not a YAML mapping, a setting that does not exist, or bases in a circle.
    """
    path = _find(name, beside).resolve()
    if path in seen:
        raise RecipeError(f"The recipe {printable(path)} is its own base: take out one `base:`.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise RecipeError(f"The recipe {printable(path)} cannot be read ({reason}): mend the file.") from None
    if not isinstance(values, dict):
        raise RecipeError(f"The recipe {printable(path)} is no mapping: write a line `setting: value` for each.")
    base = values.pop("base", None)
    unknown = next((str(key) for key in values if key not in FIELDS), None)
    if unknown is not None:
        raise RecipeError(f"The recipe {printable(path)} has {unknown!r}, no setting: {_did_you_mean(unknown, FIELDS)}")
    return {**(load_recipe(str(base), path.parent, (*seen, path)) if base else {}), **values}


def parse(argv: list[str]) -> tuple[str, ModelArguments, DataArguments, KobzaTrainingArguments]:
    """The recipe's name and its settings, changed by the command line: `RECIPE --temperature 2.0 --bf16`.

    Raises:
        RecipeError: as `load_recipe`, or an argument that is no setting or of the wrong type.
    """
    parser = _Parser(
        KINDS,
        prog="train.py",
        description="Train a model from a recipe.",
        epilog=f"Recipes: {', '.join(recipe_names())}; or the path of a .yaml file.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("recipe", help="a recipe's name or the path of a .yaml file")
    first = argv[0] if argv else "--help"
    if first.startswith("-") and first not in ("-h", "--help"):
        raise RecipeError(f"The recipe comes before {first}: train.py RECIPE --setting value ...")
    given, stem = ({}, "RECIPE") if first.startswith("-") else (load_recipe(first), Path(first).stem)
    # as text, so that argparse checks a file's values as it checks the command line's
    parser.set_defaults(output_dir=f"runs/{stem}", **{key: _text(value) for key, value in given.items()})
    namespace, unknown = parser.parse_known_args(argv or ["--help"])
    if unknown:
        option = unknown[0].split("=")[0].lstrip("-").replace("-", "_")
        raise RecipeError(f"There is no setting {unknown[0]!r}: {_did_you_mean(option, FIELDS)}")
    values = vars(namespace)
    try:
        made = [kind(**{f.name: values[f.name] for f in dataclasses.fields(kind) if f.init}) for kind in KINDS]
    except (ValueError, ImportError) as error:  # TrainingArguments checks what goes together, in a sentence or two
        raise RecipeError(" ".join(str(error).split())) from error
    for tracker in made[-1].report_to:
        if find_spec(tracker) is None:
            raise RecipeError(f"--report_to {tracker} needs a package that is not installed: pip install {tracker}")
    return stem, *made


def _text(value):
    return str(value) if isinstance(value, (bool, int, float)) else value
