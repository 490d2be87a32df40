"""How good a checkpoint is, measured."""
