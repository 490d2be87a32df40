"""Addresses of libraries: a folder on this machine, or a Milvus database."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from kobza.audio import printable
from kobza.config import value_of
from kobza.folders import data_folder
from kobza.library.paths import is_url
from kobza.library.records import LibraryError


@dataclass(frozen=True)
class FolderAddress:
    """A library in `folder`."""

    folder: Path

    def __str__(self) -> str:
        """Its name in messages."""
        return printable(self.folder)

    def is_absent(self) -> bool:
        """Whether there is certainly no library, as far as can be told without opening it."""
        return not self.folder.exists()


@dataclass(frozen=True)
class MilvusAddress:
    """A library in a Milvus database, at a `url` like milvus://HOST:PORT/NAME, which may contain a password."""

    url: str = field(repr=False)

    def __str__(self) -> str:
        """Its name in messages: without user and password."""
        scheme, _, rest = self.url.partition("://")
        return printable(f"{scheme}://{rest.rpartition('@')[2]}")

    def is_absent(self) -> bool:
        """False: only its server knows."""
        return False


LibraryAddress = FolderAddress | MilvusAddress


def library_address(of: "LibraryAddress | str | os.PathLike[str]") -> LibraryAddress:
    """The address of a library given as text or path.

    >>> str(library_address("milvus://me:secret@host:19530/music"))
    'milvus://host:19530/music'
    """
    if isinstance(of, FolderAddress | MilvusAddress):
        return of
    if isinstance(of, str) and is_url(of):
        return MilvusAddress(of)
    return FolderAddress(Path(os.path.abspath(of)))


def default_library_address() -> LibraryAddress:
    """$KOBZA_LIBRARY, the library of the configuration file, or the folder kobza/library in the user's data folder
    (~/.local/share on Linux).

    Raises:
        NoHomeError: none is set and the user has no home folder.
        ConfigError: the configuration file has a mistake.
    """
    configured = value_of("library").value
    return library_address(configured) if configured else FolderAddress(data_folder() / "library")


def folder_of(address: LibraryAddress) -> Path:
    """The folder of a library, for commands that need its files. LibraryError: the library is in a database."""
    if isinstance(address, MilvusAddress):
        raise LibraryError(
            f"This command works on a library in a folder, and {address} is in a database; use the database's own "
            "tools, or name a folder with --library."
        )
    return address.folder
