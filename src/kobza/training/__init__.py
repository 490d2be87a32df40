"""Training from a recipe: the thesis's experiments, and anyone's own pairs."""
