"""Evaluation results in a model card: the `model-index` that the Hub shows beside a model.

The format is the Hub's (https://github.com/huggingface/hub-docs/blob/main/modelcard.md); huggingface_hub writes it.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard

from kobza.audio import printable
from kobza.embedding.checkpoint_folder import one_line
from kobza.evaluation.metrics import NDCG_AT
from kobza.evaluation.results import DATASET_TITLES

# The Hub's names of data sets; any other set is a local folder.
HUB_DATASETS = {
    "musiccaps": "google/MusicCaps",
    "song_describer": "mulab-mir/song-describer",
    "gtzan": "marsyas/gtzan",
    "magnatagatune": "magnatagatune",
}
RETRIEVAL_TASKS = {  # direction: (the Hub's task type, its title)
    "text -> music": ("text-to-music-retrieval", "Text-to-music retrieval"),
    "music -> text": ("music-to-text-retrieval", "Music-to-text retrieval"),
}
OTHER_TASKS = {
    "zero-shot": ("audio-classification", "Zero-shot music classification"),
    "probe": ("audio-classification", "Music classification by a probe on frozen embeddings"),
}
METRIC_TYPES = {
    "R@1": "recall_at_1",
    "R@5": "recall_at_5",
    "R@10": "recall_at_10",
    "MeanR": "mean_rank",
    "MedR": "median_rank",
    "mAP10": "map_at_10",
    **{f"nDCG@{k}": f"ndcg_at_{k}" for k in NDCG_AT},
    "F1": "f1",
    "accuracy": "accuracy",
    "ROC-AUC": "roc_auc",
    "PR-AUC": "pr_auc",
}


def eval_results(results: Sequence[dict]) -> list[EvalResult]:
    """One `EvalResult` per metric; gallery, prompt, classes and the interval become its metric's arguments.

    Raises:
        ValueError: the results are of more than one model.
    """
    fingerprints = sorted({result["fingerprint"] for result in results})
    if len(fingerprints) > 1:
        raise ValueError(
            f"The results are of {len(fingerprints)} models ({', '.join(fingerprints)}): a card describes one."
        )
    return [_eval_result(result, entry) for result in results for entry in result["figures"] if _is_known(entry)]


def _is_known(entry: dict) -> bool:
    return entry["value"] is not None and not math.isnan(entry["value"])


def _eval_result(result: dict, entry: dict) -> EvalResult:
    dataset = result["dataset"]
    task_type, task_name = RETRIEVAL_TASKS.get(entry["direction"]) or OTHER_TASKS[entry["task"]]
    arguments = {key: entry.get(key) for key in ("gallery", "prompt", "classes", "low", "high")}
    data = {key: result[key] for key in ("data_hash", "used", "of")}
    if (result.get("overlap") or {}).get("share"):
        data["trained_on_share"] = result["overlap"]["share"]
    if entry.get("gallery"):
        condition = f" (gallery {entry['gallery']:,})"
    elif entry.get("prompt"):
        condition = f" ({entry['prompt']})" if entry["task"] == "probe" else f' (prompt "{entry["prompt"]}")'
    else:
        condition = ""
    return EvalResult(
        task_type=task_type,
        task_name=task_name,
        dataset_type=HUB_DATASETS.get(dataset, "audiofolder"),
        dataset_name=DATASET_TITLES.get(dataset, result["folder"]),
        # The Hub distinguishes results by type, configuration and split, so local folders need their name there.
        dataset_config=None if dataset in HUB_DATASETS else result["folder"],
        dataset_split=result.get("split"),
        dataset_args={**data, "fingerprint": result["fingerprint"], "window_seconds": result["windows"]["seconds"]},
        metric_type=METRIC_TYPES[entry["metric"]],
        metric_name=entry["metric"] + condition,
        metric_value=entry["value"],
        metric_args={key: value for key, value in arguments.items() if value is not None},
    )


def write_model_index(readme: Path, model_name: str, results: Sequence[dict]) -> None:
    """Write the results' metrics into the metadata of a model card; its text and its other metadata stay.

    Results that the card already has for the same task, data set and split are replaced, others are kept.

    Raises:
        ValueError: there is no such card, its metadata is not valid, or the results are of more than one model.
    """
    new = eval_results(results)
    if not readme.is_file():
        raise ValueError(f"There is no model card {printable(readme)}: write the README.md first.")
    try:
        card = ModelCard.load(readme)
    except Exception as error:  # from the YAML parser, or from huggingface_hub's validation
        raise ValueError(
            f"The metadata of {printable(readme)} cannot be read ({one_line(error)}): correct the YAML at the top of "
            "the file."
        ) from error
    replaced = {result.unique_identifier for result in new}
    kept = [result for result in card.data.eval_results or [] if result.unique_identifier not in replaced]
    card.data.eval_results = kept + new
    card.data.model_name = model_name
    card.save(readme)
