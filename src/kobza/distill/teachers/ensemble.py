"""The three teachers as one: an AudioSet tagger and two taggers of popular music."""

from pathlib import Path

import torch
from torch import nn

from kobza.distill.augment import DualRateAudio
from kobza.distill.teachers.efficientat import Teacher, TeacherOutput
from kobza.distill.teachers.musicnn import Musicnn


class Teachers(nn.Module):
    """Logits of 527 AudioSet labels, 50 MSD tags and 50 MTT tags; embedding and cells are the first teacher's."""

    def __init__(self, tagger: Teacher, msd: Musicnn, mtt: Musicnn):
        super().__init__()
        self.tagger = tagger
        self.msd = msd
        self.mtt = mtt

    @classmethod
    def load(cls, weights: Path, wheel: Path) -> "Teachers":
        """From `mn04_as_mAP_432.pt` and musicnn's wheel; FileNotFoundError, ValueError as of the teachers' own."""
        return cls(Teacher.load(weights), Musicnn.load(wheel, "MSD"), Musicnn.load(wheel, "MTT"))

    @torch.inference_mode()
    def forward(self, audio: DualRateAudio) -> TeacherOutput:
        output = self.tagger(audio.teacher)
        tags = [self.msd(audio.student), self.mtt(audio.student)]
        return output._replace(logits=torch.cat([output.logits, *tags], 1))
