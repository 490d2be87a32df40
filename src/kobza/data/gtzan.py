"""GTZAN (Tzanetakis and Cook, 2002): 100 recordings of 30 s in each of ten genres.

    DIR/blues/blues.00000.wav ... DIR/rock/rock.00099.wav      or .au, as the first archive has them

Its faults (repetitions, mislabelings) are described by Sturm (arXiv:1306.1461). A text file of names, such as the
fault-filtered `test_filtered.txt` (Kereliuk et al., 2015; lines like blues/blues.00029.wav), narrows it to those.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from kobza.audio import AudioError, decode, printable
from kobza.data.recordings import DataSet, DataSetError, Recording, Skipped, files_under, require_folder

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
LABELS = {genre: {"hiphop": "hip-hop"}.get(genre, genre) for genre in GENRES}  # folder: the word in a prompt
NAMES = tuple(f"{genre}.{number:05d}" for genre in GENRES for number in range(100))
ARCHIVES = (".", "genres", "genres_original", "Data/genres_original")  # where archives in circulation keep the genres
CORRUPT = "jazz.00054"  # its .wav in most copies


def load_gtzan(folder: str | Path, listed: str | Path | None = None) -> DataSet:
    """The thousand recordings, or those that the text file `listed` names, relative to `folder` or as a path.

    Raises:
        DataSetError: no folder, a genre's folder missing, no such list or no GTZAN names in it, nothing to use.
    """
    folder = require_folder(folder)
    genres = next((folder / a for a in ARCHIVES if (folder / a / "blues").is_dir()), folder)
    missing = [genre for genre in GENRES if not (genres / genre).is_dir()]
    if missing:
        raise DataSetError(
            f"{printable(folder)} is not GTZAN: it lacks the folders {', '.join(missing)}. "
            "For a set with other classes use classes:DIR."
        )
    wanted = NAMES if listed is None else _read_list(folder, Path(listed))
    there = {inner: path for genre in GENRES for inner, path in _inside(genres, genre)}
    recordings: list[Recording] = []
    skipped: Skipped = []
    for name in wanted:
        genre = name.split(".")[0]
        copies = [inner for end in ("wav", "au") if (inner := f"{genre}/{name}.{end}") in there]
        if not copies:
            skipped.append((f"{genre}/{name}", "it is not there"))
        elif name == CORRUPT and not _decodes(there[copies[0]]):
            skipped.append((copies[0], "it is corrupt, as its .wav is in most copies of GTZAN"))
        else:
            recordings.append(Recording(there[copies[0]], copies[0], label=LABELS[genre]))
        skipped += [(copy, "a second copy of the same recording") for copy in copies[1:]]
    known = {f"{name.split('.')[0]}/{name}.{end}" for name in NAMES for end in ("wav", "au")}
    skipped += [(inner, "it is not named as GTZAN's recordings are") for inner in there if inner not in known]
    if not recordings:
        raise DataSetError(
            f"{printable(folder)} has none of the {len(wanted)} recordings: look for names like blues.00000.wav."
        )
    split = Path(listed).name if listed is not None else None
    return DataSet("gtzan", folder, tuple(recordings), tuple(skipped), tuple(LABELS.values()), split)


def _inside(genres: Path, genre: str) -> Iterable[tuple[str, Path]]:
    return ((f"{genre}/{inner}", path) for inner, path in files_under(genres / genre).items())


def _read_list(folder: Path, listed: Path) -> list[str]:
    """Names like blues.00029, in the list's order, each once."""
    path = next((p for p in (listed, folder / listed) if p.is_file()), None)
    if path is None:
        raise DataSetError(f"There is no list {printable(listed)}, here or in {printable(folder)}: check the path.")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataSetError(f"{printable(path)} cannot be read ({error}): give a text file of names.") from None
    names = list(dict.fromkeys(PurePosixPath(line.replace("\\", "/")).stem for line in lines))
    strange = [name for name in names if name not in NAMES]
    if strange or not names:
        raise DataSetError(
            f"{printable(path)} is not a list of GTZAN's recordings: a line like blues/blues.00029.wav is expected"
            + (f", it has {strange[0]!r}." if strange else ", it is empty.")
        )
    return names


def _decodes(path: Path) -> bool:
    try:
        return any(len(chunk) for chunk in list(decode(path)))
    except AudioError:
        return False
