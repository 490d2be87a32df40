"""Imports inside the package point one way (see docs/design.md), and published files import only each other."""

import ast
import sys
from pathlib import Path

import pytest

import kobza

PACKAGE = Path(kobza.__file__).parent
# Each part may import itself and what stands before it. Parts of one line may not import each other.
LAYERS = (
    ("errors",),
    ("folders",),
    ("__init__",),
    ("atomic", "internal_error"),
    ("model",),
    ("ffmpeg",),
    ("audio",),
    ("synth",),
    ("data",),
    ("embedding",),
    ("library",),
    ("evaluation",),
    ("training", "distill", "export", "webui"),
    ("benchmarks",),
    ("terminal",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
ANYWHERE = {"terminal"}  # imports nothing of the package but `audio`, and prints
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    top = path.relative_to(PACKAGE).parts[0]
    return top.removesuffix(".py")


def imported_parts(path: Path) -> set[str]:
    """The parts of the package that a file imports, at its top or in a function; not those for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }
    parts = set()
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        names = []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [f"{node.module}.{alias.name}" if node.module == "kobza" else node.module for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        parts |= {name.split(".")[1] for name in names if name.startswith("kobza.")}
    return {part if part in LEVEL else "__init__" for part in parts}  # `from kobza import __version__`


def test_every_part_has_its_place():
    assert {part_of(path) for path in FILES} == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    here = part_of(path)
    for part in imported_parts(path) - {here} - ANYWHERE:
        assert LEVEL[part] < LEVEL[here], f"{path.relative_to(PACKAGE)} imports kobza.{part}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "model").glob("*_kobza.py")), ids=lambda path: path.name)
def test_published_files_import_only_each_other(path):
    allowed = {"torch", "transformers", "huggingface_hub", "numpy", "torchaudio", "soxr"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        for name in names:
            root = name.split(".")[0]
            assert root in allowed or root in sys.stdlib_module_names, f"{path.name} imports {name}"
