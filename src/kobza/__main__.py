"""`python -m kobza`: the same as the command `kobza`."""

import sys

from kobza.cli import main

if __name__ == "__main__":
    sys.exit(main())
