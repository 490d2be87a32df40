"""`layout.layout` as a program: float32 vectors of a given length from standard input, positions to standard output."""

import contextlib
import os
import sys

# One core, whatever the machine has: set before numpy and scikit-learn look.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np

from kobza.webui.map.layout import layout

NICENESS = 5  # not more: on a busy machine it would never end


def main() -> None:
    with contextlib.suppress(OSError, AttributeError):  # there is no niceness everywhere
        os.nice(NICENESS)
    vectors = np.frombuffer(sys.stdin.buffer.read(), np.float32).reshape(-1, int(sys.argv[1]))
    sys.stdout.buffer.write(layout(vectors).astype(np.float32).tobytes())


if __name__ == "__main__":
    main()
