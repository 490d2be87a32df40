"""`python -m kobza.training RECIPE [--setting value ...]`: train.py, where only the package is installed."""

import sys

from kobza.training.run import main

if __name__ == "__main__":
    sys.exit(main())
