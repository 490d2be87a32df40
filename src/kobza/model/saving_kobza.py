"""What a saved folder holds besides weights and settings: all published files, and the entries that point to them.

When transformers loads a class from a folder (into its cache of remote code) or saves an object, it copies the file of
the class and, recursively, every sibling that it imports. It finds the imports by parsing the text, so those below need
not run; they are here because `configuration_kobza`, and with it the model, imports this file.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .modeling_kobza import KobzaModel  # noqa: F401
    from .pipeline_kobza import KobzaEmbeddingPipeline, KobzaRetrievalPipeline  # noqa: F401
    from .processing_kobza import KobzaProcessor  # noqa: F401
    from .sentence_kobza import SentenceKobza  # noqa: F401

# config.json's `custom_pipelines`, where transformers' `pipeline` looks up tasks
PIPELINES = {
    "music-feature-extraction": {
        "impl": "pipeline_kobza.KobzaEmbeddingPipeline",
        "pt": ["AutoModel"],
        "type": "audio",
    },
    "text-to-music-retrieval": {
        "impl": "pipeline_kobza.KobzaRetrievalPipeline",
        "pt": ["AutoModel"],
        "type": "multimodal",
    },
}
# modules.json, where sentence-transformers looks up its module
SENTENCE_TRANSFORMERS = [{"idx": 0, "name": "0", "path": "", "type": "sentence_kobza.SentenceKobza"}]


def save_modules_json(folder: str | os.PathLike) -> None:
    """Write modules.json, by which sentence-transformers opens the folder."""
    content = json.dumps(SENTENCE_TRANSFORMERS, indent=2, sort_keys=True) + "\n"
    (Path(folder) / "modules.json").write_text(content, encoding="utf-8")
