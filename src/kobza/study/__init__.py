"""Whole experiments: the models of a study trained with several seeds, evaluated, and shown beside the published."""
