"""library/search"""
