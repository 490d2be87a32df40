"""Sentences and recordings to the inputs of a Kobza model: a tokenizer and a feature extractor."""

from typing import Any, TypedDict

import torch
from transformers import BatchFeature, ProcessorMixin
from transformers.processing_utils import ProcessingKwargs, TextKwargs

from .feature_extraction_kobza import check_return_tensors

MAX_TOKENS = 512  # BERT has no position beyond; a tokenizer without a limit of its own says 1e30
# Arguments that both take; outside audio_kwargs and common_kwargs they are the tokenizer's only
TOKENIZER_FIRST = {"padding", "truncation", "max_length", "pad_to_multiple_of", "return_attention_mask"}
# transformers' arguments for sentences with audio inside, which Kobza has not
INTERLEAVED_ONLY = {"return_mm_token_type_ids", "return_text_replacement_offsets"}


class KobzaAudioKwargs(TypedDict, total=False):
    """Arguments of `KobzaFeatureExtractor` other than the audio."""

    sampling_rate: int | None
    return_tensors: str | None
    channels_first: bool
    padding: bool | str | None
    truncation: bool | None
    max_length: int | None
    pad_to_multiple_of: int | None
    return_attention_mask: bool | None
    device: str | torch.device | None


class KobzaProcessorKwargs(ProcessingKwargs, total=False):
    audio_kwargs: KobzaAudioKwargs  # type: ignore[misc]  # narrower than the base's, as transformers' processors do


class KobzaProcessor(ProcessorMixin):
    """`KobzaFeatureExtractor` for recordings and a BERT tokenizer for sentences.

    Args:
        feature_extractor (`KobzaFeatureExtractor`)
        tokenizer (`PreTrainedTokenizerBase`)
    """

    valid_processor_kwargs = KobzaProcessorKwargs  # type: ignore[assignment]  # a TypedDict class of the same kind
    text_kwargs = {"padding": True, "truncation": True, "return_tensors": "pt"}  # noqa: RUF012 (transformers' own name)

    def __init__(self, feature_extractor: Any, tokenizer: Any) -> None:
        super().__init__(feature_extractor, tokenizer)

    def __call__(self, text: str | list[str] | None = None, audio: Any = None, **kwargs: Any) -> BatchFeature:
        """Prepare sentences, recordings, or both.

        Args:
            text: a sentence or a list of them; longer ones than the text tower can read (512 tokens) are cut.
            audio: see `KobzaFeatureExtractor`; a 2-D array is refused there unless `channels_first=True`.
            sampling_rate, channels_first, device: the feature extractor's.
            padding, truncation, max_length, pad_to_multiple_of, return_attention_mask: the tokenizer's, by default
                padding=True and truncation=True; the feature extractor's are given in `audio_kwargs`.
            return_tensors: "pt" (default), "np" or None.
            text_kwargs, audio_kwargs, common_kwargs (`dict`): arguments for the tokenizer, the feature extractor, both.

        Returns:
            `BatchFeature` with `input_ids`, `attention_mask` (and `token_type_ids`) for text, `input_values` and
            `window_counts` for audio: the arguments of `KobzaModel.forward`.

        Raises:
            ValueError: neither was given, the text is not text, or the audio not audio; an argument given twice.
            TypeError: an argument that neither takes.
        """
        for name in ("audios", "raw_speech"):
            if name in kwargs:
                raise ValueError(f"KobzaProcessor takes recordings as audio=..., not as {name}=...")
        if text is None and audio is None:
            raise ValueError("KobzaProcessor got neither text nor audio: pass text=..., audio=..., or both.")
        text_kwargs, audio_kwargs = self._split_arguments(kwargs)
        inputs = {} if text is None else dict(self.tokenizer(check_text(text), **text_kwargs))
        if audio is not None:
            inputs.update(self.feature_extractor(audio, **audio_kwargs))
        return BatchFeature(inputs)

    def _split_arguments(self, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The arguments of a call -> the tokenizer's and the feature extractor's."""
        nested: dict[str, dict] = {
            name: given.get(name) or {} for name in ("text_kwargs", "audio_kwargs", "common_kwargs")
        }
        of_text = set(TextKwargs.__annotations__) - INTERLEAVED_ONLY
        of_audio = set(KobzaAudioKwargs.__annotations__)
        for names, allowed, where in (
            (given, of_text | of_audio | set(nested), ""),
            (nested["text_kwargs"], of_text, " in text_kwargs"),
            (nested["audio_kwargs"], of_audio, " in audio_kwargs"),
            (nested["common_kwargs"], of_text & of_audio, " in common_kwargs"),
        ):
            for name in names:
                if name not in allowed:
                    raise TypeError(f"KobzaProcessor got an unexpected argument {name!r}{where}.")
        merged = self._merge_kwargs(tokenizer_init_kwargs=self.tokenizer.init_kwargs, **given)
        text_kwargs: dict[str, Any] = dict(merged["text_kwargs"])
        audio_kwargs: dict[str, Any] = dict(merged["audio_kwargs"])
        check_return_tensors(text_kwargs["return_tensors"])
        for_audio = nested["audio_kwargs"].keys() | nested["common_kwargs"].keys()
        audio_kwargs = {
            name: value for name, value in audio_kwargs.items() if name not in TOKENIZER_FIRST or name in for_audio
        }

        longest = min(self.tokenizer.model_max_length, MAX_TOKENS)
        is_given = any("max_length" in names for names in (given, nested["text_kwargs"], nested["common_kwargs"]))
        if not is_given and text_kwargs["padding"] != "max_length":
            text_kwargs["max_length"] = None  # a limit that was saved with the tokenizer is not the caller's
        if (text_kwargs.get("max_length") or 0) > longest:
            raise ValueError(
                f"max_length is {text_kwargs['max_length']}, but the text tower reads {longest} tokens at most."
            )
        if text_kwargs["truncation"] or text_kwargs["padding"] == "max_length":
            text_kwargs["max_length"] = text_kwargs.get("max_length") or longest
        return text_kwargs, audio_kwargs

    def save_pretrained(self, save_directory: Any, push_to_hub: bool = False, **kwargs: Any) -> Any:
        saved = super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)
        vars(self).pop("auto_map", None)  # saving sets it, but loading does not: the objects would differ
        return saved


def check_text(text: Any) -> list[str]:
    sentences = [text] if isinstance(text, str) else text
    if not isinstance(sentences, (list, tuple)) or not sentences or not all(isinstance(s, str) for s in sentences):
        raise ValueError(f"The text must be a sentence or a list of sentences, but is {text!r:.80}.")
    return list(sentences)


KobzaProcessor.register_for_auto_class()
