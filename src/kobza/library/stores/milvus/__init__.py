"""A library in a Milvus database."""
