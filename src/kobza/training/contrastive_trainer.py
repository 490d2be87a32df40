"""transformers' Trainer with a loss of pairs, whose negatives come from all processes, and the metrics of retrieval."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import EvalPrediction

from kobza.evaluation.metrics import rank_metrics, ranks
from kobza.model.modeling_kobza import KobzaModel
from kobza.training.distributed import all_gather_with_grad
from kobza.training.losses import KeyLogits, weighted_key_loss, weighted_loss
from kobza.training.negatives_bank import EmbeddedPairs, NegativesBank
from kobza.training.optimization import OptimizingTrainer
from kobza.training.recording_keys import key_numbers, same_recording

NOT_FOR_THE_MODEL = ("keys", "captions")


class ContrastiveTrainer(OptimizingTrainer):
    """`Trainer` on batches of pairs.

    Args:
        losses: their names and weights; by default the model's `loss_type`.
    """

    model: KobzaModel

    def __init__(self, model: KobzaModel, *args: Any, losses: Mapping[str, float] | None = None, **kwargs: Any):
        super().__init__(model, *args, compute_metrics=self.retrieval_metrics, **kwargs)
        self.losses = losses or {model.config.loss_type: 1.0}
        if self.args.negatives_bank < 0:
            raise ValueError(
                f"--negatives_bank is {self.args.negatives_bank}: give how many pairs to keep as negatives, or 0."
            )
        self.bank: NegativesBank | None = None

    def train(self, *args: Any, **kwargs: Any) -> Any:
        if self.args.negatives_bank:
            self.bank = NegativesBank(self.args.negatives_bank, self.model)
            self.averages.append(self.bank.average)
        return super().train(*args, **kwargs)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Towers -> embeddings -> those of all processes -> the loss of the whole batch, the same in every process."""
        named = {name: value for name, value in inputs.items() if name not in NOT_FOR_THE_MODEL}
        recordings = self._gathered(inputs["keys"])
        keys = None
        if self.bank is not None:
            captions = self._gathered(inputs["captions"]) if "captions" in inputs else recordings
            keys = EmbeddedPairs(*self._keys(self.bank, model, named), recordings, captions)
        outputs = model(**named)
        text, audio = all_gather_with_grad(outputs.text_embeds), all_gather_with_grad(outputs.audio_embeds)
        if self.bank is None or keys is None:
            loss = self.contrastive_loss(text, audio, recordings)
        else:
            loss = weighted_key_loss(self.losses, self._key_logits(text, audio, keys, self.bank.add(keys)))
        return (loss, outputs) if return_outputs else loss

    def _gathered(self, texts: list[str]) -> torch.Tensor:
        """Numbers of the texts of all processes."""
        numbers: torch.Tensor = self.accelerator.gather(key_numbers(texts).to(self.args.device))
        return numbers

    @torch.no_grad()
    def _keys(self, bank: NegativesBank, model: Any, inputs: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch embedded by the averaged weights. Call it before the pass whose gradients need the others."""
        model.eval()  # without dropout; and BatchNorm counts a batch once
        with bank.average.applied():
            outputs = model(**inputs)
        model.train()
        return self.accelerator.gather(outputs.text_embeds), self.accelerator.gather(outputs.audio_embeds)

    def _key_logits(
        self, text: torch.Tensor, audio: torch.Tensor, batch: EmbeddedPairs, keys: EmbeddedPairs
    ) -> KeyLogits:
        model = self.plain_model()
        text_logits = model.similarity(text, keys.audio)
        # not `similarity` again, which changes a learned temperature in place, although gradients need it as it was
        with torch.autocast(audio.device.type, enabled=False):
            audio_logits = (audio @ keys.text.t()) * model.logit_scale.float().exp()
        if model.logit_bias is not None:
            audio_logits = audio_logits + model.logit_bias.float()
        return KeyLogits(text_logits, audio_logits, batch.same(keys))

    def contrastive_loss(self, text: torch.Tensor, audio: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """The loss of n pairs, from their embeddings (n, dim) and (n, dim), and the numbers of their keys (n,)."""
        return weighted_loss(self.losses, self.plain_model().similarity(text, audio), same_recording(keys))

    def plain_model(self) -> KobzaModel:
        """The model without what compiles and distributes it."""
        model: KobzaModel = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        return model

    @torch.no_grad()
    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """A batch's embeddings and keys, without a loss: `retrieval_metrics` computes it from all of them."""
        inputs = dict(self._prepare_inputs(inputs))
        keys = key_numbers(inputs["keys"]).to(self.args.device)
        outputs = model(**{name: value for name, value in inputs.items() if name not in NOT_FOR_THE_MODEL})
        return None, (outputs.text_embeds, outputs.audio_embeds), keys

    def retrieval_metrics(self, prediction: EvalPrediction) -> dict[str, float]:
        """`loss`, and R@1, R@5, R@10, MeanR, MedR, mAP10 of text -> music; of music -> text with `music_to_text_`.

        The loss is that of the whole set as one batch. A contrastive loss grows with the number of negatives, so a mean
        over batches would depend on the batch size, the number of processes and the size of the last batch, and early
        stopping with it; this one depends on the weights alone. It is therefore higher than the training loss, whose
        batches are smaller.
        """
        embeds: Any = prediction.predictions  # two arrays, where the annotation says one
        text, audio = embeds
        device = self.accelerator.device
        keys = np.asarray(prediction.label_ids)
        _, first, recording = np.unique(keys, return_index=True, return_inverse=True)
        loss = 0.0  # where there is one recording, and nothing to compare it with
        if len(first) > 1:
            loss = self.contrastive_loss(
                *(torch.from_numpy(values).to(device) for values in (text, audio, keys))
            ).item()
        similarity = text @ audio[first].T  # (captions, recordings): a recording with several captions appears once
        relevant = recording[:, None] == np.arange(len(first))
        music_to_text = rank_metrics(ranks(similarity.T, relevant.T))
        return {
            "loss": loss,
            **rank_metrics(ranks(similarity, relevant)),
            **{f"music_to_text_{name}": value for name, value in music_to_text.items()},
        }

    # The bank in a checkpoint

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.bank is not None:
            self.bank.load(Path(resume_from_checkpoint), self.args.device)

    def _save_checkpoint(self, model, trial):
        super()._save_checkpoint(model, trial)
        if self.bank is not None and self.args.should_save:
            self.bank.save(self.checkpoint_folder())
