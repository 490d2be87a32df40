"""A file system that ignores case and the composition of accents in names but keeps both, as on macOS and SMB shares.

python folding_disc.py BACKING MOUNT {own,new}-inodes    shows the folder BACKING at MOUNT until it is unmounted
"""

import errno
import os
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FIELDS = ("st_mode", "st_ino", "st_nlink", "st_size", "st_uid", "st_gid")
TIMES = ("st_mtime", "st_atime", "st_ctime")


@contextmanager
def mounted(backing: Path, mount: Path, inodes: str) -> Iterator[bool]:
    """Mounts it for a block; False if that cannot be done here."""
    child = subprocess.Popen([sys.executable, __file__, backing, mount, inodes], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while child.poll() is None and not os.path.ismount(mount) and time.monotonic() < deadline:
            time.sleep(0.02)
        yield os.path.ismount(mount)
    finally:
        subprocess.run(["umount", "-l", mount], stderr=subprocess.DEVNULL)
        child.terminate()
        child.wait(10)


def fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def attributes(path: str) -> dict[str, int]:
    status = os.lstat(path)
    return {name: getattr(status, name) for name in FIELDS} | {name: getattr(status, f"{name}_ns") for name in TIMES}


def serve(backing: str, mount: str, inodes: str) -> None:
    import mfusepy

    class FoldingDisc(mfusepy.Operations):
        use_ns = True

        def _find(self, path: str) -> str:
            current = backing
            for part in filter(None, path.split("/")):
                same = [name for name in os.listdir(current) if fold(name) == fold(part)]
                if not same:
                    raise mfusepy.FuseOSError(errno.ENOENT)
                current = os.path.join(current, same[0])
            return current

        def getattr(self, path, fh=None):
            return attributes(self._find(path))

        def readdir(self, path, fh):
            folder = self._find(path)
            return [(name, attributes(os.path.join(folder, name)), 0) for name in [".", "..", *os.listdir(folder)]]

        def open(self, path, flags):
            return os.open(self._find(path), os.O_RDONLY)

        def read(self, path, size, offset, fh):
            return os.pread(fh, size, offset)

        def release(self, path, fh):
            os.close(fh)
            return 0

    options = {"use_ino": True} if inodes == "own-inodes" else {}
    mfusepy.FUSE(
        FoldingDisc(), mount, foreground=True, nothreads=True, ro=True, attr_timeout=0, entry_timeout=0, **options
    )


if __name__ == "__main__":
    serve(*sys.argv[1:])
