"""Filters: conditions on tags, path and date, as text, as a tree and as SQL."""
