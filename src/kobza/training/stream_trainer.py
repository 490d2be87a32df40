"""transformers' Trainer for streams: how far they are read, which recordings were trained on, and resuming there."""

import copy
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list, gather_object
from torch.utils.data import DataLoader
from transformers import TrainerState

from kobza.training.contrastive_trainer import ContrastiveTrainer
from kobza.training.stream_recordings import TrainedRecordings
from kobza.training.stream_state import StreamState
from kobza.training.streaming import PairStream


class StreamTrainer(ContrastiveTrainer):
    """Trains on a `PairStream`, whose batches have `position` and `recordings`; on any other set as its base does."""

    train_dataset: Any

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.stream_state: StreamState | None = None
        self.recordings: TrainedRecordings | None = None  # of this process

    def train(self, resume_from_checkpoint: Any = None, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self.train_dataset, PairStream):
            self.args.ignore_data_skip = True  # the stream itself goes on where it stopped
            self._start_stream(Path(resume_from_checkpoint) if resume_from_checkpoint else None)
            self.train_dataset.state = copy.deepcopy(self.stream_state)
        return super().train(resume_from_checkpoint, *args, **kwargs)

    def _start_stream(self, checkpoint: Path | None) -> None:
        rank, processes = self.args.process_index, self.args.world_size
        workers = max(1, self.args.dataloader_num_workers)
        if checkpoint is None:
            self.stream_state, self.recordings = StreamState(processes, workers), TrainedRecordings()
        else:
            self.stream_state = StreamState.load(checkpoint, rank, processes, workers)
            self.recordings = TrainedRecordings.load(checkpoint, rank, processes)

    def training_step(self, model, inputs, num_items_in_batch=None):
        position, recordings = inputs.pop("position", None), inputs.pop("recordings", None)
        if self.stream_state is not None and self.recordings is not None and position is not None:
            self.stream_state.add(position)
            self.recordings.add(recordings)
        return super().training_step(model, inputs, num_items_in_batch)

    def get_train_dataloader(self) -> DataLoader:
        if not isinstance(self.train_dataset, PairStream):
            return super().get_train_dataloader()
        return DataLoader(  # not prepared by accelerate, which would divide among processes what the stream has divided
            self.train_dataset,
            batch_size=self.args.per_device_train_batch_size,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
            generator=torch.Generator(),  # its own: a resumed run starts a loader more, and must draw no more
        )

    def skipped_in_stream(self) -> int:
        """Examples of a stream that could not be used, in all processes."""
        return sum(gather_object([self.stream_state.skipped if self.stream_state else 0]))

    def recordings_of_stream(self) -> TrainedRecordings | None:
        """Those of all processes that the present weights, of the last step or the best one, were trained on; None
        without a stream. Every process calls it; the first one gets all of them, the others less."""
        if self.recordings is None:
            return None
        own, best = self.recordings, self.state.best_model_checkpoint
        if self.args.load_best_model_at_end and best is not None and Path(best).is_dir():
            own = TrainedRecordings.load(Path(best), self.args.process_index, self.args.world_size)
        whole = TrainedRecordings()
        for rank in range(self.args.world_size):  # one after the other, since all together may be large
            part: list = [own if rank == self.args.process_index else None]
            broadcast_object_list(part, from_process=rank)
            whole.is_complete &= part[0].is_complete
            if self.args.process_index == 0:
                whole.add(part[0].rows)
        return whole

    def restore_finished(self, state: TrainerState, checkpoint: Path) -> None:
        """Adopt the state of a run that had finished with this checkpoint, and the weights that `train` ended with."""
        self.state = state
        if isinstance(self.train_dataset, PairStream):
            self._start_stream(checkpoint)
        if self.args.load_best_model_at_end and state.best_model_checkpoint is not None:
            self._load_best_model()
        else:
            self._load_from_checkpoint(str(checkpoint))

    def _save_checkpoint(self, model, trial):
        super()._save_checkpoint(model, trial)
        if self.stream_state is not None and self.recordings is not None:
            folder, rank = self.checkpoint_folder(), self.args.process_index
            self.stream_state.save(folder, rank)
            self.recordings.save(folder, rank)
