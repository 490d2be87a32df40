"""What the model hears: the nearest of a list of words, for each track and for each neighbourhood."""

from collections.abc import Sequence

import numpy as np

from kobza.embedding.embedder import TextEmbedder, normalized_mean

# One word or two for each kind of music, apart enough from one another to be told apart by ear
GENRES = (
    *("classical", "opera", "choral", "film score", "ambient", "new age", "jazz", "blues", "soul", "funk", "disco"),
    *("rock", "metal", "punk", "pop", "folk", "country", "singer-songwriter", "hip hop", "reggae", "latin", "gospel"),
    *("techno", "house", "trance", "drum and bass", "synth pop", "chiptune", "lullaby", "march", "waltz", "military"),
    *("medieval", "tango", "flamenco", "bossa nova", "african", "indian", "celtic", "sound effects", "speech"),
)
INSTRUMENTS = (
    *("piano", "acoustic guitar", "electric guitar", "distorted guitar", "bass", "drums", "strings", "violin", "cello"),
    *("orchestra", "brass", "trumpet", "saxophone", "flute", "clarinet", "organ", "accordion", "harp", "harpsichord"),
    *("synthesizer", "synth pads", "drum machine", "percussion", "bells", "music box", "choir", "male voice"),
    *("female voice", "a cappella", "banjo", "mandolin", "marimba", "noise", "rain and wind"),
)
MOODS = (
    *("calm", "sad", "happy", "dark", "dreamy", "tense", "epic", "romantic", "playful", "aggressive", "solemn"),
    *("nostalgic", "mysterious", "energetic", "slow", "fast", "danceable", "loud", "quiet"),
)
SOUNDS = ("sound effects", "speech", "noise", "rain and wind")  # of the words above, those that are no music
KINDS = {  # of all words, the genres first
    **dict.fromkeys(GENRES, "genre"),
    **dict.fromkeys(INSTRUMENTS, "instrument"),
    **dict.fromkeys(MOODS, "mood"),
    **dict.fromkeys(SOUNDS, "sound"),
}
PROMPTS = ("{} music", "a recording of {}")


def word_vectors(embedder: TextEmbedder, words: Sequence[str]) -> np.ndarray:
    """(words, dim) of unit length: each the mean of the word in a few sentences."""
    sentences = [prompt.format(word) for word in words for prompt in PROMPTS]
    vectors = embedder.embed_text(sentences).reshape(len(words), len(PROMPTS), -1)
    return np.stack([normalized_mean(one) for one in vectors])


def nearest_words(vectors: np.ndarray, words: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """For each track (n, dim) the index of the word (words, dim) that fits it best: (n,) int64.

    Some words score high with any music, so from each word's cosines the part that it owes to `mean`, the mean vector
    of general descriptions (dim,), is taken away.
    """
    centred = words - np.outer(words @ mean, mean)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    chosen: np.ndarray = np.argmax(vectors @ (centred / np.maximum(norms, 1e-9)).T, axis=1)
    return chosen
