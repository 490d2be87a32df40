"""Assemble a checkpoint, check it without kobza, push it to the Hub: the same as `kobza push`.

python hub/export.py user/name --dry-run
"""

import sys

from kobza.cli import main

if __name__ == "__main__":
    sys.exit(main(["push", *sys.argv[1:]]))
