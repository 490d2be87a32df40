"""Any embedder as a model of `mteb`, for its audio retrieval and zero-shot tasks (`pip install kobza[mteb]`):

    import mteb
    from kobza.evaluation.mteb import MtebEncoder

    tasks = mteb.get_tasks(tasks=["MusicCapsT2ARetrieval", "MusicCapsA2TRetrieval"])
    mteb.evaluate(MtebEncoder("kobza/kobza-mini"), tasks)

A checkpoint that is open in sentence-transformers goes through mteb's own wrapper:

    mteb.evaluate(sentence_transformer_encoder(SentenceTransformer("kobza/kobza-mini", trust_remote_code=True)), tasks)

A recording is embedded by `MtebEncoder` as everywhere in Kobza: decoded with PyAV (torchcodec is not needed), cut into
windows, and the mean of the windows taken. No sentence gets a prompt.
"""

import re
from typing import Any

import numpy as np
import torch
from torchaudio.functional import resample

try:
    from datasets import Audio
    from mteb.models import ModelMeta
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
except ImportError as error:
    raise ImportError(f"The adapter for mteb needs mteb ({error}): pip install 'kobza[mteb]'.") from error

from kobza.audio import decode, windows
from kobza.embedding.loader import load_embedder


class MtebEncoder(AbsEncoder):
    """mteb's encoder protocol over an embedder (see `kobza.embedding.embedder.load_embedder`).

    Args:
        model_name: a checkpoint's folder or Hub id, or LAION's .pt file.
        revision: not used: an embedder's fingerprint is the revision that mteb notes with its results.
        device: "cpu", "cuda", ...; by default a GPU if there is one.
    """

    def __init__(self, model_name: str, revision: str | None = None, *, device: str | None = None, **kwargs: Any):
        self.model = load_embedder(model_name, device)
        self.mteb_model_meta = model_meta(self.model)

    def encode(self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, **kwargs) -> np.ndarray:
        """The rows of mteb's loader -> (rows, dim) float32, of unit length.

        A row is a sentence (`text`) or a recording (`audio`: an array with its sampling rate, or a file's bytes or
        path).

        Raises:
            ValueError: rows with neither, or with both, which Kobza has no vector for.
        """
        rows = inputs.dataset
        kinds = [kind for kind in ("text", "audio") if kind in rows.features]
        if len(kinds) != 1:
            raise ValueError(
                f"{task_metadata.name} gives rows with {' and '.join(rows.features)}: Kobza embeds either a text or an "
                "audio column; choose another task."
            )
        if kinds == ["text"]:
            return self.model.embed_text(rows["text"][:])
        if isinstance(rows.features["audio"], Audio):
            rows = rows.cast_column("audio", Audio(decode=False))
        parts = [np.empty((0, self.model.dim), dtype=np.float32)]
        return np.vstack([*parts, *(embed_item(self.model, row["audio"]) for row in rows)])


def sentence_transformer_encoder(model) -> SentenceTransformerEncoderWrapper:
    """mteb's own encoder of a `SentenceTransformer`, with the modalities that the model says it has.

    `mteb.evaluate(model, tasks)` makes the same of it but notes text only, as of every `SentenceTransformer`, and
    refuses tasks with audio (mteb 2.26); tasks with text alone it takes without this.
    """
    encoder = SentenceTransformerEncoderWrapper(model)
    encoder.mteb_model_meta = encoder.mteb_model_meta.model_copy(update={"modalities": sorted(model.modalities)})
    return encoder


def embed_item(embedder, item: dict) -> np.ndarray:
    """One recording as mteb and `datasets` hold it -> (dim,), of unit length."""
    rate = embedder.sampling_rate
    if "array" in item:
        wave = torch.as_tensor(np.asarray(item["array"], dtype=np.float32))  # (samples,) or (channels, samples)
        wave = wave.mean(dim=0) if wave.ndim > 1 else wave
        chunks = [resample(wave, int(item["sampling_rate"]), rate).numpy()]
    else:
        chunks = decode(item["bytes"] or item["path"], rate)
    cut = windows(chunks, rate, embedder.window_seconds, embedder.min_window_seconds)
    mean = embedder.embed_windows([samples for _, samples in cut]).mean(axis=0)
    return mean / np.linalg.norm(mean)


def model_meta(embedder) -> ModelMeta:
    """What mteb notes of a model beside its results; what it could only guess is None."""
    owner_and_name = re.findall(r"[\w.-]+", embedder.name)[-2:]
    parameters = getattr(embedder.model, "parameters", list)()
    return ModelMeta(
        loader=MtebEncoder,
        name="/".join(owner_and_name if len(owner_and_name) == 2 else ["kobza", *owner_and_name]),
        revision=embedder.fingerprint,
        release_date=None,
        languages=["eng-Latn"],
        n_parameters=sum(parameter.numel() for parameter in parameters),
        memory_usage_mb=None,
        max_tokens=None,
        embed_dim=embedder.dim,
        license=None,
        open_weights=True,
        public_training_code=None,
        public_training_data=None,
        framework=["PyTorch", "Transformers"],
        similarity_fn_name="cosine",
        use_instructions=False,
        training_datasets=None,
        modalities=["audio", "text"],
    )
