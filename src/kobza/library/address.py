"""Where a library is: in a folder of this machine, or in a Milvus database."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from kobza.audio import printable
from kobza.folders import data_folder
from kobza.library.records import LibraryError
from kobza.library.remote import is_address


@dataclass(frozen=True)
class FolderAddress:
    """A library in `folder`."""

    folder: Path

    def __str__(self) -> str:
        """What to call it in a sentence."""
        return printable(self.folder)

    def is_absent(self) -> bool:
        """Whether it is certain, without opening anything, that there is no library."""
        return not self.folder.exists()


@dataclass(frozen=True)
class MilvusAddress:
    """A library in a Milvus database, at a `url` like milvus://HOST:PORT/NAME, which may hold a password."""

    url: str = field(repr=False)

    def __str__(self) -> str:
        """What to call it in a sentence: without user and password."""
        scheme, _, rest = self.url.partition("://")
        return printable(f"{scheme}://{rest.rpartition('@')[2]}")

    def is_absent(self) -> bool:
        """False: only its server knows."""
        return False


LibraryAddress = FolderAddress | MilvusAddress


def library_address(of: "LibraryAddress | str | os.PathLike[str]") -> LibraryAddress:
    """The address that a person or a program gave as text or path.

    >>> str(library_address("milvus://me:secret@host:19530/music"))
    'milvus://host:19530/music'
    """
    if isinstance(of, FolderAddress | MilvusAddress):
        return of
    if isinstance(of, str) and is_address(of):
        return MilvusAddress(of)
    return FolderAddress(Path(os.path.abspath(of)))


def default_library_address() -> LibraryAddress:
    """$KOBZA_LIBRARY, or the folder kobza/library in the user's data folder (~/.local/share on Linux).

    Raises:
        NoHomeError: neither is there.
    """
    named = os.environ.get("KOBZA_LIBRARY")
    return library_address(named) if named else FolderAddress(data_folder() / "library")


def folder_of(address: LibraryAddress) -> Path:
    """For what needs the library's files. LibraryError: it is in no folder."""
    if isinstance(address, MilvusAddress):
        raise LibraryError("A library in a database looks after itself; this command is for a library in a folder.")
    return address.folder
