"""A music library: folders of recordings that can be searched with a description."""

import os
from collections.abc import Callable
from types import TracebackType

from kobza.embedding.embedder import Embedder, TextEmbedder
from kobza.library.address import LibraryAddress, default_library_address
from kobza.library.catalog import Catalog
from kobza.library.indexing import Indexer
from kobza.library.ingest.embed import Progress
from kobza.library.paths import PathLike
from kobza.library.records import LibraryError
from kobza.library.search.locator import Locator
from kobza.library.stores.base import Store, open_store


class MusicLibrary(Locator, Catalog, Indexer):
    """Index and search recordings. Made by `MusicLibrary.open`; a context manager.

    Recordings are only read. All vectors are those of one model, whose fingerprint the library stores; it refuses
    vectors and queries of any other model.
    """

    def __init__(self, store: Store, embedder: Embedder | PathLike | None) -> None:
        self.store = store
        self._model_is_chosen = embedder is not None
        self._model_name: str | None = None
        self._embedder: Embedder | None = None
        self._text_embedder: TextEmbedder | None = None
        if isinstance(embedder, str | os.PathLike):
            self._model_name = os.fspath(embedder)
        else:
            self._embedder = embedder

    @classmethod
    def open(
        cls,
        address: LibraryAddress | PathLike | None = None,
        embedder: Embedder | PathLike | None = None,
        read_only: bool = False,
    ) -> "MusicLibrary":
        """Open the library at `address` (default: `default_library_address()`), creating it if absent.

        Args:
            address: the library's folder, or milvus://HOST:PORT/NAME.
            embedder: an `Embedder`, or the folder or Hub id of one, which is loaded when first needed; by default
                Kobza's own checkpoint.
            read_only: the library must exist, and nothing is written to it.

        Raises:
            LibraryError: it cannot be opened, or does not exist and `read_only` is given.
        """
        return cls(open_store(default_library_address() if address is None else address, read_only), embedder)

    @property
    def address(self) -> LibraryAddress:
        return self.store.address

    @property
    def embedder(self) -> Embedder:
        """The model, loaded on first use."""
        if self._embedder is None:
            from kobza.embedding.loader import load_embedder  # imported here because it may load torch

            self._embedder = load_embedder(self._model_name)
        return self._embedder

    def _load_embedder(self, progress: Callable[[Progress], None] | None) -> Embedder:
        if self._embedder is None and progress is not None:
            progress(Progress.of_stage(f"loading the model {self._model_name or 'kobza-mini'}"))
        return self.embedder

    def _load_text_embedder(self, progress: Callable[[Progress], None] | None) -> TextEmbedder:
        if self._embedder is None and self._text_embedder is None and self._model_name and progress is not None:
            progress(Progress.of_stage(f"loading the model {self._model_name}"))
        return self.text_embedder

    @property
    def text_embedder(self) -> TextEmbedder:
        """What embeds descriptions: the model if it is loaded, else its text tower alone, which needs no torch."""
        if self._embedder is not None:
            return self._embedder
        if self._text_embedder is None:
            from kobza.embedding.loader import load_text_embedder

            self._text_embedder = load_text_embedder(self._model_name)
            if isinstance(self._text_embedder, Embedder):  # of a model that is loaded as a whole or not at all
                self._embedder = self._text_embedder
        return self._text_embedder

    def _check_fingerprint(self, embedder: TextEmbedder) -> None:
        meta = self.store.meta
        if meta.get("fingerprint", embedder.fingerprint) != embedder.fingerprint and len(self):
            raise LibraryError(
                f"The library {self.address} was made with {meta['model']} (fingerprint {meta['fingerprint']}), whose "
                f"vectors cannot be compared with those of {embedder.name} ({embedder.fingerprint}); use that model "
                "with --model, rebuild the library with: kobza reindex, or index into another one with --library."
            )

    def __len__(self) -> int:
        return len(self.store)

    def close(self) -> None:
        self.store.close()

    def __enter__(self) -> "MusicLibrary":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
