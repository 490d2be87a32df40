"""Register Kobza checkpoints with transformers' Auto classes, and Kobza's two tasks with `pipeline`."""

from typing import Any

from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoProcessor
from transformers.pipelines import PIPELINE_REGISTRY

from kobza.model.configuration_kobza import KobzaConfig
from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor
from kobza.model.modeling_kobza import KobzaModel
from kobza.model.pipeline_kobza import KobzaEmbeddingPipeline, KobzaRetrievalPipeline
from kobza.model.processing_kobza import KobzaProcessor


class _RegisteredPipelines:
    """Hides a configuration's `custom_pipelines`: config.json lists its pipelines as remote code, which transformers
    would ask to trust, but where kobza is installed they are registered below. Saving keeps the list."""

    def __get__(self, config: Any, owner: Any = None) -> dict:
        return {}

    def __set__(self, config: Any, value: dict) -> None:
        config.__dict__["custom_pipelines"] = value


KobzaConfig.custom_pipelines = _RegisteredPipelines()  # type: ignore[assignment]  # a descriptor, read as a dict
AutoConfig.register("kobza", KobzaConfig, exist_ok=True)
AutoModel.register(KobzaConfig, KobzaModel, exist_ok=True)
AutoProcessor.register(KobzaConfig, KobzaProcessor, exist_ok=True)
AutoFeatureExtractor.register(KobzaConfig, KobzaFeatureExtractor, exist_ok=True)
PIPELINE_REGISTRY.register_pipeline(
    "text-to-music-retrieval", pipeline_class=KobzaRetrievalPipeline, pt_model=AutoModel, type="multimodal"
)
PIPELINE_REGISTRY.register_pipeline(
    "music-feature-extraction", pipeline_class=KobzaEmbeddingPipeline, pt_model=AutoModel, type="audio"
)
