"""distill/corpus"""
