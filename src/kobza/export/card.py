"""The model card: the template `card.md`, filled in."""

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import ModelCardData

from kobza.embedding.checkpoint import Checkpoint
from kobza.evaluation.model_index import eval_results
from kobza.evaluation.overlap import overlap_words
from kobza.evaluation.results import dataset_key, dataset_title, result_rows

LIMITS = (
    "It understands the language of its training data, which is English unless stated otherwise above.",
    "It is weak on genres, instruments and voices that are rare in its training data.",
    'It represents sound, not meaning: no lyrics, names or dates; "no drums" still finds drums.',
    "It ignores frequencies above half its sampling rate: 8 kHz at the usual 16 kHz.",
)
NO_FIGURES = "None were given; `kobza evaluate` measures them."
NO_SOURCES = "Not stated by its publisher, so its licence terms are unknown."


def model_card(
    repo_id: str,
    summary: str,
    fingerprint: str,
    sources: Sequence[tuple[str, str]] = (),
    receipts: Sequence[dict] = (),
) -> str:
    """A README.md for the Hub.

    Args:
        repo_id: "user/name". summary: what it is, in Markdown. fingerprint: the checkpoint's.
        sources: (training data, its licence).
        receipts: results of `kobza evaluate`, for the table and the `model-index`.

    Raises:
        ValueError: a receipt belongs to another checkpoint.
    """
    for receipt in receipts:
        if receipt["fingerprint"] != fingerprint:
            raise ValueError(
                f"A receipt is of the checkpoint {receipt['fingerprint']}, but this one is {fingerprint}: measure it "
                "with `kobza evaluate`."
            )
    name = repo_id.split("/")[-1]
    metadata = ModelCardData(
        language="en",
        library_name="transformers",
        pipeline_tag="zero-shot-audio-classification",
        tags=["music", "text-to-music-retrieval", "sentence-transformers", "kobza"],
        model_name=name if receipts else None,
        eval_results=eval_results(receipts) or None,
    )
    template = Path(__file__).with_name("card.md").read_text(encoding="utf-8")
    return template.format(
        metadata=metadata.to_yaml(),
        name=name,
        repo_id=repo_id,
        summary=summary,
        figures=figure_table(receipts) or NO_FIGURES,
        sources=_table(("data", "licence"), sources) or NO_SOURCES,
        limits="\n".join(f"- {limit}" for limit in LIMITS),
        fingerprint=fingerprint,
    )


def describe(checkpoint: Checkpoint) -> str:
    """A checkpoint's size and window rule, in a sentence or two."""
    model = checkpoint.model
    config = model.config
    text, audio = (
        sum(weight.numel() for name, weight in model.named_parameters() if name.startswith(tower)) / 1e6
        for tower in ("text_", "audio_")
    )
    return (
        f"Embeds sentences and recordings of music in one space of {checkpoint.dim} dimensions, to search music by "
        f"describing it: two towers with {text + audio:.1f} million weights, text ({config.text_config.model_type}) "
        f"{text:.1f} M and audio ({config.audio_config.model_type}) {audio:.1f} M. It embeds windows of "
        f"{checkpoint.window_seconds:g} s at {checkpoint.sampling_rate:,} Hz. Made with Kobza."
    )


def figure_table(receipts: Sequence[dict]) -> str:
    """A row for each data set and condition: the metrics with their 95 % intervals."""
    rows = []
    for run in (run for receipt in receipts for run in result_rows(receipt)):
        condition = ", ".join(
            part
            for part in (
                run.direction or run.task,
                f"gallery {run.gallery:,}" if run.gallery else "",
                f'prompt "{run.prompt}"' if run.prompt else "",
            )
            if part
        )
        figures = (
            f"{metric} {figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"
            for metric, figure in run.metrics.items()
            if figure["value"] is not None
        )
        seen = overlap_words(run.result.get("overlap"))
        used = f"{run.result['used']} of {run.result['of']}" + (f" ({seen})" if seen else "")
        rows.append((dataset_title(dataset_key(run.result)), used, condition, ", ".join(figures)))
    return _table(("data", "recordings", "task", "metrics, with 95 % intervals"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows] if rows else []
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
