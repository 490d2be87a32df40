"""Make transformers' Auto classes know Kobza checkpoints, and `pipeline` its own two tasks."""

from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoProcessor
from transformers.pipelines import PIPELINE_REGISTRY

from kobza.model.configuration_kobza import KobzaConfig
from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor
from kobza.model.modeling_kobza import KobzaModel
from kobza.model.pipeline_kobza import KobzaEmbeddingPipeline, KobzaRetrievalPipeline
from kobza.model.processing_kobza import KobzaProcessor


class _KnownPipelines:
    """A checkpoint's config.json lists its own pipelines, as code to be trusted. Where kobza is installed these
    are registered below, so the list reads as empty here and nothing has to be trusted; saving keeps it."""

    def __get__(self, config, owner=None):
        return {}

    def __set__(self, config, value):
        config.__dict__["custom_pipelines"] = value


KobzaConfig.custom_pipelines = _KnownPipelines()
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
