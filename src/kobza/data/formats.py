"""The data sets that Kobza reads as they are published: one table, from which `--help` and the docs are made.

It imports nothing heavy, because every command's help is made from it; what loads each set is in `sets.py`.
A set is named SET:DIR[@PART]. A part is a variant (which tags, which labels), a split, or both: 188, test, 188-test.
"""

from dataclasses import dataclass

from kobza.errors import KobzaError

OFFICIAL = ("train", "validation", "test")


class DataSetError(KobzaError):
    """A data set cannot be used. The message says which folder or table, what is wrong and what to do."""


@dataclass(frozen=True)
class Format:
    """How a data set is published.

    Attributes:
        task: "retrieval" of captions, "classification" by one label, "tagging" by several, or "ranking" by grades.
        layout: the files that are expected in the folder.
        splits: the parts into which it is divided, the default first.
        variants: what may be chosen of its annotations, the default first.
    """

    title: str
    task: str
    layout: str
    splits: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    source: str = ""


METRICS = {
    "retrieval": "R@1, 5, 10, MeanR, MedR, mAP10, both directions",
    "classification": "F1, accuracy",
    "tagging": "ROC-AUC, PR-AUC",
    "ranking": "nDCG@5, @10, @100",
}

FORMATS: dict[str, Format] = {
    "musiccaps": Format(
        "MusicCaps",
        "retrieval",
        "`metadata.jsonl` of `kobza musiccaps download`, or the official `musiccaps-public.csv`, and the clips under "
        "any of the usual names: `YTID.wav`, `YTID_30_40.wav`, `[YTID]-[30-40].wav`, at any depth",
        ("test", "eval", "validation", "train"),
        source="arXiv:2301.11325; the splits are Kobza's",
    ),
    "song_describer": Format(
        "Song Describer",
        "retrieval",
        "`song_describer.csv`, `audio/00/ID.2min.mp3`; split as `pairs`",
        ("all", *OFFICIAL),
        ("all", "valid"),
        source="arXiv:2311.10057",
    ),
    "clotho": Format(
        "Clotho",
        "retrieval",
        "`clotho_captions_development.csv`, `..._validation.csv`, `..._evaluation.csv`; `development/`, `validation/`, "
        "`evaluation/`, at any depth",
        ("test", "validation", "train"),
        source="ICASSP 2020",
    ),
    "audiocaps": Format(
        "AudioCaps",
        "retrieval",
        "`train.csv`, `val.csv`, `test.csv`; the clips as MusicCaps', or `AUDIOCAP_ID.wav`",
        ("test", "validation", "train"),
        source="NAACL 2019",
    ),
    "gtzan": Format(
        "GTZAN",
        "classification",
        "`blues/blues.00000.wav` ... `rock/rock.00099.wav` (or `.au`); a split is the fault-filtered list "
        "`train_filtered.txt`, `valid_filtered.txt` or `test_filtered.txt` in the folder, or torchaudio's copy; "
        "`@FILE` takes any list",
        ("all", *OFFICIAL),
        source="Tzanetakis and Cook, 2002; Kereliuk et al., 2015",
    ),
    "magnatagatune": Format(
        "MagnaTagATune",
        "tagging",
        "`annotations_final.csv`, `0/` ... `f/` (or `mp3/0/` ...). Splits: folders 0-b, c, d-f (12:1:3); those of "
        "`gt` are the lists `train_gt_mtt.tsv`, `val_gt_mtt.tsv`, `test_gt_mtt.tsv`",
        ("all", *OFFICIAL),
        ("50", "188", "gt"),
        source="Law et al., 2009; van den Oord et al., 2014; Pons et al., arXiv:1711.02520",
    ),
    "mtg_jamendo": Format(
        "MTG-Jamendo",
        "tagging",
        "`autotagging-test.tsv`, `autotagging_genre-test.tsv` ... of split 0, as in the repository; `87/4887.mp3` or "
        "`87/4887.low.mp3`, at any depth",
        ("test", "validation", "train"),
        ("all", "genre", "instrument", "moodtheme", "top50tags"),
        source="Bogdanov et al., 2019",
    ),
    "openmic": Format(
        "OpenMIC-2018",
        "tagging",
        "`openmic-2018-aggregated-labels.csv`, `partitions/split01_train.csv`, `split01_test.csv`, "
        "`audio/000/000046_3840.ogg`; a tenth of the train split validates",
        ("test", "validation", "train"),
        source="Humphrey et al., 2018",
    ),
    "nsynth": Format(
        "NSynth",
        "classification",
        "`nsynth-train/`, `nsynth-valid/`, `nsynth-test/` with `examples.json` and `audio/`",
        ("test", "validation", "train"),
        ("family", "source", "pitch"),
        source="Engel et al., 2017",
    ),
    "pairs": Format(
        "Your own pairs",
        "retrieval",
        "`metadata.jsonl` or `.csv`: `file_name`, `caption`; split as `classes`, also in training",
        ("all", *OFFICIAL),
    ),
    "classes": Format(
        "Your own classes",
        "classification",
        "a folder of recordings for each class; a tenth validates and another tests, by file name",
        ("all", *OFFICIAL),
    ),
    "tags": Format(
        "Your own tags",
        "tagging",
        "`metadata.jsonl` or `.csv`: `file_name`, `tags`; split as `classes`",
        ("all", *OFFICIAL),
    ),
    "judged": Format(
        "Your own judgments",
        "ranking",
        "`judgments.csv`: `query`, `recording`, `grade`; or BEIR's `queries.jsonl` and `qrels/test.tsv`, the form of "
        "IncompeBench; all recordings that are searched",
    ),
}


def parse_part(name: str, part: str | None) -> tuple[str, str]:
    """The variant and the split that a part names, with the defaults where it names none; "" where there are none.

    >>> parse_part("magnatagatune", "188-test"), parse_part("magnatagatune", None), parse_part("musiccaps", "eval")
    (('188', 'test'), ('50', 'all'), ('', 'eval'))

    Raises:
        DataSetError: the set has no such part.
    """
    known = FORMATS[name]
    variant = known.variants[0] if known.variants else ""
    split = known.splits[0] if known.splits else ""
    for word in part.split("-") if part else ():
        if word in known.variants:
            variant = word
        elif word in known.splits:
            split = word
        elif not part_names(name):
            raise DataSetError(f"{known.title}: {name}:DIR has no part {part!r}; leave '@{part}' out.")
        else:
            raise DataSetError(f"{known.title} has no part {part!r}: choose one of {part_names(name)}.")
    return variant, split


def part_names(name: str) -> str:
    """The parts that may be asked for, in words.

    >>> part_names("gtzan"), part_names("magnatagatune"), part_names("judged")
    ('all, train, validation, test', '50, 188, gt, all, train, validation, test, or both as in 50-all', '')
    """
    known = FORMATS[name]
    both = [f"or both as in {known.variants[0]}-{known.splits[0]}"] if known.variants and known.splits else []
    return ", ".join([*known.variants, *known.splits, *both])


def part_help() -> str:
    """The sets and their parts in one line, for `--help`."""

    def one(name: str) -> str:
        parts = [*FORMATS[name].variants, *FORMATS[name].splits]
        return f"{name} ({', '.join('@' + part for part in parts)})" if parts else name

    return "; ".join(one(name) for name in FORMATS)


def markdown_table() -> str:
    """The table of docs/research.md."""
    lines = ["| set | its folder | parts, the default first | measured |", "|---|---|---|---|"]
    for name, known in FORMATS.items():
        choices = [", ".join(f"`{part}`" for part in parts) for parts in (known.variants, known.splits) if parts]
        source = f" ({known.source})" if known.source else ""
        about = f"`{name}`: {known.title}{source}"
        lines.append(f"| {about} | {known.layout} | {' - '.join(choices) or 'none'} | {METRICS[known.task]} |")
    return "\n".join(lines) + "\n"
