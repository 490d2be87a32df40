"""The model for sentence-transformers, which finds this file through modules.json:

    model = SentenceTransformer("kobza/kobza-mini", trust_remote_code=True)
    model.similarity(model.encode(["slow sad piano"]), model.encode(["a.mp3", "b.flac"]))

sentence-transformers asks of a module only the methods below, so nothing of it is imported.
"""

import os

from torch import nn
from transformers import AutoModel, AutoProcessor

from .pipeline_kobza import embed_recordings

# A string is the path of a recording if it ends like one and the file is there; any other is a sentence.
EXTENSIONS = (".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wav", ".aif", ".aiff", ".wma")


def is_sentence(item) -> bool:
    return isinstance(item, str) and not (item.lower().endswith(EXTENSIONS) and os.path.isfile(item))


class SentenceKobza(nn.Module):
    """Sentences, or recordings, to `sentence_embedding` (n, projection_dim), of unit length.

    A recording is a path, bytes, an array at 16 kHz, or {"array": ..., "sampling_rate": ...}.
    """

    save_in_root = True
    modalities = ("text", "audio")

    def __init__(self, model, processor):
        super().__init__()
        self.model, self.processor = model, processor

    @classmethod
    def load(
        cls,
        model_name_or_path: str,
        subfolder: str = "",
        cache_folder: str | None = None,
        model_kwargs: dict | None = None,
        processor_kwargs: dict | None = None,
        token: bool | str | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
        trust_remote_code: bool = False,
        **kwargs,
    ) -> "SentenceKobza":
        """What sentence-transformers calls; the arguments are its own."""
        where = {
            "cache_dir": cache_folder,
            "token": token,
            "revision": revision,
            "local_files_only": local_files_only,
            "trust_remote_code": trust_remote_code,
        }
        model = AutoModel.from_pretrained(model_name_or_path, **where, **(model_kwargs or {}))
        return cls(model, AutoProcessor.from_pretrained(model_name_or_path, **where, **(processor_kwargs or {})))

    def save(self, output_path: str, *args, **kwargs) -> None:
        self.model.save_pretrained(output_path)
        self.processor.save_pretrained(output_path)

    @property
    def tokenizer(self):
        return self.processor.tokenizer

    def get_embedding_dimension(self) -> int:
        return self.model.config.projection_dim

    def preprocess(self, inputs: list, prompt: str | None = None, **kwargs) -> dict:
        """Tokens of sentences; recordings go on as they are, because `forward` reads them window by window."""
        if all(is_sentence(item) for item in inputs):
            return {**self.processor(text=[(prompt or "") + item for item in inputs])}
        return {"recordings": inputs}

    def forward(self, features: dict, **kwargs) -> dict:
        if "recordings" in features:
            embeds = embed_recordings(self.model, self.processor.feature_extractor, features["recordings"])
        else:
            embeds = self.model.get_text_features(**features).pooler_output
        return {**features, "sentence_embedding": embeds}
