"""Steps that loading any pretrained model has in common."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from transformers.utils import logging

from kobza.embedding.checkpoint_folder import CheckpointError, one_line


@contextlib.contextmanager
def without_progress_bars() -> Iterator[None]:
    """Switch transformers' progress bars off: a small model loads too fast for them to be of use."""
    were_enabled = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if were_enabled:
            logging.enable_progress_bar()


def refuse_incomplete(report: dict[str, Any], name: str, ignored: frozenset[str] = frozenset()) -> None:
    """Raise a CheckpointError if weights are missing or misshapen.

    Args:
        report: of `from_pretrained(output_loading_info=True)`.
        name: of the checkpoint. ignored: weights that may be missing.
    """
    missing = sorted(report["missing_keys"] - ignored) + sorted(str(key[0]) for key in report["mismatched_keys"])
    if missing:
        raise CheckpointError(
            f"{name} lacks {len(missing)} of the model's weights, such as {missing[0]}: fetch it again."
        )


def to_device(model: torch.nn.Module, device: str | None) -> torch.nn.Module:
    """The model on `device`; by default on a GPU if there is one.

    Raises:
        CheckpointError: the device cannot be used.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise CheckpointError(f"The device {device!r} cannot be used ({one_line(error)}): try 'cpu'.") from error
