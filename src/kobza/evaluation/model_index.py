"""Receipts in a model card: measured figures as the `model-index` that the Hub shows beside a model.

The shape is the Hub's (https://github.com/huggingface/hub-docs/blob/main/modelcard.md); huggingface_hub writes it.
"""

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import EvalResult, ModelCard

from kobza.audio import printable
from kobza.evaluation.results import DATASETS

# The Hub's names of data sets; any other set is a folder of somebody's own.
HUB_DATASETS = {"musiccaps": "google/MusicCaps", "gtzan": "marsyas/gtzan", "magnatagatune": "magnatagatune"}
RETRIEVAL = {
    "text -> music": ("text-to-music-retrieval", "Text-to-music retrieval"),
    "music -> text": ("music-to-text-retrieval", "Music-to-text retrieval"),
}
ZERO_SHOT = ("audio-classification", "Zero-shot music classification")
METRICS = {
    "R@1": "recall_at_1",
    "R@5": "recall_at_5",
    "R@10": "recall_at_10",
    "MeanR": "mean_rank",
    "MedR": "median_rank",
    "mAP10": "map_at_10",
    "F1": "f1",
    "accuracy": "accuracy",
    "ROC-AUC": "roc_auc",
    "PR-AUC": "pr_auc",
}


def eval_results(receipts: Sequence[dict]) -> list[EvalResult]:
    """One result a figure; gallery, prompt, classes and the interval are its metric's arguments.

    Raises:
        ValueError: the receipts are of more than one model.
    """
    fingerprints = sorted({receipt["fingerprint"] for receipt in receipts})
    if len(fingerprints) > 1:
        raise ValueError(
            f"The receipts are of {len(fingerprints)} models ({', '.join(fingerprints)}): a card is of one."
        )
    return [_result(receipt, figure) for receipt in receipts for figure in receipt["figures"] if _is_known(figure)]


def _is_known(figure: dict) -> bool:
    return figure["value"] is not None and figure["value"] == figure["value"]


def _result(receipt: dict, figure: dict) -> EvalResult:
    dataset = receipt["dataset"]
    task_type, task_name = RETRIEVAL[figure["direction"]] if figure["task"] == "retrieval" else ZERO_SHOT
    arguments = {key: figure.get(key) for key in ("gallery", "prompt", "classes", "low", "high")}
    data = {key: receipt[key] for key in ("data_hash", "used", "of")}
    if figure.get("gallery"):
        condition = f" (gallery {figure['gallery']:,})"
    else:
        condition = f' (prompt "{figure["prompt"]}")' if figure.get("prompt") else ""
    return EvalResult(
        task_type=task_type,
        task_name=task_name,
        dataset_type=HUB_DATASETS.get(dataset, "audiofolder"),
        dataset_name=DATASETS.get(dataset, receipt["folder"]),
        # results are told apart by type, configuration and split, so folders of one type need their name in it
        dataset_config=None if dataset in HUB_DATASETS else receipt["folder"],
        dataset_split=receipt.get("split"),
        dataset_args={**data, "fingerprint": receipt["fingerprint"], "window_seconds": receipt["windows"]["seconds"]},
        metric_type=METRICS[figure["metric"]],
        metric_name=figure["metric"] + condition,
        metric_value=figure["value"],
        metric_args={key: value for key, value in arguments.items() if value is not None},
    )


def write_model_index(readme: Path, model_name: str, receipts: Sequence[dict]) -> None:
    """Put the receipts' figures into the metadata of a model card; its text and its other metadata stay.

    Results that the card already has on the same task, data set and split are replaced, others are kept.

    Raises:
        ValueError: no such card, metadata that is not YAML's, or receipts of more than one model.
    """
    results = eval_results(receipts)
    if not readme.is_file():
        raise ValueError(f"There is no model card {printable(readme)}: write the README.md first.")
    try:
        card = ModelCard.load(readme)
    except Exception as error:  # of YAML or of the Hub's rules
        reason = " ".join(str(error).split())
        raise ValueError(f"The metadata of {printable(readme)} cannot be read ({reason}): mend its head.") from error
    mine = {result.unique_identifier for result in results}
    kept = [result for result in card.data.eval_results or [] if result.unique_identifier not in mine]
    card.data.eval_results, card.data.model_name = kept + results, model_name
    card.save(readme)
