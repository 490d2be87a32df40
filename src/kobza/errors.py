"""The class that all of Kobza's own errors have in common."""


class KobzaError(ValueError):
    """Something that Kobza cannot do. The message is one sentence for its user: what, where, and what to do."""
