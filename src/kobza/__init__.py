"""Kobza finds music by describing it: a sentence and a recording in one vector space.

What is named here is imported when first used, because torch and transformers take seconds. The first use of a class of
the model (`from kobza import KobzaModel`) makes transformers' Auto classes know Kobza checkpoints.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .checkpoint import Checkpoint
    from .checkpoint_folder import CheckpointError, default_checkpoint
    from .configuration_kobza import KobzaConfig
    from .feature_extraction_kobza import KobzaFeatureExtractor
    from .library import MusicLibrary
    from .modeling_kobza import KobzaModel, KobzaOutput
    from .pipeline_kobza import KobzaEmbeddingPipeline, KobzaRetrievalPipeline
    from .processing_kobza import KobzaProcessor

__version__ = "0.1.0"
_PUBLISHED = {
    "KobzaConfig": ".configuration_kobza",
    "KobzaEmbeddingPipeline": ".pipeline_kobza",
    "KobzaFeatureExtractor": ".feature_extraction_kobza",
    "KobzaModel": ".modeling_kobza",
    "KobzaOutput": ".modeling_kobza",
    "KobzaProcessor": ".processing_kobza",
    "KobzaRetrievalPipeline": ".pipeline_kobza",
}
_OTHERS = {
    "Checkpoint": ".checkpoint",
    "CheckpointError": ".checkpoint_folder",
    "MusicLibrary": ".library",
    "default_checkpoint": ".checkpoint_folder",
}
__all__ = [
    "Checkpoint",
    "CheckpointError",
    "KobzaConfig",
    "KobzaEmbeddingPipeline",
    "KobzaFeatureExtractor",
    "KobzaModel",
    "KobzaOutput",
    "KobzaProcessor",
    "KobzaRetrievalPipeline",
    "MusicLibrary",
    "default_checkpoint",
]


def __getattr__(name: str):
    if name in _PUBLISHED:
        import_module(".registration", __name__)
    elif name not in _OTHERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module((_PUBLISHED | _OTHERS)[name], __name__), name)
