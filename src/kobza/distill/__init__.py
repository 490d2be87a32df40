"""Distillation of kobza-mini: a small audio tower learns to reproduce the outputs of three taggers.

The text side (`label_space`) comes from captions and AudioSet labels, the audio side (`student`) from the taggers'
outputs (`teachers`) over audio that `corpus` collects. `python -m kobza.distill --help` lists the stages.
"""
