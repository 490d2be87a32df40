"""Kobza finds music by describing it: a sentence and a recording in one vector space.

What is named here is imported when first used, because torch and transformers take seconds. The first use of a class of
the model (`from kobza import KobzaModel`) makes transformers' Auto classes know Kobza checkpoints.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kobza.audio import AudioError
    from kobza.embedding.checkpoint import Checkpoint
    from kobza.embedding.checkpoint_folder import CheckpointError, default_checkpoint
    from kobza.errors import KobzaError
    from kobza.export.upload import PushError
    from kobza.extras import MissingPackageError
    from kobza.library import Hit, LibraryError, Moment, MusicLibrary, Track
    from kobza.model.configuration_kobza import KobzaConfig
    from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor
    from kobza.model.modeling_kobza import KobzaModel, KobzaOutput
    from kobza.model.pipeline_kobza import KobzaEmbeddingPipeline, KobzaRetrievalPipeline
    from kobza.model.processing_kobza import KobzaProcessor

from kobza.extras import needs
from kobza.folders import prepare_environment

prepare_environment()

__version__ = "0.2.0"  # pyproject.toml reads it here
_PUBLISHED = {
    "KobzaConfig": ".model.configuration_kobza",
    "KobzaEmbeddingPipeline": ".model.pipeline_kobza",
    "KobzaFeatureExtractor": ".model.feature_extraction_kobza",
    "KobzaModel": ".model.modeling_kobza",
    "KobzaOutput": ".model.modeling_kobza",
    "KobzaProcessor": ".model.processing_kobza",
    "KobzaRetrievalPipeline": ".model.pipeline_kobza",
}
_TORCH = {"Checkpoint": ".embedding.checkpoint"}
_OTHERS = {
    "AudioError": ".audio",
    "CheckpointError": ".embedding.checkpoint_folder",
    "Hit": ".library",
    "KobzaError": ".errors",
    "LibraryError": ".library",
    "MissingPackageError": ".extras",
    "Moment": ".library",
    "MusicLibrary": ".library",
    "PushError": ".export.upload",
    "Track": ".library",
    "default_checkpoint": ".embedding.checkpoint_folder",
}
__all__ = [
    "AudioError",
    "Checkpoint",
    "CheckpointError",
    "Hit",
    "KobzaConfig",
    "KobzaEmbeddingPipeline",
    "KobzaError",
    "KobzaFeatureExtractor",
    "KobzaModel",
    "KobzaOutput",
    "KobzaProcessor",
    "KobzaRetrievalPipeline",
    "LibraryError",
    "MissingPackageError",
    "Moment",
    "MusicLibrary",
    "PushError",
    "Track",
    "default_checkpoint",
]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def __getattr__(name: str):
    if name in _PUBLISHED:
        with needs(name):
            import_module(".embedding.registration", __name__)
    elif name in _TORCH:
        with needs(name):
            import_module(_TORCH[name], __name__)
    elif name not in _OTHERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module((_PUBLISHED | _TORCH | _OTHERS)[name], __name__), name)
