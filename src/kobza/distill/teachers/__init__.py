"""distill/teachers"""
