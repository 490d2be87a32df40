"""Evaluation of embedders: metrics, intervals, sanity checks, the comparison with the thesis."""
