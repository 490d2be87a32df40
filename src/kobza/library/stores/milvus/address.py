"""Where a library in Milvus is: its address, and a client whose errors are sentences."""

import contextlib
import logging
import re
import urllib.parse
from collections.abc import Iterator
from typing import NamedTuple

from pymilvus import MilvusClient, MilvusException

from kobza.library.address import MilvusAddress
from kobza.library.records import LibraryError

PATIENCE = 120.0  # seconds for an answer, a server's short absence included
SCHEMES = {"milvus": "http", "milvus+tls": "https"}


class Place(NamedTuple):
    """milvus://[USER:PASSWORD@|TOKEN@]HOST[:PORT]/[DATABASE/]NAME, or milvus+tls://... for an encrypted connection."""

    uri: str  # as pymilvus has it
    token: str
    database: str
    name: str  # what the library's collections begin with
    address: MilvusAddress

    @classmethod
    def parse(cls, address: MilvusAddress) -> "Place":
        """Raises LibraryError: not such an address."""
        url = address.url
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port or 19530
        except ValueError:
            parts, port = urllib.parse.urlsplit(""), 0
        *database, name = parts.path.strip("/").split("/")
        named = [*database, name] if len(database) < 2 else [""]
        if not parts.hostname or parts.scheme not in SCHEMES or not all(map(re.compile(r"[A-Za-z_]\w*$").match, named)):
            raise LibraryError(
                f"{address} is not the address of a library in Milvus; it looks like "
                "milvus://host:19530/name, and a name is made of letters, digits and _."
            )
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        user, _, _ = parts.netloc.rpartition("@")
        uri = f"{SCHEMES[parts.scheme]}://{host}:{port}"
        return cls(uri, urllib.parse.unquote(user), "".join(database), name, address)


class Client:
    """`MilvusClient` at a place, with two differences: no call waits for ever, and what the server cannot do is a
    LibraryError."""

    def __init__(self, place: Place):
        self.place = place
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs what it raises, with the call stack
        try:
            self.client = MilvusClient(place.uri, token=place.token, db_name=place.database, timeout=10, dedicated=True)
        except MilvusException as error:
            raise LibraryError(
                f"The library {place.address} cannot be opened ({error.message}); check that the server is running, "
                "and the address, user and password."
            ) from error

    @contextlib.contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except MilvusException as error:
            raise LibraryError(
                f"The Milvus server of {self.place.address} failed at {doing} ({error.message}); what was stored "
                "before is safe, so look at the server and try again."
            ) from error

    def __getattr__(self, name: str):
        method = getattr(self.client, name)

        def call(*args, **kwargs):
            with self._explained(name):
                return method(*args, timeout=PATIENCE, **kwargs)

        return call

    def rows(self, name: str, where: str, fields: list[str], page: int) -> Iterator[dict]:
        """All rows that pass, in any order, `page` at a time."""
        rows = self.query(name, where, fields, limit=page)
        if len(rows) < page:
            yield from rows
            return
        with self._explained("query"):
            pages = self.client.query_iterator(name, page, filter=where, output_fields=fields, timeout=PATIENCE)
            with contextlib.closing(pages):
                while rows := pages.next():
                    yield from rows

    def close(self) -> None:
        self.client.close()
