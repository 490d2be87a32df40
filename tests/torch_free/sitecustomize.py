"""Python runs this as it starts, where this folder is on its path: $TORCH says what becomes of torch and its company.

hidden   they are not installed, as far as any import can tell
watched  they are; a process that has imported one of them says so in the file $TORCH_LOG as it ends
"""

import atexit
import os
import sys
from importlib.machinery import PathFinder

NAMES = ("torch", "torchaudio", "transformers")


class WithoutTorch(PathFinder):
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        return None if fullname.partition(".")[0] in NAMES else PathFinder.find_spec(fullname, path, target)


def tell() -> None:
    if imported := [name for name in NAMES if name in sys.modules]:
        with open(os.environ["TORCH_LOG"], "a") as log:
            log.write(f"{sys.argv}: {imported}\n")


if os.environ["TORCH"] == "hidden":
    sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutTorch
else:
    atexit.register(tell)
