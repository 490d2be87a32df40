"""Evaluation results with invented values, for tests of what is done with results."""

from kobza.evaluation.thesis_results import published_tables

ROWS = {row.system: row for table in published_tables() for row in table.rows}
RETRIEVAL = ("R@1", "R@5", "R@10", "MeanR", "MedR", "mAP10")
GENRE_PROMPTS = ("The {} song", "this is a music of {}", "this is a sound of {}", "{}")
TAG_PROMPTS = ("{}", "song with this feature: {}", "The {} song")


def entry(task, metric, value, **conditions):
    base = {"task": task, "direction": None, "prompt": None, "gallery": None, "classes": None}
    return {**base, **conditions, "metric": metric, "value": value, "low": value * 0.75, "high": value * 1.25}


def result(dataset, model="kobza-mini", entries=(), details=None, **changes):
    made = {
        "dataset": dataset,
        "split": "test" if dataset == "musiccaps" else None,
        "folder": dataset,
        "data_hash": "0123456789abcdef" * 4,
        "used": 3,
        "of": 4,
        "skipped": [{"file": "jazz.00054.wav", "reason": "it is damaged"}],
        "model": model,
        "fingerprint": "f" * 12 + f"{sum(model.encode()) % 10000:04d}",
        "windows": {"seconds": 10.0, "min_seconds": 1.0},
        "prompts": [],
        "seed": 0,
        "bootstrap": 1000,
        "versions": {"kobza": "0.1.0", "torch": "2.11.0", "transformers": "5.23.0", "av": "18.0", "numpy": "2.4.6"},
        "figures": list(entries),
        "details": details or {},
    }
    return {**made, **changes}


def run_of(system, **changes):
    """The parts of a result that say that it is of a published system, as `training.json` and the weights give them."""
    row = ROWS[system]
    sizes = {tower: about["parameters"] for tower, about in row.towers.items()}
    enough = {"used": 30_000, "of": 30_001}
    if not row.trained and not row.published_only:
        return {"model": system, "towers": sizes, **enough}
    data = row.trained or {"dataset": "pairs", "split": "own pairs", "recordings": 90}
    record = {
        "recipe": system,
        "changed": {},
        "init": "pretrained",
        "towers": {tower: {"revision": None, **about} for tower, about in row.towers.items()},
        "data": {"name": data["dataset"], "split": data["split"], "recordings": {"train": data["recordings"]}},
        "seed": 7,
        "steps": 2400,
        "ended": "early stopping",
    }
    return {"model": f"my-{system}", "towers": sizes, "training": {**record, **changes}, **enough}


def retrieval_result(dataset="musiccaps", model="kobza-mini", galleries=(2, 3), **changes):
    """Text -> music values are 0.1, 0.2, ... per metric, plus a thousandth of the gallery; the other way 0.5 more."""
    entries = [
        entry("retrieval", metric, (i + 1) / 10 + gallery / 1000 + extra, direction=direction, gallery=gallery)
        for direction, extra in (("text -> music", 0.0), ("music -> text", 0.5))
        for gallery in galleries
        for i, metric in enumerate(RETRIEVAL)
    ]
    details = {"ranks": {"text -> music": [0, 2, 1], "music -> text": [1, 0, 0]}}
    return result(dataset, model, entries, details, **changes)


def genre_result(dataset="gtzan", model="kobza-mini", **changes):
    """F1 is 0.1, 0.2, 0.3, 0.4 for the four prompts; the second prompt gets the most labels right."""
    entries = []
    for i, prompt in enumerate(GENRE_PROMPTS):
        entries.append(entry("zero-shot", "F1", (i + 1) / 10, prompt=prompt, classes=2))
        entries.append(entry("zero-shot", "accuracy", (i + 1) / 10 + 0.05, prompt=prompt, classes=2))
    wrong, right = [[0, 2], [1, 0]], [[2, 0], [0, 1]]
    confusion = {prompt: right if i == 1 else wrong for i, prompt in enumerate(GENRE_PROMPTS)}
    return result(dataset, model, entries, {"labels": ["blues", "rock"], "confusion": confusion}, **changes)


def tag_result(model="kobza-mini", **changes):
    """ROC-AUC is 0.6, 0.7, 0.8 for the three prompts; a tag has no AUC."""
    entries = [
        entry("zero-shot", metric, (i + 6) / 10 - less, prompt=prompt, classes=3)
        for i, prompt in enumerate(TAG_PROMPTS)
        for metric, less in (("ROC-AUC", 0), ("PR-AUC", 0.4))
    ]
    details = {
        "tags": ["guitar", "no voice", "piano"],
        "auc": {prompt: [0.5 + i / 10, None, 0.3] for i, prompt in enumerate(TAG_PROMPTS)},
    }
    return result("magnatagatune", model, entries, details, split="50", **changes)
