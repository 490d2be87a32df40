"""library/filters"""
