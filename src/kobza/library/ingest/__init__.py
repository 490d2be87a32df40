"""library/ingest"""
