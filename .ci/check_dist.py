"""What is in the wheel and in the source distribution: python .ci/check_dist.py FOLDER

Both carry the checkpoint, on purpose; nothing else in them is large, and nothing is there by accident.
"""

import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

PYPI_LIMIT = 100_000_000
LARGE = 2_000_000  # what one file but the weights may take
TOP_OF_SDIST = {
    *("src", "tests", "hub", "spaces", "docs", ".ci", ".github"),
    *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "mkdocs.yml"),
    *("train.py", ".gitignore", "PKG-INFO"),
}
CHECKPOINT = "kobza/checkpoints/kobza-mini"


def check(name: str, sizes: dict[str, int], needed: list[str], tops: set[str]) -> list[str]:
    """What is wrong with an archive of these files (path: bytes); each as a sentence."""
    weights = [path for path in sizes if path.endswith("kobza-mini/model.safetensors")]
    faults = [f"{name} lacks {path}." for path in needed if path not in sizes]
    faults += [f"{name} holds {top}, which nobody asked for." for top in {p.split("/")[0] for p in sizes} - tops]
    faults += [f"{name} holds {path} of {n} bytes." for path, n in sizes.items() if n > LARGE and path not in weights]
    faults += [f"{name} holds the weights {len(weights)} times."] * (len(weights) != 1)
    faults += [f"{name} holds {path}." for path in sizes if "__pycache__" in path or path.endswith(".pyc")]
    return faults


def main(folder: str) -> int:
    (wheel,), (sdist,) = Path(folder).glob("*.whl"), Path(folder).glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {info.filename: info.file_size for info in archive.infolist()}
    with tarfile.open(sdist) as archive:
        root, *_ = archive.getnames()[0].split("/")
        in_sdist = {str(PurePosixPath(m.name).relative_to(root)): m.size for m in archive.getmembers() if m.isfile()}
    version = wheel.name.split("-")[1]
    needed = ["kobza/__init__.py", "kobza/__main__.py", "kobza/py.typed"]
    needed += [f"{CHECKPOINT}/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json")]
    faults = check(wheel.name, in_wheel, needed, {"kobza", f"kobza-{version}.dist-info"})
    faults += check(sdist.name, in_sdist, ["hub/kobza-mini/model.safetensors", "src/kobza/py.typed"], TOP_OF_SDIST)
    for path in (wheel, sdist):
        if path.stat().st_size > PYPI_LIMIT:
            faults.append(f"{path.name} is larger than PyPI takes.")
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
    print(*faults, sep="\n", end="\n" * bool(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
