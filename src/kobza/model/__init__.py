"""The published files: exactly what every checkpoint receives, so that transformers can load it without kobza."""
