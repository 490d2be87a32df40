"""Connecting to Milvus: the parameters that a library's address names, and a client with errors for users."""

import contextlib
import logging
import re
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pymilvus import MilvusClient, MilvusException

from kobza.library.address import MilvusAddress
from kobza.library.records import LibraryError
from kobza.library.stores.milvus.indexes import INDEXES

CONNECT_TIMEOUT_SECONDS = 10.0
REQUEST_TIMEOUT_SECONDS = 120.0  # covers a server's restart
DEFAULT_PORT = 19530
SCHEMES = {"milvus": "http", "milvus+tls": "https"}
IDENTIFIER = re.compile(r"[A-Za-z_]\w*$")  # the names that Milvus allows


class ConnectionParameters(NamedTuple):
    """milvus://[USER:PASSWORD@|TOKEN@]HOST[:PORT]/[DATABASE/]NAME[?index=INDEX], or milvus+tls://... for an encrypted
    connection."""

    uri: str  # in pymilvus's form
    token: str
    database: str
    name: str  # the prefix of the library's collections
    address: MilvusAddress
    index_name: str  # that the address asks for, a key of `indexes.INDEXES`; "" if it names none

    @property
    def library(self) -> tuple[str, str, str]:
        """Which library it is, however its address is written."""
        return self.uri, self.database, self.name

    @classmethod
    def parse(cls, address: MilvusAddress) -> "ConnectionParameters":
        """Raises LibraryError: the address does not have this form."""
        try:
            parts = urllib.parse.urlsplit(address.url)
            port = parts.port or DEFAULT_PORT
        except ValueError:
            parts = urllib.parse.urlsplit("")
            port = 0
        names = parts.path.strip("/").split("/")
        valid_names = len(names) <= 2 and all(IDENTIFIER.match(name) for name in names)
        if not parts.hostname or parts.scheme not in SCHEMES or not valid_names:
            raise LibraryError(
                f"{address} is not the address of a library in Milvus; it looks like "
                "milvus://host:19530/name, and a name consists of letters, digits and _."
            )
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        user, _, _ = parts.netloc.rpartition("@")
        uri = f"{SCHEMES[parts.scheme]}://{host}:{port}"
        options = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
        if any(name != "index" or value not in INDEXES for name, value in options) or len(options) > 1:
            raise LibraryError(
                f"{address} has an unknown option; the only one is ?index=, followed by one of: {', '.join(INDEXES)}."
            )
        index = options[0][1] if options else ""
        return cls(uri, urllib.parse.unquote(user), "".join(names[:-1]), names[-1], address, index)


class Client:
    """`MilvusClient` with a timeout on every call, and errors of the server as LibraryError."""

    def __init__(self, parameters: ConnectionParameters):
        self.address = parameters.address
        # pymilvus logs every error that it raises, with its traceback.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        try:
            self.client = MilvusClient(
                parameters.uri,
                token=parameters.token,
                db_name=parameters.database,
                timeout=CONNECT_TIMEOUT_SECONDS,
                dedicated=True,
            )
        except MilvusException as error:
            raise LibraryError(
                f"The library {self.address} cannot be opened ({error.message}); check that the server is running, "
                "and the address, user and password."
            ) from error

    @contextlib.contextmanager
    def _translate_errors(self, operation: str) -> Iterator[None]:
        try:
            yield
        except MilvusException as error:
            raise LibraryError(
                f"The Milvus server of {self.address} failed in {operation} ({error.message}); what was stored before "
                "is safe: check the server and try again."
            ) from error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._translate_errors(name):
                return method(*args, timeout=REQUEST_TIMEOUT_SECONDS, **kwargs)

        return call

    def rows(
        self, collection: str, condition: str, fields: list[str], page_size: int, consistency: str
    ) -> Iterator[dict[str, Any]]:
        """All rows that match, in any order, fetched `page_size` at a time; more than one page is read strongly."""
        rows = self.query(collection, condition, fields, limit=page_size, consistency_level=consistency)
        if len(rows) < page_size:
            yield from rows
            return
        with self._translate_errors("query"):
            pages = self.client.query_iterator(
                collection, page_size, filter=condition, output_fields=fields, timeout=REQUEST_TIMEOUT_SECONDS
            )
            with contextlib.closing(pages):
                while rows := pages.next():
                    yield from rows

    def close(self) -> None:
        self.client.close()
