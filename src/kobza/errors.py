"""The class that all of Kobza's own errors have in common."""


class KobzaError(ValueError):
    """Something that Kobza cannot do. The message is one sentence for its user: what, where, and what to do.

    Attributes:
        code: identifies the sentence, so that a page in another language can translate it; "" for most errors.
        values: what fills the placeholders of the translation.
    """

    def __init__(self, message: str = "", code: str = "", **values: str | float):
        super().__init__(message)
        self.code = code
        self.values = values
