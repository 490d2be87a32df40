"""Where libraries are stored: SQLite with an index of the vectors in a folder, or Milvus."""
