"""Where libraries are stored: SQLite with FAISS in a folder, or Milvus."""
