"""Which published system a result is of, and in what it differs from it.

A run is what its record of training says (`kobza.embedding.training_record`), whatever its folder is called. Results
without a record are known by the model's name alone, and stand in no row of the thesis but that of the weights of
others (CLAP), if their towers have the right sizes.
"""

import re
from collections.abc import Sequence
from typing import Any

from kobza.evaluation.overlap import overlap_words
from kobza.evaluation.results import DATASET_TITLES
from kobza.evaluation.thesis_results import Row, Table

SMALLEST_SHARE = 0.5  # of a row's recordings; MusicCaps loses videos every year, and no copy is complete
NOT_RECORDED = "its receipt has no record of how these weights were trained"
NO_ROW = "none of this table's models"


def slug(name: str) -> str:
    """A name without case, folders and the ending .pt, for comparison.

    >>> slug("CLAP Music"), slug("me/clap-music.pt")
    ('clap_music', 'clap_music')
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower().split("/")[-1].removesuffix(".pt")).strip("_")


def is_system(row: Row, result: dict) -> bool:
    """Whether a result is, by its record or, where it has none, by its model's name, one of the row's system."""
    record = result.get("training")
    if record:
        return row.system == record["recipe"]
    names = (row.system, row.name, str(row.settings.get("weights", row.system)))
    return slug(result["model"]) in {slug(name) for name in names}


def differences(table: Table, row: Row, result: dict, gallery: int | None = None) -> list[str]:
    """In what a measured result is not what a row says; empty if it may stand beside it.

    Args:
        result: one of the row's system, by `is_system`. gallery: the number of recordings searched, in retrieval.
    """
    record = result.get("training")
    is_recipe = "weights" not in row.settings
    found = []
    if is_recipe and not record:
        found.append(NOT_RECORDED)
    if is_recipe and record:
        found += _training_differences(row, record)
    found += _tower_differences(row, result, record)
    overlap = result.get("overlap") or {}
    if overlap.get("share"):
        found.append(f"of the recordings that it is measured on {overlap_words(overlap)}")
    measured = gallery or result["used"]
    if measured < SMALLEST_SHARE * table.recordings:
        found.append(f"measured on {measured:,} recordings, less than half of {table.recordings:,}")
    return found


def _training_differences(row: Row, record: dict) -> list[str]:
    found = []
    changed = record["changed"]
    if changed:
        found.append("not the recipe as it is: " + ", ".join(f"{name} {value}" for name, value in changed.items()))
    data = record["data"]
    wanted = row.trained
    if wanted and (data["name"], data["split"]) != (wanted["dataset"], wanted["split"]):
        title = DATASET_TITLES.get(wanted["dataset"], wanted["dataset"])
        found.append(f"trained on {data['name']} ({data['split']}), not on {title} ({wanted['split']})")
    trained = data["recordings"].get("train", 0)
    if wanted and trained < SMALLEST_SHARE * wanted["recordings"]:
        found.append(f"trained on {trained:,} recordings, less than half of {wanted['recordings']:,}")
    if record["ended"] == "max_steps" and "max_steps" not in changed:
        found.append(f"ended after {record['steps']:,} steps, as it was told to")
    return found


def _tower_differences(row: Row, result: dict, record: dict | None) -> list[str]:
    """By the size of each tower in the weights and, of Kobza's own runs, by the recorded name."""
    found = []
    sizes = result.get("towers") or {}
    for tower, wanted in row.towers.items():
        recorded = record["towers"][tower]["name"] if record else None
        has_name = recorded is None or slug(recorded) == slug(wanted["name"])
        if not has_name or sizes.get(tower) != wanted["parameters"]:
            what = f"{recorded or 'of'} {millions(sizes.get(tower))}"
            found.append(f"{tower} tower {what}, not {wanted['name']} {millions(wanted['parameters'])}")
    return found


def millions(parameters: int | None) -> str:
    """A number of parameters, for people.

    >>> millions(86_187_264), millions(242_688), millions(None)
    ('86.2 M', '0.24 M', 'unknown size')
    """
    if parameters is None:
        return "unknown size"
    return f"{parameters / 1e6:.1f} M" if parameters >= 1e6 else f"{parameters / 1e6:.2f} M"


def why_not(tables: Sequence[Table], table: Table, result: dict, gallery: int | None = None) -> list[str]:
    """Why a result stands in none of a table's rows: [] if it does, or if its row is in another table."""
    rows = [row for row in table.rows if is_system(row, result)]
    if rows:
        return differences(table, rows[0], result, gallery)
    elsewhere = any(is_system(row, result) for other in tables for row in other.rows)
    return [] if elsewhere else [NO_ROW]


def training_summary(result: dict) -> dict[str, Any]:
    """What a receipt says of the training, in the words of a table: recipe, towers, data, steps, seed."""
    record = result.get("training")
    sizes = result.get("towers") or {}
    if not record:
        towers = {tower: millions(sizes[tower]) if tower in sizes else None for tower in ("text", "audio")}
        return {"recipe": None, **towers, "data": None, "steps": None, "seed": None}
    towers = {}
    for tower, about in record["towers"].items():
        revision = f" @{about['revision'][:8]}" if about.get("revision") else ""
        towers[tower] = f"{about['name']}{revision}, {millions(about['parameters'])}"
    changed = ", ".join(f"{name} {value}" for name, value in record["changed"].items())
    data = record["data"]
    recordings = data["recordings"].get("train")
    size = f"{recordings:,} recordings" if recordings else "a stream"
    return {
        "recipe": record["recipe"] + (f" with {changed}" if changed else ""),
        **towers,
        "data": f"{data['name']} ({data['split']}), {size}",
        "steps": f"{record['steps']:,} ({record['ended']})",
        "seed": str(record["seed"]),
    }
