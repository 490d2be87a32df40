"""Receiving visitors' clips: how many at once, how much on the disc, one after another through the model."""

import asyncio
import contextlib
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath
from typing import BinaryIO

from fastapi import Request
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from kobza.folders import temporary_folder
from kobza.webui.clips import Clip, ClipError

MAX_CLIP_BYTES = 60 * 1024 * 1024
MAX_BYTES = 400 * 1024 * 1024  # on the disc, of all clips that come or wait
MAX_CLIPS_AT_ONCE = 12  # that come or wait; the last one waits for a quarter of a minute
MAX_OF_A_VISITOR = 2
MAX_SECONDS = 120.0  # for sending a clip
DRAIN_BYTES = 2 * MAX_CLIP_BYTES
DRAIN_SECONDS = 20.0
DRAINS_AT_ONCE = 4
DRAIN_BYTES_PER_SECOND = 16e6  # of each


class Uploads:
    """The clips that come or wait. Lives in the server's event loop; one thread listens to them."""

    def __init__(self, embed: Callable[[BinaryIO, str, Callable[[], bool]], Clip], is_open: Callable[[], bool]):
        """is_open: False while the server ends; then no further clip is listened to, and those that wait are left."""
        self._embed = embed
        self._is_open = is_open
        self._visitors: Counter[str] = Counter()
        self._bytes = 0
        self._drains = asyncio.Semaphore(DRAINS_AT_ONCE)
        self._listener = ThreadPoolExecutor(1, "kobza-clips")

    async def listen(self, request: Request, who: str, name: str) -> Clip:
        """The clip in the body of a request, raw or the first file of a form.

        Raises:
            ClipError: it cannot be used, is over a limit (status 413, 429), or took too long (408).
        """
        try:
            return await self._listened(request, who, PurePath(name.replace("\\", "/")).name or name)
        except ClipError:
            await self._drain(request)
            raise

    async def _drain(self, request: Request) -> None:
        """Read on for a while, because a browser that cannot send all of a clip shows no answer; few at once, and no
        faster than leaves time for searches."""
        drained = 0
        with contextlib.suppress(ClientDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS), self._drains:
                async for chunk in request.stream():
                    drained += len(chunk)
                    if drained > DRAIN_BYTES:
                        return
                    await asyncio.sleep(len(chunk) / DRAIN_BYTES_PER_SECOND)

    async def _listened(self, request: Request, who: str, name: str) -> Clip:
        with self._place(who):
            received = 0

            async def body() -> AsyncIterator[bytes]:
                nonlocal received
                async for chunk in request.stream():
                    received += len(chunk)
                    self._bytes += len(chunk)
                    if received > MAX_CLIP_BYTES:
                        raise _too_large()
                    if self._bytes > MAX_BYTES:
                        raise ClipError("clips_busy", 429, retry_after=10)
                    yield chunk

            if int(request.headers.get("content-length", "0")) > MAX_CLIP_BYTES + 10_000:  # of a form's own lines
                raise _too_large()
            try:
                async with asyncio.timeout(MAX_SECONDS):
                    file, name = await _received(request, body(), name)
                with file:
                    return await self._heard(request, file, name)
            except TimeoutError:
                raise ClipError("clip_slow", 408, n=round(MAX_SECONDS)) from None
            except ClientDisconnect:
                raise ClipError("clip_incomplete") from None
            finally:
                self._bytes -= received

    @contextlib.contextmanager
    def _place(self, who: str) -> Iterator[None]:
        if self._visitors[who] >= MAX_OF_A_VISITOR:
            raise ClipError("clip_pending", 429, retry_after=5)
        if self._visitors.total() >= MAX_CLIPS_AT_ONCE or not self._is_open():
            raise ClipError("clips_busy", 429, retry_after=10)
        self._visitors[who] += 1
        try:
            yield
        finally:
            self._visitors[who] -= 1
            if not self._visitors[who]:
                del self._visitors[who]

    async def _heard(self, request: Request, file: BinaryIO, name: str) -> Clip:
        has_left = threading.Event()

        def is_wanted() -> bool:
            return self._is_open() and not has_left.is_set()

        def embed() -> Clip:
            if not is_wanted():
                raise ClipError("clip_unwanted")
            return self._embed(file, name, is_wanted)

        async def leave() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            has_left.set()

        leaving = asyncio.create_task(leave())
        try:
            return await asyncio.get_running_loop().run_in_executor(self._listener, embed)
        finally:
            leaving.cancel()


def _too_large() -> ClipError:
    return ClipError("clip_large", 413, n=MAX_CLIP_BYTES // 1024**2)


async def _received(request: Request, body: AsyncIterator[bytes], name: str) -> tuple[BinaryIO, str]:
    """A file that holds the clip, and its name."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        try:
            form = await MultiPartParser(request.headers, body, max_files=1, max_fields=4).parse()  # type: ignore[arg-type]
        except MultiPartException:
            raise ClipError("clip_form") from None
        files = [value for value in form.values() if not isinstance(value, str)]
        if not files:
            raise ClipError("clip_missing")
        return files[0].file, files[0].filename or name
    file = tempfile.TemporaryFile(dir=temporary_folder("clips"))  # noqa: SIM115
    try:
        async for chunk in body:
            file.write(chunk)
    except BaseException:
        file.close()
        raise
    if not file.tell():
        file.close()
        raise ClipError("clip_missing")
    file.seek(0)
    return file, name
