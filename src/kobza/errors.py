"""The class that all of Kobza's own errors have in common."""


class KobzaError(ValueError):
    """Something that Kobza cannot do. The message is one sentence for its user: what, where, and what to do.

    Attributes:
        code: a name by which a page in another language knows the sentence, and
        values: what stands in the sentence's places there; "" and {} for most errors.
    """

    def __init__(self, message: str = "", code: str = "", **values: str | float):
        super().__init__(message)
        self.code = code
        self.values = values
