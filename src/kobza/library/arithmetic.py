"""The note of a library that says in which arithmetics its vectors were computed: "float32", "int8" or both.

They may lie in one library, because their model is one; the note explains why a recording that is indexed again may get
a vector that differs in the third decimal.
"""

from collections.abc import Mapping

from kobza.embedding.embedder import Embedder

KEY = "arithmetic"  # in a store's meta
BEFORE = "float32"  # of libraries that have no note, and of models that know only one


def noted(meta: Mapping[str, str]) -> str:
    """What a store's meta says; "" if it has no vectors.

    >>> noted({"fingerprint": "f"}), noted({"fingerprint": "f", "arithmetic": "int8"}), noted({})
    ('float32', 'int8', '')
    """
    return meta.get(KEY, BEFORE) if "fingerprint" in meta else ""


def joined(*notes: str) -> str:
    """The notes of several libraries as one.

    >>> joined("int8", "", "float32, int8")
    'float32, int8'
    """
    return ", ".join(sorted({word for note in notes for word in note.split(", ") if word}))


def of_embedder(embedder: Embedder) -> str:
    return getattr(embedder, "arithmetic", BEFORE)
