"""library/stores"""
