"""Benchmarks: how fast Kobza is (`kobza bench`), how exact its search is, and how good composed queries are."""
