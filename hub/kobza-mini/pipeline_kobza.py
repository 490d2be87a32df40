"""The task "text-to-music-retrieval": given recordings and a sentence, the recordings ranked by how well they fit
it."""

import importlib
import io
import os

import torch
import torch.nn.functional as F
from transformers import Pipeline

WINDOWS_AT_ONCE = 16  # bounds the memory of a long recording


def decode(source: str | os.PathLike | bytes, sampling_rate: int):
    """A path or the bytes of a file -> (waveform, its sampling rate); by kobza where installed, otherwise by soundfile.

    Both are looked up by name at run time, so that whoever passes arrays needs neither.
    """
    try:
        return importlib.import_module("kobza.audio").load_audio(source, sampling_rate=sampling_rate), sampling_rate
    except ImportError:
        pass
    try:
        soundfile = importlib.import_module("soundfile")
    except ImportError:
        raise ValueError(
            "no decoder is installed: run `pip install kobza`, or pass arrays as {'array': ..., 'sampling_rate': ...}"
        ) from None
    samples, rate = soundfile.read(io.BytesIO(source) if isinstance(source, bytes) else source, always_2d=True)
    return samples.T, rate  # (samples, channels) -> (channels, samples)


class KobzaRetrievalPipeline(Pipeline):
    """Rank recordings by a sentence.

        pipe = pipeline("text-to-music-retrieval", model="kobza/kobza-mini", trust_remote_code=True)
        pipe("slow sad piano", candidates=["a.mp3", "b.flac"], top_k=1)
        # [{'score': 0.41, 'index': 1, 'path': 'b.flac'}]

    A candidate is a path, the bytes of a file, an array at the model's sampling rate (16 kHz), or a dict
    {"array" or "raw": ..., "sampling_rate": ...}. The score is the cosine, from -1 to 1.
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
        # decoded and embedded one by one, so that a folder of albums needs no more memory than its longest piece
        audio_embeds = [self.embed(index, source) for index, source in enumerate(inputs["candidates"])]
        return {"scores": text_embeds @ torch.stack(audio_embeds).t(), "candidates": inputs["candidates"]}

    def embed(self, index: int, source) -> torch.Tensor:
        """One candidate -> (projection_dim,): the mean of its windows' embeddings, of unit length."""
        extractor = self.feature_extractor
        path = os.fspath(source) if isinstance(source, (str, os.PathLike)) else None
        try:
            if path is not None or isinstance(source, bytes):
                audio, rate = decode(source, extractor.sampling_rate)
            elif isinstance(source, dict):
                audio, rate = source["array"] if "array" in source else source["raw"], source["sampling_rate"]
            else:
                audio, rate = source, extractor.sampling_rate
            windows = extractor.split(extractor.to_mono(audio, rate).to(self.device))
        except KeyError as error:
            raise ValueError(f"Candidate {index} has no {error}: a dict needs 'array' and 'sampling_rate'.") from None
        except Exception as error:
            raise ValueError(f"Candidate {index}{f' ({path})' if path else ''} cannot be read: {error}") from error
        parts = [
            self.model.get_audio_features(extractor.log_mel(windows[i : i + WINDOWS_AT_ONCE])).pooler_output
            for i in range(0, len(windows), WINDOWS_AT_ONCE)
        ]
        return F.normalize(torch.cat(parts).mean(dim=0), dim=0)

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
