"""Imports inside the package point one way (see docs/design.md), and published files import only each other."""

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import kobza

PACKAGE = Path(kobza.__file__).parent
# Each part may import itself and what stands before it. Parts of one line may not import each other.
LAYERS = (
    ("errors",),
    ("extras",),
    ("suggestions",),
    ("folders",),
    ("config",),
    ("__init__",),
    ("atomic", "audio_formats", "half_precision", "internal_error"),
    ("config_edit",),
    ("model",),
    ("audio_source",),
    ("ffmpeg", "loudness"),
    ("audio_digest", "sndfile"),
    ("audio", "augmentation"),
    ("cells",),
    ("synth",),
    ("data",),
    ("embedding",),
    ("library",),
    ("players",),
    ("evaluation",),
    ("training", "distill", "export", "webui"),
    ("benchmarks", "study"),
    ("terminal",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
ANYWHERE = {"terminal"}  # imports nothing of the package but `audio` and `cells`, and prints
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    top = path.relative_to(PACKAGE).parts[0]
    return top.removesuffix(".py")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path) for path in FILES}


def imported_modules(path: Path) -> set[str]:
    """The package's modules that a file imports, at its top or in a function; not those for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }
    modules = set()
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = module_name(path).split(".")[: -node.level] if node.level else []
            source = ".".join([*package, *([node.module] if node.module else [])])
            for alias in node.names:
                name = f"{source}.{alias.name}"
                modules.add(name if name in MODULES else source)
    return {name for name in modules if name in MODULES}


def test_no_module_imports_itself_by_way_of_others():
    graph = {module_name(path): imported_modules(path) - {module_name(path)} for path in FILES}
    TopologicalSorter(graph).prepare()  # CycleError names the circle


def test_every_part_has_its_place():
    assert {part_of(path) for path in FILES} == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    here = part_of(path)
    parts = {name.split(".")[1] if "." in name else "__init__" for name in imported_modules(path)}
    for part in parts - {here} - ANYWHERE:
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
