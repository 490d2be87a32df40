"""Any sentence-transformers model that encodes both audio and text, as an `Embedder` (`pip install 'kobza[sentence]'`).

The processor of its first module says the sampling rate and, if it has a longest input, the window; else windows have
10 s. Sentences go in as they are, without a prompt, and are cut where its tokenizer cuts them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kobza.embedding.checkpoint_folder import CheckpointError, one_line
from kobza.embedding.two_tower import DEFAULT_WINDOW_SECONDS, MIN_WINDOW_SECONDS, state_fingerprint
from kobza.extras import needs

BATCH_SIZE = 16


class SentenceTransformerEmbedder:
    """A `SentenceTransformer` for text and audio. Attributes and methods are those of `Embedder`."""

    def __init__(self, model: Any, name: str = ""):
        self.model = model.eval()
        self.name = name
        extractor = getattr(getattr(model[0], "processor", None), "feature_extractor", None)
        extractor = extractor or getattr(model[0], "processor", None)
        rate = getattr(extractor, "sampling_rate", None)
        if rate is None:
            raise CheckpointError(f"{name} does not say the sampling rate of its audio: its processor has none.")
        self.sampling_rate: int = rate
        longest = getattr(extractor, "nb_max_samples", None)
        self.window_seconds: float = longest / rate if longest else DEFAULT_WINDOW_SECONDS
        self.min_window_seconds = MIN_WINDOW_SECONDS
        self.fingerprint = state_fingerprint(model, {"sampling_rate": rate, "window_seconds": self.window_seconds})
        self.dim: int = self.embed_text(["music"]).shape[1]

    def embed_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences -> (n, dim) float32, unit length."""
        return self._encode(list(sentences))

    def embed_windows(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        """Windows -> (n, dim) float32, unit length; each (samples,) float32 at `sampling_rate`."""
        rate = self.sampling_rate
        # one at a time, because some processors pad a batch to its longest member, which changes the others' vectors
        rows = [self._encode([{"array": np.asarray(w, np.float32), "sampling_rate": rate}]) for w in windows]
        return np.concatenate(rows) if rows else np.empty((0, self.dim), np.float32)

    def _encode(self, inputs: list[Any]) -> np.ndarray:
        if not inputs:
            return np.empty((0, self.dim), np.float32)
        vectors = self.model.encode(
            inputs, batch_size=BATCH_SIZE, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        rows: np.ndarray = np.asarray(vectors, np.float32)
        return rows


def load_sentence_transformer(folder: Path, name: str, device: str | None = None) -> SentenceTransformerEmbedder:
    """A sentence-transformers model from its folder, without running code from the folder.

    Raises:
        CheckpointError: the model cannot be loaded or takes no audio.
        MissingPackageError: sentence-transformers is not installed.
    """
    with needs(f"The model {name}", "sentence"):
        from sentence_transformers import SentenceTransformer
    try:
        model = SentenceTransformer(str(folder), device=device)
    except Exception as error:  # sentence-transformers raises many classes for damaged files
        raise CheckpointError(f"{name} cannot be loaded ({one_line(error)}): fetch or save it again.") from error
    missing = [kind for kind in ("text", "audio") if not model.supports(kind)]
    if missing:
        raise CheckpointError(
            f"{name} does not embed {' or '.join(missing)}: choose an audio-text model, such as kobza/kobza-mini."
        )
    return SentenceTransformerEmbedder(model, name)
