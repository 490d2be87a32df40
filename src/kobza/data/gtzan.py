"""GTZAN (Tzanetakis and Cook, 2002): 100 recordings of 30 s in each of ten genres.

    DIR/blues/blues.00000.wav ... DIR/rock/rock.00099.wav      or .au, as the first archive has them

Its faults (repetitions, wrong labels) are described by Sturm (arXiv:1306.1461). The fault-filtered split (Kereliuk et
al., 2015) is three text files of names (lines like blues/blues.00029.wav), of 443, 197 and 290 recordings; any other
such file selects those that it names.
"""

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from kobza.audio import printable
from kobza.data.decoding_check import decoding_error
from kobza.data.recordings import DataSet, DataSetError, Recording, Skipped, read_text, require_folder, visible_files
from kobza.folders import expanded

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
LABELS = {genre: {"hiphop": "hip-hop"}.get(genre, genre) for genre in GENRES}  # folder: the word in a prompt
NAMES = tuple(f"{genre}.{number:05d}" for genre in GENRES for number in range(100))
GENRE_ROOTS = (".", "genres", "genres_original", "Data/genres_original")  # in the archives in circulation
SPLIT_LISTS = {"train": "train_filtered.txt", "validation": "valid_filtered.txt", "test": "test_filtered.txt"}
CORRUPT_NAME = "jazz.00054"  # its .wav is corrupt in most copies


def load_gtzan(folder: str | Path, listed: str | Path | None = None) -> DataSet:
    """Load the thousand recordings, a split of the fault-filtered ones, or those named in a text file.

    Args:
        listed: "all", "train", "validation", "test"; or a text file: a path, or a path relative to `folder`.

    Raises:
        DataSetError: the folder or a genre's folder is missing, there is no such list, or it does not name GTZAN's
            recordings, or no recording can be used.
    """
    folder = require_folder(folder)
    root = next((folder / inner for inner in GENRE_ROOTS if (folder / inner / "blues").is_dir()), folder)
    missing = [genre for genre in GENRES if not (root / genre).is_dir()]
    if missing:
        raise DataSetError(
            f"{printable(folder)} is not GTZAN: it lacks the folders {', '.join(missing)}. "
            "For a set with other classes use classes:DIR."
        )
    wanted = _wanted_names(folder, listed)
    present = {inner: path for genre in GENRES for inner, path in _genre_files(root, genre)}
    recordings: list[Recording] = []
    skipped: Skipped = []
    for name in wanted:
        genre = name.split(".")[0]
        copies = [inner for end in ("wav", "au") if (inner := f"{genre}/{name}.{end}") in present]
        if not copies:
            skipped.append((f"{genre}/{name}", "it is missing"))
        elif name == CORRUPT_NAME and decoding_error(present[copies[0]]) is not None:
            skipped.append((copies[0], "it is corrupt, like the .wav in most copies of GTZAN"))
        else:
            recordings.append(Recording(present[copies[0]], copies[0], label=LABELS[genre]))
        skipped += [(copy, "a second copy of the same recording") for copy in copies[1:]]
    known = {f"{name.split('.')[0]}/{name}.{end}" for name in NAMES for end in ("wav", "au")}
    skipped += [(inner, "its name is not one of GTZAN's") for inner in present if inner not in known]
    if not recordings:
        raise DataSetError(
            f"{printable(folder)} has none of the {len(wanted)} recordings: look for names like blues.00000.wav."
        )
    split = Path(listed).name if listed is not None and listed != "all" else None
    return DataSet("gtzan", folder, tuple(recordings), tuple(skipped), tuple(LABELS.values()), split)


def _wanted_names(folder: Path, listed: str | Path | None) -> Sequence[str]:
    if listed is None or listed == "all":
        return NAMES
    if listed not in SPLIT_LISTS:
        return _read_list(folder, expanded(listed))
    file = SPLIT_LISTS[str(listed)]
    if (folder / file).is_file():
        return _read_list(folder, Path(file))
    try:
        lists = importlib.import_module("torchaudio.datasets.gtzan")
        return getattr(lists, "filtered_" + file.removesuffix("_filtered.txt"))
    except (ImportError, AttributeError):
        raise DataSetError(
            f"{printable(folder)} has no {file}, the list of the fault-filtered split's recordings: put it there."
        ) from None


def _genre_files(root: Path, genre: str) -> Iterable[tuple[str, Path]]:
    return ((f"{genre}/{inner}", path) for inner, path in visible_files(root / genre).items())


def _read_list(folder: Path, listed: Path) -> list[str]:
    """Names such as blues.00029, in the list's order, each once."""
    path = next((p for p in (listed, folder / listed) if p.is_file()), None)
    if path is None:
        raise DataSetError(f"There is no list {printable(listed)}, here or in {printable(folder)}: check the path.")
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    names = list(dict.fromkeys(PurePosixPath(line.replace("\\", "/")).stem for line in lines))
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        raise DataSetError(
            f"{printable(path)} is not a list of GTZAN's recordings: a line like blues/blues.00029.wav is expected"
            + (f", it has {unknown[0]!r}." if unknown else ", it is empty.")
        )
    return names
