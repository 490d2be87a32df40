"""Two tasks for `transformers.pipeline`: "text-to-music-retrieval" ranks recordings by how well they fit a sentence,
"music-feature-extraction" embeds recordings.

A recording is anything that `audio_inputs_kobza` reads: a path, the bytes of a file, {"array": ..., "sampling_rate":
...}, what `datasets` gives (an AudioDecoder, or {"path": ..., "bytes": ...}), or an array at the model's sampling rate
(16 kHz). A file is read as a stream and embedded a few windows at a time, so that a long one needs hardly more memory
than a short one.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from transformers import Pipeline

from .audio_inputs_kobza import as_batch, has_sampling_rate, path_of, read_samples
from .feature_extraction_kobza import KobzaFeatureExtractor
from .heads_kobza import mean_over_windows
from .processing_kobza import MAX_TOKENS, KobzaProcessor
from .silence_kobza import windows_with_sound

WINDOWS_PER_BATCH = 16


def stream_windows(recording: Any, extractor: KobzaFeatureExtractor) -> Iterator[torch.Tensor]:
    """The windows of any recording, one after the other; the same as those of `extractor.split`."""
    least = max(round(extractor.min_window_seconds * extractor.sampling_rate), extractor.frame_length)
    pending = cut_windows(recording, extractor, least)
    first = next(pending)
    is_silent = True
    for window in windows_with_sound(itertools.chain([first], pending), extractor.sampling_rate, least):
        if window is not None:
            is_silent = False
            yield window
    if is_silent:
        yield first


def cut_windows(recording: Any, extractor: KobzaFeatureExtractor, least: int) -> Iterator[torch.Tensor]:
    """All windows of a recording, silent ones too; a last one of fewer than `least` samples only if it is the only one.

    Raises:
        ValueError: the recording is shorter than a frame.
    """
    size = round(extractor.window_seconds * extractor.sampling_rate)
    pending = torch.empty(0)
    is_first = True
    rate = None if has_sampling_rate(recording) else extractor.sampling_rate
    for piece in read_samples(recording, extractor.sampling_rate, rate):
        pending = torch.cat([pending.to(piece.device), piece])
        whole = len(pending) - len(pending) % size
        for window in pending[:whole].split(size) if whole else ():
            yield window
            is_first = False
        pending = pending[whole:]
    if is_first and len(pending) < extractor.frame_length:
        raise ValueError(f"its {len(pending)} samples at {extractor.sampling_rate} Hz are too short; a frame is 25 ms.")
    if is_first or len(pending) >= least:
        yield pending


def indexed_windows(recordings: Iterable[Any], extractor: KobzaFeatureExtractor) -> Iterator[tuple[int, torch.Tensor]]:
    """(index of the recording, window) for each window of each recording.

    Raises:
        ValueError: a recording cannot be read; the message gives its index and path.
    """
    for index, recording in enumerate(recordings):
        try:
            for window in stream_windows(recording, extractor):
                yield index, window
        except (ValueError, OSError, RuntimeError) as error:  # the last are torchcodec's
            path = path_of(recording)
            name = f"Recording {index}" if path is None else f"Recording {index} ({path})"
            raise ValueError(f"{name} cannot be read: {error}") from error


def embed_audio(
    model: Any,
    extractor: KobzaFeatureExtractor,
    recordings: Iterable[Any],
    windows_per_batch: int = WINDOWS_PER_BATCH,
) -> torch.Tensor:
    """Recordings -> (recordings, projection_dim): each the mean of its windows' embeddings, unit length.

    Windows of several recordings go through the model together.

    Raises:
        ValueError: a recording cannot be read; the message gives its index and path.
    """
    pending = indexed_windows(recordings, extractor)
    embeds: list[torch.Tensor] = []
    counts: list[int] = []
    while batch := list(itertools.islice(pending, windows_per_batch)):
        features = extractor.log_mel([window.to(model.device) for _, window in batch])
        embeds.append(model.get_audio_features(features).pooler_output)
        for index, _ in batch:
            counts += [0] * (index + 1 - len(counts))
            counts[index] += 1
    return mean_over_windows(torch.cat(embeds), torch.tensor(counts, device=model.device))


class KobzaPipeline(Pipeline):
    """What the two tasks share: the parts that are loaded, and saved."""

    # transformers declares these as None; a pipeline is to set them to booleans
    _load_processor = False  # type: ignore[assignment]
    _load_image_processor = False  # type: ignore[assignment]
    _load_video_processor = False  # type: ignore[assignment]
    _load_feature_extractor = True  # type: ignore[assignment]
    _load_tokenizer = True  # type: ignore[assignment]

    model: Any
    feature_extractor: Any
    tokenizer: Any

    def save_pretrained(self, save_directory: Any, **kwargs: Any) -> None:
        """Save a complete checkpoint, processor included, which transformers' own method leaves out. The arguments are
        transformers'."""
        self.model.save_pretrained(save_directory, **kwargs)
        KobzaProcessor(self.feature_extractor, self.tokenizer).save_pretrained(save_directory, **kwargs)


class KobzaRetrievalPipeline(KobzaPipeline):
    """Rank recordings by a sentence.

        pipe = pipeline("text-to-music-retrieval", model="kobza/kobza-mini", trust_remote_code=True)
        pipe("slow sad piano", candidates=["a.mp3", "b.flac"], top_k=1)
        # [{'score': 0.41, 'index': 1, 'path': 'b.flac'}]

    The score is the cosine, from -1 to 1.
    """

    def __call__(  # type: ignore[override]  # a task has arguments of its own
        self, query: str | list[str], candidates: list | None = None, top_k: int | None = None
    ) -> list:
        """Rank `candidates`, embedding each once however many queries there are.

        Args:
            query: a sentence, or a list of them.
            candidates: the recordings.
            top_k: keep only the best.

        Returns:
            For one query a list of {"score", "index", "path"}, the best first; "index" is the position in `candidates`,
            "path" is present if the candidate has one. For a list of queries a list of such lists.

        Raises:
            ValueError: no query, no candidates, or a candidate that cannot be read, by its index and path.
        """
        queries = [query] if isinstance(query, str) else query
        if not isinstance(queries, (list, tuple)) or not queries or not all(isinstance(one, str) for one in queries):
            raise ValueError(f"The query must be a sentence or a list of sentences, but is {query!r:.80}.")
        if candidates is None or has_sampling_rate(candidates) or len(candidates) == 0:
            raise ValueError("There are no candidates: pass candidates=[...], a list of paths, bytes or arrays.")
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k is {top_k}, but must be 1 or more; leave it out to get all candidates.")
        ranked = super().__call__({"queries": list(queries), "candidates": list(candidates)}, top_k=top_k)
        return ranked[0] if isinstance(query, str) else ranked

    def _sanitize_parameters(self, top_k: int | None = None, **kwargs: Any) -> tuple[dict, dict, dict]:
        return {}, {}, {"top_k": top_k}

    def preprocess(self, input_: Any, **preprocess_parameters: Any) -> dict[str, Any]:
        limit = min(self.tokenizer.model_max_length, MAX_TOKENS)
        tokens = self.tokenizer(input_["queries"], padding=True, truncation=True, max_length=limit, return_tensors="pt")
        return {"tokens": tokens, "candidates": input_["candidates"]}

    def _forward(self, input_tensors: dict[str, Any], **forward_parameters: Any) -> Any:
        text_embeds = self.model.get_text_features(**input_tensors["tokens"]).pooler_output
        audio_embeds = embed_audio(self.model, self.feature_extractor, input_tensors["candidates"])
        return {"scores": text_embeds @ audio_embeds.t(), "candidates": input_tensors["candidates"]}

    def postprocess(self, model_outputs: Any, **postprocess_parameters: Any) -> list[list[dict]]:
        top_k = postprocess_parameters["top_k"]
        ranked = []
        for scores in model_outputs["scores"]:  # (candidates,)
            best = scores.argsort(descending=True, stable=True)[:top_k].tolist()
            answers = [{"score": scores[index].item(), "index": index} for index in best]
            for answer in answers:
                path = path_of(model_outputs["candidates"][answer["index"]])
                if path is not None:
                    answer["path"] = path
            ranked.append(answers)
        return ranked


class KobzaEmbeddingPipeline(KobzaPipeline):
    """Embed whole recordings.

        pipe = pipeline("music-feature-extraction", model="kobza/kobza-mini", trust_remote_code=True)
        pipe("a.mp3").shape  # (128,)
        pipe(["a.mp3", "b.flac"], batch_size=32).shape  # (2, 128)

    Vectors are of unit length, so their products are cosines; those of sentences come from `get_text_features`.
    """

    def __call__(  # type: ignore[override]  # a task has arguments of its own
        self, recordings: Any, batch_size: int | None = None, channels_first: bool = False
    ) -> np.ndarray:
        """Embed a recording, or any iterable of them, which is read one after the other.

        Args:
            recordings: see the module's docstring. As in `KobzaFeatureExtractor`, a 2-D array is refused, because it
                may be several recordings or one in stereo, and a 3-D array is (recordings, channels, samples).
            batch_size: how many windows of 10 s go through the model at once, of one recording or of several.
            channels_first: a 2-D array is one recording, (channels, samples).

        Returns:
            (projection_dim,) float32 for one recording, (recordings, projection_dim) for several.

        Raises:
            ValueError: no recordings, a 2-D array, or a recording that cannot be read, by its index and path.
        """
        is_array = hasattr(recordings, "ndim")
        is_one = has_sampling_rate(recordings) or (is_array and recordings.ndim != 3)
        if not is_one and hasattr(recordings, "__len__") and len(recordings) == 0:
            raise ValueError("There are no recordings: pass a path, bytes, an array, or a list of them.")
        batch = as_batch(recordings, channels_first) if is_one or is_array else recordings
        windows_per_batch = batch_size or self._batch_size or WINDOWS_PER_BATCH
        embeds = super().__call__({"recordings": batch}, windows_per_batch=windows_per_batch)
        return embeds[0] if is_one else embeds

    def _sanitize_parameters(
        self, windows_per_batch: int = WINDOWS_PER_BATCH, **kwargs: Any
    ) -> tuple[dict, dict, dict]:
        return {}, {"windows_per_batch": windows_per_batch}, {}

    def preprocess(self, input_: Any, **preprocess_parameters: Any) -> dict[str, Any]:
        return input_  # recordings are read one by one, in `embed_audio`

    def _forward(self, input_tensors: dict[str, Any], **forward_parameters: Any) -> Any:
        return embed_audio(
            self.model, self.feature_extractor, input_tensors["recordings"], forward_parameters["windows_per_batch"]
        )

    def postprocess(self, model_outputs: Any, **postprocess_parameters: Any) -> np.ndarray:
        return model_outputs.numpy()
