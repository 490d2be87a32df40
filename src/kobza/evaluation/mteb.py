"""Adapter that makes any embedder a model of `mteb`, for its tasks with audio (`pip install kobza[mteb]`):

    import mteb
    from kobza.evaluation.mteb import MtebEncoder

    tasks = mteb.get_tasks(tasks=["MusicCapsT2ARetrieval", "MusicCapsA2TRetrieval"])
    mteb.evaluate(MtebEncoder("kobza/kobza-mini"), tasks)

A checkpoint that is open in sentence-transformers goes through mteb's own wrapper:

    mteb.evaluate(sentence_transformer_encoder(SentenceTransformer("kobza/kobza-mini", trust_remote_code=True)), tasks)

`MtebEncoder` decodes a recording with PyAV (torchcodec is not needed), cuts it into windows and takes the normalized
mean of their vectors, as everywhere in Kobza. Sentences are embedded without a prompt.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

try:
    from datasets import Audio
    from mteb.models import ModelMeta
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ScoringFunction
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
except ImportError as error:
    raise ImportError(f"The adapter for mteb needs mteb ({error}): pip install 'kobza[mteb]'.") from error

from kobza.audio import decode
from kobza.embedding.embedder import Embedder, cut_windows, normalized_mean
from kobza.embedding.loader import load_torch_embedder
from kobza.model.audio_inputs_kobza import to_mono


class MtebEncoder(AbsEncoder):
    """mteb's encoder protocol over an embedder (see `kobza.embedding.loader.load_torch_embedder`).

    Args:
        model_name: a checkpoint's folder or Hub id, LAION's .pt file, a registered name, or an `Embedder`.
        revision: not used; mteb records the embedder's fingerprint as the revision.
        device: "cpu", "cuda", ...; by default a GPU if there is one.
    """

    def __init__(
        self, model_name: str | Embedder, revision: str | None = None, *, device: str | None = None, **kwargs: Any
    ):
        self.embedder: Embedder = load_torch_embedder(model_name, device) if isinstance(model_name, str) else model_name
        self.mteb_model_meta = model_meta(self.embedder)

    def encode(self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, **kwargs) -> np.ndarray:
        """Embed the rows of mteb's loader -> (rows, dim) float32, of unit length.

        A row is a sentence (`text`) or a recording (`audio`: an array with its sampling rate, or a file's bytes or
        path).

        Raises:
            ValueError: rows have neither of the two, or both.
        """
        rows = inputs.dataset
        kinds = [kind for kind in ("text", "audio") if kind in rows.features]
        if len(kinds) != 1:
            raise ValueError(
                f"{task_metadata.name} has rows with {' and '.join(rows.features)}: Kobza embeds either a text or an "
                "audio column; choose another task."
            )
        if kinds == ["text"]:
            return self.embedder.embed_text(rows["text"][:])
        if isinstance(rows.features["audio"], Audio):
            rows = rows.cast_column("audio", Audio(decode=False))
        empty = np.empty((0, self.embedder.dim), dtype=np.float32)
        return np.vstack([empty, *(embed_item(self.embedder, row["audio"]) for row in rows)])


def sentence_transformer_encoder(model) -> SentenceTransformerEncoderWrapper:
    """mteb's own encoder of a `SentenceTransformer`, with the modalities that the model declares.

    `mteb.evaluate(model, tasks)` wraps the model in the same way but notes text as its only modality, as for every
    `SentenceTransformer`, and refuses tasks with audio (mteb 2.26); for tasks with text alone it needs no help.
    """
    encoder = SentenceTransformerEncoderWrapper(model)
    encoder.mteb_model_meta = encoder.mteb_model_meta.model_copy(update={"modalities": sorted(model.modalities)})
    return encoder


def embed_item(embedder: Embedder, item: dict) -> np.ndarray:
    """Embed a recording in the form of mteb and `datasets` -> (dim,), of unit length."""
    rate = embedder.sampling_rate
    if "array" in item:
        chunks: Iterator[np.ndarray] = iter([to_mono(np.asarray(item["array"]), item["sampling_rate"], rate).numpy()])
    else:
        chunks = decode(item["bytes"] or item["path"], rate)
    windows = [samples for _, samples in cut_windows(embedder, chunks)]
    windows = windows or [np.zeros(round(embedder.window_seconds * rate), np.float32)]  # mteb wants a vector of each
    return normalized_mean(embedder.embed_windows(windows))


def model_meta(embedder: Embedder) -> ModelMeta:
    """What mteb records about a model beside its results; None for what Kobza does not know."""
    owner_and_name = re.findall(r"[\w.-]+", embedder.name)[-2:]
    if len(owner_and_name) < 2:
        owner_and_name = ["kobza", *owner_and_name]
    model = getattr(embedder, "model", None)
    parameters = list(model.parameters()) if isinstance(model, torch.nn.Module) else []
    return ModelMeta(
        # mteb's protocol names its positional arguments; `MtebEncoder` satisfies it at run time (a test says so)
        loader=MtebEncoder,  # type: ignore[arg-type]
        name="/".join(owner_and_name),
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
        similarity_fn_name=ScoringFunction.COSINE,
        use_instructions=False,
        training_datasets=None,
        modalities=["audio", "text"],
    )
