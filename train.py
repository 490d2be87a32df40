"""Train a model from a recipe: `accelerate launch train.py model_6 --data FOLDER`, or `python train.py --help`."""

import sys

from kobza.extras import exit_unless

if __name__ == "__main__":
    with exit_unless("train.py", "train"):
        from kobza.training.run import main
    sys.exit(main())
