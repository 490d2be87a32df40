"""`python -m kobza.training RECIPE [--setting value ...]`: train.py, where only the package is installed."""

import sys

from kobza.extras import exit_unless

if __name__ == "__main__":
    with exit_unless("Training", "train"):
        from kobza.training.run import main
    sys.exit(main())
