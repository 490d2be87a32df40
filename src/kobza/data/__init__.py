"""Captioned music: data sets and made pieces."""
