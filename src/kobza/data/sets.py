"""Load a data set of `formats.FORMATS` by its name and folder: SET:DIR or SET:DIR@PART."""

from collections.abc import Callable

from kobza.data.captioned_sets import load_audiocaps, load_clotho, load_song_describer
from kobza.data.class_folders import load_classes
from kobza.data.formats import FORMATS, OFFICIAL, DataSetError, parse_part
from kobza.data.gtzan import load_gtzan
from kobza.data.judged import load_judged
from kobza.data.magnatagatune import load_magnatagatune
from kobza.data.musiccaps import load_musiccaps
from kobza.data.nsynth import load_nsynth
from kobza.data.pairs import load_pairs
from kobza.data.recordings import DataSet
from kobza.data.splits import divide_pairs, split_of_pairs
from kobza.data.tagged_sets import load_mtg_jamendo, load_openmic, load_tags
from kobza.folders import expanded


def _load_pairs(folder: str, part: str | None) -> DataSet:
    _, split = parse_part("pairs", part)
    data = load_pairs(folder)
    return data if split == "all" else split_of_pairs(data, split)


LOADERS: dict[str, Callable[[str, str | None], DataSet]] = {
    "musiccaps": load_musiccaps,
    "song_describer": load_song_describer,
    "clotho": load_clotho,
    "audiocaps": load_audiocaps,
    "gtzan": load_gtzan,
    "magnatagatune": load_magnatagatune,
    "mtg_jamendo": load_mtg_jamendo,
    "openmic": load_openmic,
    "nsynth": load_nsynth,
    "pairs": _load_pairs,
    "classes": load_classes,
    "tags": load_tags,
    "judged": load_judged,
}


def parse_spec(spec: str) -> tuple[str, str, str | None]:
    """The name, folder and part of SET:DIR@PART. A folder's own name may contain an @.

    >>> parse_spec("gtzan:music/gtzan@test")
    ('gtzan', 'music/gtzan', 'test')

    Raises:
        DataSetError: `spec` is not of this form.
    """
    name, _, folder = spec.partition(":")
    if name not in FORMATS or not folder:
        raise DataSetError(f"{spec!r} is not a data set: write one of {', '.join(f'{name}:DIR' for name in FORMATS)}.")
    if "@" in folder and not expanded(folder).is_dir():
        folder, _, part = folder.rpartition("@")
        return name, folder, part
    return name, folder, None


def is_spec(text: str) -> bool:
    """Whether a text names a data set, as SET:DIR, and not a folder.

    >>> is_spec("clotho:music"), is_spec("music/clotho"), is_spec("hub:user/clotho")
    (True, False, False)
    """
    return text.partition(":")[0] in FORMATS and ":" in text and not expanded(text).exists()


def divide_captioned(spec: str) -> dict[str, DataSet]:
    """The splits of a captioned set for training: {"train", "validation"}, and "test" where the set has one.

    Raises:
        DataSetError: the set has no captions, is already a split, or cannot be used.
    """
    name, folder, part = parse_spec(spec)
    known = FORMATS[name]
    if known.task != "retrieval":
        captioned = ", ".join(other for other, about in FORMATS.items() if about.task == "retrieval")
        raise DataSetError(f"{known.title} has no captions to train on: give one of {captioned}.")
    if "all" in known.splits and (not part or part in known.variants):  # published without splits
        return divide_pairs(LOADERS[name](folder, part))
    if part:
        raise DataSetError(f"All splits of {known.title} are loaded for training: leave '@{part}' out.")
    return {split: LOADERS[name](folder, split) for split in OFFICIAL}


def divide_labelled(spec: str) -> dict[str, DataSet]:
    """The splits "train", "validation" and "test" of a set with labels or tags, for a probe.

    Args:
        spec: with a variant as its part, or none: all splits are loaded.

    Raises:
        DataSetError: the set has captions, or the part is a split, or the set cannot be used.
    """
    name, folder, part = parse_spec(spec)
    known = FORMATS[name]
    if known.task not in ("classification", "tagging"):
        labelled = [other for other, about in FORMATS.items() if about.task in ("classification", "tagging")]
        raise DataSetError(f"A probe needs labels or tags, and {name} has none: give one of {', '.join(labelled)}.")
    if part and part not in known.variants:
        variants = f", or give one of {', '.join(known.variants)}" if known.variants else ""
        raise DataSetError(f"A probe takes all splits of {known.title}: leave '@{part}' out{variants}.")
    prefix = f"{part}-" if part else ""
    return {split: LOADERS[name](folder, prefix + split) for split in OFFICIAL}


def load_data_set(spec: str) -> DataSet:
    """Load SET:DIR or SET:DIR@PART; see `formats.FORMATS` for the parts.

    Raises:
        DataSetError: `spec` is not of this form, or the data set cannot be used.
    """
    name, folder, part = parse_spec(spec)
    return LOADERS[name](folder, part)
