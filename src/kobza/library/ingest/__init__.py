"""Filling a library: finding recordings, embedding them, and moving libraries between stores."""
