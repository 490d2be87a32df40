"""Captioned and labelled data sets: load, split, check and download them."""
