"""NSynth (Engel et al., ICML 2017): 305,979 notes of 4 s, each with its instrument's family, its source and its pitch.

nsynth-train/, nsynth-valid/, nsynth-test/     each with examples.json and audio/bass_acoustic_000-024-025.wav
"""

import json
from pathlib import Path

from kobza.audio import printable
from kobza.data.formats import parse_part
from kobza.data.recordings import DataSet, DataSetError, Recording, Skipped, read_text, require_folder

FOLDERS = {"train": "nsynth-train", "validation": "nsynth-valid", "test": "nsynth-test"}
COLUMNS = {"family": "instrument_family_str", "source": "instrument_source_str", "pitch": "pitch"}
LABELS = {
    "family": (
        *("bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string"),
        *("synth lead", "vocal"),  # no synth lead is in the validation and test splits
    ),
    "source": ("acoustic", "electronic", "synthetic"),
    "pitch": tuple(str(pitch) for pitch in range(128)),  # MIDI
}


def load_nsynth(folder: str | Path, part: str | None = None) -> DataSet:
    """Load the notes of a split with one kind of label: "family-test" (the default), "source-train", "pitch".

    Raises:
        DataSetError: the folder or the split's examples.json is missing or malformed, or no recording can be used.
    """
    folder = require_folder(folder)
    kind, split = parse_part("nsynth", part)
    root = folder if folder.name == FOLDERS[split] else folder / FOLDERS[split]
    examples = root / "examples.json"
    try:
        notes = json.loads(read_text(examples))
    except ValueError as error:
        if isinstance(error, DataSetError):
            raise
        raise DataSetError(f"{printable(examples)} is not JSON ({error}): unpack NSynth's archive again.") from None
    recordings: list[Recording] = []
    skipped: Skipped = []
    for name, note in notes.items() if isinstance(notes, dict) else ():
        inner = f"{root.name}/audio/{name}.wav"
        path = root / "audio" / f"{name}.wav"
        label = str(note.get(COLUMNS[kind])).replace("_", " ") if isinstance(note, dict) else ""
        if label not in LABELS[kind]:
            raise DataSetError(
                f"The note {name} of {printable(examples)} has no {COLUMNS[kind]} of NSynth's (it has {label!r}): "
                "unpack the archive again."
            )
        if path.is_file():
            recordings.append(Recording(path, inner, label=label))
        else:
            skipped.append((printable(inner), "examples.json lists it, but it is missing"))
    if not recordings:
        raise DataSetError(
            f"{printable(root)} has none of the {len(skipped)} notes of examples.json: unpack audio/ beside it."
        )
    return DataSet("nsynth", folder, tuple(recordings), tuple(skipped), LABELS[kind], f"{kind}-{split}")
