"""What a training run does at its epochs and steps."""

from transformers import TrainerCallback

from kobza.training.streaming import PairStream


class SetEpoch(TrainerCallback):
    """Calls the data set's `set_epoch`; the data loader would call that of the sampler or of the data set, not of both.

    Random crops and texts are drawn by (seed, epoch, index), so a resumed run draws the same as an uninterrupted one.
    """

    def on_epoch_begin(self, args, state, control, **kwargs):
        dataset = kwargs["train_dataloader"].dataset
        if hasattr(dataset, "set_epoch"):
            dataset.set_epoch(int(state.epoch))

    def on_step_end(self, args, state, control, **kwargs):
        """A resumed stream begins where it stopped, which Trainer takes for the beginning of the epoch."""
        if isinstance(kwargs["train_dataloader"].dataset, PairStream):
            state.epoch = state.global_step / state.max_steps
