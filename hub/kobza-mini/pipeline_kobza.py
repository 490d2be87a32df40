"""Two tasks for `transformers.pipeline`: "text-to-music-retrieval", given recordings and a sentence, the recordings
ranked by how well they fit it; "music-feature-extraction", a vector for each recording.

A recording is anything that `audio_inputs_kobza` reads: a path, the bytes of a file, {"array": ..., "sampling_rate":
...}, what `datasets` gives (an AudioDecoder, or {"path": ..., "bytes": ...}), or an array at the model's sampling rate
(16 kHz). A file is read as a stream and embedded a few windows at a time, so that a long one needs hardly more memory
than a short one.
"""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from transformers import Pipeline

from .audio_inputs_kobza import knows_its_rate, name_of, read
from .modeling_kobza import mean_over_windows
from .processing_kobza import KobzaProcessor

WINDOWS_AT_ONCE = 16  # through the model


def windows(source, extractor) -> Iterator[torch.Tensor]:
    """The windows of any recording: those of `extractor.split`, one after the other."""
    size = round(extractor.window_seconds * extractor.sampling_rate)
    held, none_yet = torch.empty(0), True
    rate = None if knows_its_rate(source) else extractor.sampling_rate
    for piece in read(source, extractor.sampling_rate, rate):
        held = torch.cat([held.to(piece.device), piece])
        whole = len(held) - len(held) % size
        for window in held[:whole].split(size) if whole else ():
            yield window
            none_yet = False
        held = held[whole:]
    if none_yet and len(held) < extractor.frame_length:
        raise ValueError(f"its {len(held)} samples at {extractor.sampling_rate} Hz are too short; a frame is 25 ms.")
    if none_yet or len(held) >= max(extractor.min_window_seconds * extractor.sampling_rate, extractor.frame_length):
        yield held


def _named_windows(sources, extractor):
    """(place, window) of every recording; what goes wrong is said with the recording's place and path."""
    for index, source in enumerate(sources):
        try:
            for window in windows(source, extractor):
                yield index, window
        except (ValueError, OSError, RuntimeError) as error:  # the last are torchcodec's
            path = name_of(source)
            name = f"Recording {index}" if path is None else f"Recording {index} ({path})"
            raise ValueError(f"{name} cannot be read: {error}") from error


def embed_recordings(model, extractor, sources: Iterable, windows_at_once: int = WINDOWS_AT_ONCE) -> torch.Tensor:
    """Recordings -> (recordings, projection_dim): each the mean of its windows' embeddings, of unit length.

    Windows of several recordings go through the model together.

    Raises:
        ValueError: one of them cannot be read, by its place and path.
    """
    named, embeds, counts = _named_windows(sources, extractor), [], []
    while batch := list(itertools.islice(named, windows_at_once)):
        features = extractor.log_mel([window.to(model.device) for _, window in batch])
        embeds.append(model.get_audio_features(features).pooler_output)
        for index, _ in batch:
            counts += [0] * (index + 1 - len(counts))
            counts[index] += 1
    return mean_over_windows(torch.cat(embeds), torch.tensor(counts, device=model.device))


class KobzaPipeline(Pipeline):
    """What the two below share: which parts are loaded, and saved."""

    _load_processor = False
    _load_image_processor = False
    _load_video_processor = False
    _load_feature_extractor = True
    _load_tokenizer = True

    def save_pretrained(self, save_directory, **kwargs) -> None:
        """Save a whole checkpoint, which any way of loading one can open. The arguments are transformers'; its own
        method leaves out the processor."""
        self.model.save_pretrained(save_directory, **kwargs)
        KobzaProcessor(self.feature_extractor, self.tokenizer).save_pretrained(save_directory, **kwargs)


class KobzaRetrievalPipeline(KobzaPipeline):
    """Rank recordings by a sentence.

        pipe = pipeline("text-to-music-retrieval", model="kobza/kobza-mini", trust_remote_code=True)
        pipe("slow sad piano", candidates=["a.mp3", "b.flac"], top_k=1)
        # [{'score': 0.41, 'index': 1, 'path': 'b.flac'}]

    The score is the cosine, from -1 to 1.
    """

    def __call__(self, query: str | list[str], candidates: list | None = None, top_k: int | None = None) -> list:
        """Rank `candidates`, embedding each once however many queries there are.

        Args:
            query: a sentence, or a list of them.
            candidates: the recordings.
            top_k: keep only the best.

        Returns:
            For one query a list of {"score", "index", "path"}, the best first; "index" is the place in `candidates`,
            and "path" is there if the candidate is one. For a list of queries a list of such lists.

        Raises:
            ValueError: no query, no candidates, or a candidate that cannot be read, by its index and path.
        """
        queries = [query] if isinstance(query, str) else query
        if not isinstance(queries, (list, tuple)) or not queries or not all(isinstance(one, str) for one in queries):
            raise ValueError(f"The query must be a sentence or a list of sentences, but is {query!r:.80}.")
        if candidates is None or knows_its_rate(candidates) or len(candidates) == 0:
            raise ValueError("There are no candidates: pass candidates=[...], a list of paths, bytes or arrays.")
        if top_k is not None and top_k < 1:
            raise ValueError(f"top_k is {top_k}, but must be 1 or more; leave it out to get all candidates.")
        ranked = super().__call__({"queries": list(queries), "candidates": list(candidates)}, top_k=top_k)
        return ranked[0] if isinstance(query, str) else ranked

    def _sanitize_parameters(self, top_k=None, **kwargs):
        return {}, {}, {"top_k": top_k}

    def preprocess(self, inputs: dict) -> dict:
        limit = min(self.tokenizer.model_max_length, 512)  # BERT has no position beyond
        tokens = self.tokenizer(inputs["queries"], padding=True, truncation=True, max_length=limit, return_tensors="pt")
        return {"tokens": tokens, "candidates": inputs["candidates"]}

    def _forward(self, inputs: dict) -> dict:
        text_embeds = self.model.get_text_features(**inputs["tokens"]).pooler_output
        audio_embeds = embed_recordings(self.model, self.feature_extractor, inputs["candidates"])
        return {"scores": text_embeds @ audio_embeds.t(), "candidates": inputs["candidates"]}

    def postprocess(self, outputs: dict, top_k: int | None = None) -> list[list[dict]]:
        ranked = []
        for scores in outputs["scores"]:  # (candidates,)
            best = scores.argsort(descending=True, stable=True)[:top_k].tolist()
            answers = [{"score": scores[index].item(), "index": index} for index in best]
            for answer in answers:
                path = name_of(outputs["candidates"][answer["index"]])
                if path is not None:
                    answer["path"] = path
            ranked.append(answers)
        return ranked


class KobzaEmbeddingPipeline(KobzaPipeline):
    """A vector for each whole recording.

        pipe = pipeline("music-feature-extraction", model="kobza/kobza-mini", trust_remote_code=True)
        pipe("a.mp3").shape  # (128,)
        pipe(["a.mp3", "b.flac"], batch_size=32).shape  # (2, 128)

    Vectors are of unit length, so their products are cosines; those of sentences come from `get_text_features`.
    """

    def __call__(self, recordings, batch_size: int | None = None) -> np.ndarray:
        """Embed a recording, or any iterable of them, which is read one after the other.

        Args:
            recordings: see the file's docstring; an array is one recording, (samples,) or (channels, samples).
            batch_size: how many windows of 10 s go through the model at once, of one recording or of several.

        Returns:
            (projection_dim,) float32 for one recording, (recordings, projection_dim) for several.

        Raises:
            ValueError: no recordings, or one that cannot be read, by its place and path.
        """
        is_one = knows_its_rate(recordings) or hasattr(recordings, "ndim")
        if not is_one and hasattr(recordings, "__len__") and len(recordings) == 0:
            raise ValueError("There are no recordings: pass a path, bytes, an array, or a list of them.")
        at_once = batch_size or self._batch_size or WINDOWS_AT_ONCE
        embeds = super().__call__({"recordings": [recordings] if is_one else recordings}, windows_at_once=at_once)
        return embeds[0] if is_one else embeds

    def _sanitize_parameters(self, windows_at_once=WINDOWS_AT_ONCE, **kwargs):
        return {}, {"windows_at_once": windows_at_once}, {}

    def preprocess(self, inputs: dict) -> dict:
        return inputs  # a recording is read when its turn comes

    def _forward(self, inputs: dict, windows_at_once: int) -> torch.Tensor:
        return embed_recordings(self.model, self.feature_extractor, inputs["recordings"], windows_at_once)

    def postprocess(self, embeds: torch.Tensor) -> np.ndarray:
        return embeds.numpy()
