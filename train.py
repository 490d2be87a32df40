"""Train a model from a recipe: `accelerate launch train.py model_6 --data FOLDER`, or `python train.py --help`."""

import sys

from kobza.training.run import main

if __name__ == "__main__":
    sys.exit(main())
