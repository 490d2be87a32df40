"""Two tasks for `transformers.pipeline`: "text-to-music-retrieval", given recordings and a sentence, the recordings
ranked by how well they fit it; "music-feature-extraction", a vector for each recording.

A recording is a path, the bytes of a file, an array at the model's sampling rate (16 kHz), or a dict {"array" or "raw":
..., "sampling_rate": ...}. It is read as a stream and embedded a few windows at a time, so that a long one needs hardly
more memory than a short one.
"""

import importlib
import io
import itertools
import os
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from transformers import Pipeline

from .modeling_kobza import mean_over_windows

WINDOWS_AT_ONCE = 16  # through the model
SECONDS_AT_ONCE = 60  # through soundfile


def decode(source: str | os.PathLike | bytes, extractor) -> Iterator[torch.Tensor]:
    """A path or the bytes of a file -> its samples, piece by piece: 1-D, float32, at the extractor's sampling rate.

    By kobza where it is installed, otherwise by soundfile: both are looked up by name at run time, so that whoever
    passes arrays needs neither.
    """
    for name, how in (("kobza.audio", _decode_with_kobza), ("soundfile", _decode_with_soundfile)):
        try:
            decoder = importlib.import_module(name)
        except ImportError:
            continue
        yield from how(decoder, source, extractor)
        return
    raise ValueError(
        "no decoder is installed: run `pip install kobza`, or pass arrays as {'array': ..., 'sampling_rate': ...}"
    )


def _decode_with_kobza(audio, source, extractor):
    return map(torch.from_numpy, audio.decode(source, extractor.sampling_rate))


def _decode_with_soundfile(soundfile, source, extractor):
    # Blocks of whole seconds that overlap by two: each is resampled with a second of its neighbours on either side,
    # which is then cut off, so that the pieces join as if the whole had been resampled at once
    second, tail = extractor.sampling_rate, None
    with soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else source) as file:
        rate = file.samplerate
        for block in file.blocks(SECONDS_AT_ONCE * rate, overlap=2 * rate, dtype="float32", always_2d=True):
            samples = extractor.to_mono(block.mean(axis=1), rate)  # (samples, channels) -> (samples,)
            yield samples[0 if tail is None else second : -second]
            tail = samples[-second:]
    if tail is not None:
        yield tail


def pieces(source, extractor) -> Iterator[torch.Tensor]:
    """The samples of any recording, as `decode` gives those of a file."""
    if isinstance(source, (str, bytes, os.PathLike)):
        yield from decode(source, extractor)
    elif isinstance(source, dict):
        yield extractor.to_mono(source["array"] if "array" in source else source["raw"], source["sampling_rate"])
    else:
        yield extractor.to_mono(source, extractor.sampling_rate)


def windows(source, extractor) -> Iterator[torch.Tensor]:
    """The windows of any recording: those of `extractor.split`, one after the other."""
    size = round(extractor.window_seconds * extractor.sampling_rate)
    held, none_yet = torch.empty(0), True
    for piece in pieces(source, extractor):
        held = torch.cat([held, piece])
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
        name = f"Recording {index}"
        try:
            for window in windows(source, extractor):
                yield index, window
        except KeyError as error:
            raise ValueError(f"{name} has no {error}: a dict needs 'array' and 'sampling_rate'.") from None
        except Exception as error:
            name += f" ({os.fspath(source)})" if isinstance(source, (str, os.PathLike)) else ""
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


class KobzaRetrievalPipeline(Pipeline):
    """Rank recordings by a sentence.

        pipe = pipeline("text-to-music-retrieval", model="kobza/kobza-mini", trust_remote_code=True)
        pipe("slow sad piano", candidates=["a.mp3", "b.flac"], top_k=1)
        # [{'score': 0.41, 'index': 1, 'path': 'b.flac'}]

    The score is the cosine, from -1 to 1.
    """

    _load_processor = False
    _load_image_processor = False
    _load_video_processor = False
    _load_feature_extractor = True
    _load_tokenizer = True

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
        if isinstance(candidates, (str, bytes, dict)) or candidates is None or len(candidates) == 0:
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
                source = outputs["candidates"][answer["index"]]
                if isinstance(source, (str, os.PathLike)):
                    answer["path"] = os.fspath(source)
            ranked.append(answers)
        return ranked


class KobzaEmbeddingPipeline(Pipeline):
    """A vector for each whole recording.

        pipe = pipeline("music-feature-extraction", model="kobza/kobza-mini", trust_remote_code=True)
        pipe("a.mp3").shape  # (128,)
        pipe(["a.mp3", "b.flac"], batch_size=32).shape  # (2, 128)

    Vectors are of unit length, so their products are cosines; those of sentences come from `get_text_features`.
    """

    _load_processor = False
    _load_image_processor = False
    _load_video_processor = False
    _load_feature_extractor = True
    _load_tokenizer = False

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
        is_one = isinstance(recordings, (str, bytes, os.PathLike, dict)) or hasattr(recordings, "ndim")
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
