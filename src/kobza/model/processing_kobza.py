"""Sentences and recordings to the inputs of a Kobza model: a tokenizer and a feature extractor under one roof."""

from transformers import BatchFeature, ProcessorMixin

MAX_TOKENS = 512  # BERT has no position beyond; a tokenizer without a limit of its own says 1e30


class KobzaProcessor(ProcessorMixin):
    """`KobzaFeatureExtractor` for recordings and a BERT tokenizer for sentences.

    Args:
        feature_extractor (`KobzaFeatureExtractor`)
        tokenizer (`PreTrainedTokenizerBase`)
    """

    def __init__(self, feature_extractor, tokenizer):
        super().__init__(feature_extractor, tokenizer)

    def __call__(
        self,
        text: str | list[str] | None = None,
        audio=None,
        sampling_rate: int | None = None,
        return_tensors: str | None = "pt",
        padding: bool | str = True,
    ) -> BatchFeature:
        """Sentences, recordings, or both.

        Args:
            text: a sentence or a list of them; longer ones than the text tower can read (512 tokens) are cut.
            audio, sampling_rate: see `KobzaFeatureExtractor`.
            return_tensors: "pt" or "np".
            padding: the tokenizer's.

        Returns:
            `BatchFeature` with `input_ids`, `attention_mask` (and `token_type_ids`) for text, `input_values` and
            `window_counts` for audio: the arguments of `KobzaModel.forward`.

        Raises:
            ValueError: neither was given, or the text is no text, or the audio no audio.
        """
        if text is None and audio is None:
            raise ValueError("KobzaProcessor got neither text nor audio: pass text=..., audio=..., or both.")
        inputs = {}
        if text is not None:
            sentences = [text] if isinstance(text, str) else text
            if (
                not isinstance(sentences, (list, tuple))
                or not sentences
                or not all(isinstance(s, str) for s in sentences)
            ):
                raise ValueError(f"The text must be a sentence or a list of sentences, but is {text!r:.80}.")
            longest = min(self.tokenizer.model_max_length, MAX_TOKENS)
            inputs.update(
                self.tokenizer(
                    list(sentences), padding=padding, truncation=True, max_length=longest, return_tensors=return_tensors
                )
            )
        if audio is not None:
            inputs.update(self.feature_extractor(audio, sampling_rate, return_tensors=return_tensors))
        return BatchFeature(inputs)


KobzaProcessor.register_for_auto_class()
