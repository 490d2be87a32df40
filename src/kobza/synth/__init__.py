"""Synthetic music: pieces that are composed, rendered with numpy and captioned, without third-party rights."""
