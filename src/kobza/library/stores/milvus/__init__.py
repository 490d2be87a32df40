"""library/stores/milvus"""
