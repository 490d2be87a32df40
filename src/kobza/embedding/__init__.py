"""Models that embed sentences and recordings into one space: one interface (`embedder`), and its implementations."""
