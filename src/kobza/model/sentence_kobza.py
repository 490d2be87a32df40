"""Kobza as a module of sentence-transformers, which finds this file through modules.json:

    model = SentenceTransformer("kobza/kobza-mini", trust_remote_code=True)
    model.similarity(model.encode(["slow sad piano"]), model.encode(["a.mp3", "b.flac"]))

`SentenceTransformerTrainer` fine-tunes it on a dataset with a column of sentences and one of recordings, with any loss
that compares embeddings. sentence-transformers calls only the methods below of a module, so it is not imported here.
"""

import os
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, AutoProcessor, PreTrainedModel

from .pipeline_kobza import embed_audio, indexed_windows
from .processing_kobza import KobzaProcessor

# A string is a path if it has one of these extensions and the file exists; any other string is a sentence.
EXTENSIONS = (".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wav", ".aif", ".aiff", ".wma")


def is_sentence(item: Any) -> bool:
    return isinstance(item, str) and not (item.lower().endswith(EXTENSIONS) and os.path.isfile(item))


def unwrap(item: Any) -> Any:
    """{"text": item} or {"audio": item}, the forms of sentence-transformers and mteb, -> item; others unchanged.

    >>> unwrap({"text": "slow piano"}), unwrap("slow piano")
    ('slow piano', 'slow piano')
    """
    return next(iter(item.values())) if isinstance(item, dict) and set(item) in ({"text"}, {"audio"}) else item


class SentenceKobza(nn.Module):
    """Sentences, or recordings, -> `sentence_embedding` (n, projection_dim), unit length.

    A recording is a path, bytes, an array at 16 kHz, or {"array": ..., "sampling_rate": ...}. Either may be wrapped as
    {"text": ...} or {"audio": ...}.
    """

    save_in_root = True
    modalities = ("text", "audio")

    def __init__(self, model: PreTrainedModel, processor: KobzaProcessor) -> None:
        super().__init__()
        self.model: Any = model
        self.processor: Any = processor

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
        backend: str = "torch",
        **kwargs: Any,
    ) -> "SentenceKobza":
        """Called by sentence-transformers; the arguments are its own.

        Raises:
            ValueError: a backend other than "torch".
        """
        if backend != "torch":
            raise ValueError(
                f"Kobza runs in sentence-transformers with backend='torch' only, not {backend!r}: for ONNX files run "
                "`kobza export onnx OUT` and open them with onnxruntime or transformers.js."
            )
        options = {
            "cache_dir": cache_folder,
            "token": token,
            "revision": revision,
            "local_files_only": local_files_only,
            "trust_remote_code": trust_remote_code,
        }
        model = AutoModel.from_pretrained(model_name_or_path, **options, **(model_kwargs or {}))
        processor = AutoProcessor.from_pretrained(model_name_or_path, **options, **(processor_kwargs or {}))
        return cls(model, processor)

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        self.model.save_pretrained(output_path)
        self.processor.save_pretrained(output_path)

    @property
    def tokenizer(self) -> Any:
        return self.processor.tokenizer

    @property
    def max_seq_length(self) -> int:
        """The most tokens of a sentence that are used; saved with the tokenizer."""
        return min(self.tokenizer.model_max_length, self._positions)

    @max_seq_length.setter
    def max_seq_length(self, value: int | None) -> None:
        value = self._positions if value is None else value
        if not isinstance(value, int) or not 3 <= value <= self._positions:  # [CLS], a token, [SEP]
            raise ValueError(f"max_seq_length is {value!r}, but must be a whole number from 3 to {self._positions}.")
        self.tokenizer.model_max_length = value

    @property
    def _positions(self) -> int:
        return self.model.config.text_config.max_position_embeddings

    def get_embedding_dimension(self) -> int:
        return self.model.config.projection_dim

    def preprocess(
        self, inputs: list, prompt: str | None = None, max_length: int | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Tokenize sentences, or extract the features of recordings.

        In inference mode, in which `encode` calls this, recordings are passed on under "recordings": `forward` reads
        them window by window, so that long ones fit. Otherwise, as in training, they become tensors that can be split
        along the batch, as losses with a gradient cache do.

        Args:
            inputs: sentences or recordings, not both.
            prompt: put before each sentence.
            max_length: the most tokens of a sentence, instead of `max_seq_length`.

        Returns:
            `input_ids`, `attention_mask` (sentences, length), ...; or "recordings", the list; or `input_values`
            (recordings, windows, max_length, num_mel_bins), zeros after a recording's last window, and `window_counts`
            (recordings,).

        Raises:
            ValueError: both kinds in one batch; outside inference mode also a recording that cannot be read.
        """
        inputs = [unwrap(item) for item in inputs]
        kinds = [is_sentence(item) for item in inputs]
        if all(kinds):
            length = min(max_length or self.max_seq_length, self._positions)
            sentences = [(prompt or "") + item for item in inputs]
            return {**self.tokenizer(sentences, padding=True, truncation=True, max_length=length, return_tensors="pt")}
        if any(kinds):
            raise ValueError(
                f"A batch mixes recordings with {inputs[kinds.index(True)]!r:.80}, which is a sentence or a file that "
                "does not exist: pass sentences and recordings in separate batches, and check the paths."
            )
        if torch.is_inference_mode_enabled():
            return {"recordings": inputs}
        extractor = self.processor.feature_extractor
        windows: list[list[torch.Tensor]] = [[] for _ in inputs]  # of each recording
        for index, window in indexed_windows(inputs, extractor):
            windows[index].append(window)
        features = [extractor.log_mel(rows) for rows in windows]
        counts = torch.tensor([len(rows) for rows in windows])
        return {"input_values": nn.utils.rnn.pad_sequence(features, batch_first=True), "window_counts": counts}

    def forward(self, features: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        if "recordings" in features:
            embeds = embed_audio(self.model, self.processor.feature_extractor, features["recordings"])
        elif "input_values" in features:
            values, counts = features["input_values"], features["window_counts"]
            is_window = torch.arange(values.shape[1], device=counts.device) < counts[:, None]  # (recordings, windows)
            embeds = self.model.get_audio_features(values[is_window], counts).pooler_output
        else:
            tokens = {name: features[name] for name in self.tokenizer.model_input_names if name in features}
            embeds = self.model.get_text_features(**tokens).pooler_output
        return {**features, "sentence_embedding": embeds}
