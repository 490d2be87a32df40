"""Windows to the input of an audio tower by the feature extractor that transformers has for it."""

from collections.abc import Sequence
from functools import lru_cache
from json import dumps, loads
from typing import Any

import numpy as np
import torch
import transformers


@lru_cache(maxsize=8)
def _extractor(settings: str) -> Any:
    values = loads(settings)
    return getattr(transformers, values.pop("feature_extractor_type")).from_dict(values)


def tower_rows(windows: Sequence[Any] | torch.Tensor, settings: dict[str, Any], samples: int) -> torch.Tensor:
    """What an extractor makes of windows.

    Args:
        windows: 1-D arrays or tensors at the extractor's rate, at most `samples` long; shorter ones are padded.
        settings: of the extractor (`to_dict()`), with its class as `feature_extractor_type`.

    Returns:
        (n, ...) float32, on the device of the windows: its `input_values` or `input_features`.
    """
    device = windows[0].device if len(windows) and isinstance(windows[0], torch.Tensor) else None
    waves = [w.cpu().numpy() if isinstance(w, torch.Tensor) else np.asarray(w, dtype=np.float32) for w in windows]
    extractor = _extractor(dumps(settings, sort_keys=True))
    rows = extractor(
        waves,
        sampling_rate=extractor.sampling_rate,
        padding="max_length",
        max_length=samples,
        truncation=True,
        return_tensors="pt",
    )
    name = "input_values" if "input_values" in rows else "input_features"
    return rows[name].float().to(device)
