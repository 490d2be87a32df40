"""The Space: `kobza serve` under the name that the Hub looks for. From a clone: `python spaces/app.py`."""

import sys

from kobza.cli import main

sys.exit(main(["serve", *sys.argv[1:]]))
