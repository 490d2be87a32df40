"""What a recording is read from: a path, bytes or a stream, opened safely; and the errors of reading it."""

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from kobza.errors import KobzaError

Source = str | os.PathLike | bytes | BinaryIO
JOINERS = "\u200c\u200d"  # within words of Persian and of Indian languages, and within emojis: no control characters
NOT_FINITE = "has samples that are not finite; export the recording again."


class AudioError(KobzaError):
    """A recording cannot be used. The message says which, why, and what to do.

    `is_lasting`: the file itself is at fault, so that reading it again gives the same; False if it could not be read.
    """

    is_lasting = True


class UnreadableError(AudioError):
    """The file cannot be opened or read now, as on a disk that is not connected."""

    is_lasting = False


class RefusedError(AudioError):
    """FFmpeg does not recognize the file, or finds no sound in it; another decoder may."""


def printable(path: str | os.PathLike) -> str:
    """The path as text that prints on any terminal: control characters and bytes that are not UTF-8 are escaped.

    >>> printable("a\\n.mp3")
    'a\\\\n.mp3'
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    if text.isprintable():  # nearly always, and a page of answers has hundreds of texts
        return text
    return "".join(c if c.isprintable() or c in JOINERS else c.encode("unicode_escape").decode("ascii") for c in text)


class NamedStream:
    """A binary stream with a harmless name, which FFmpeg uses as a hint of the format and not as a path.

    Its size is fixed when it is opened, because a file that is still being written might never end.
    """

    def __init__(self, stream: BinaryIO, name: str, size: int):
        self.name = name
        self.size = size
        self.stream = stream
        self.tell = stream.tell

    def read(self, size: int) -> bytes:
        return self.stream.read(max(0, min(size, self.size - self.tell())))

    def seek(self, offset: int, whence: int) -> int:
        if whence == os.SEEK_END:
            offset, whence = self.size + offset, os.SEEK_SET
        return self.stream.seek(offset, whence)


@contextlib.contextmanager
def opened(source: Source) -> Iterator[tuple[BinaryIO, str, str]]:
    """(binary stream, its name for messages, its extension); a stream that was given is left open.

    Raises:
        UnreadableError: the path is not that of a regular file, or cannot be opened.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        yield io.BytesIO(source), "The recording given as bytes", ""
    elif not isinstance(source, (str, os.PathLike)):
        yield source, "The recording given as a stream", ""
    else:
        name = printable(source)
        try:
            # Checked before opening, because opening a FIFO waits for its writer
            if not stat.S_ISREG(os.stat(source).st_mode):
                raise UnreadableError(f"{name} is not a regular file; give the path of a recording.")
            stream = open(source, "rb")  # noqa: SIM115
        except OSError as error:
            reason = f"{name} cannot be opened ({error.strerror}); check the path and its permissions."
            raise UnreadableError(reason) from error
        with stream:
            yield stream, name, Path(source).suffix.lower()


def wav_end(stream: BinaryIO, size: int) -> int:
    """Where the chunks of a RIFF wav end, if its header says so; else `size`.

    FFmpeg looks for more chunks in what is behind them, eight bytes at a time: 0.35 s for each MB of zeros.
    """
    stream.seek(0)
    head = stream.read(12)
    at = 12
    has_samples = False
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        while len(chunk := stream.read(8)) == 8:
            name, length = chunk[:4], int.from_bytes(chunk[4:], "little")
            if has_samples and not (name.isascii() and name.decode("latin-1").isprintable()):
                return at
            has_samples = has_samples or (name == b"data" and length > 0)
            at += 8 + length + length % 2
            if at >= size:
                break
            stream.seek(at)
    return size
