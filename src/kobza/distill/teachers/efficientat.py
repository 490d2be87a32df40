"""EfficientAT's `mn04_as`, an AudioSet tagger with one million parameters (arXiv 2211.04772, MIT).

It only labels training audio: no checkpoint of Kobza contains its weights or is converted from them. The network is
MobileNetV3-Large (arXiv 1905.02244, table 1) at width 0.4 over a 32 kHz log-mel spectrogram.
"""

from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.compliance.kaldi import get_mel_banks

from kobza.embedding.checkpoint_folder import one_line

TEACHER_SAMPLING_RATE = 32_000
N_FFT = 1024
WINDOW_SAMPLES = 800
HOP_SAMPLES = 320
N_MELS = 128
MAX_HZ = 15_000.0  # upper edge of the highest mel band

# MobileNetV3-Large: kernel, expanded channels, output channels, squeeze-excitation, hard-swish (else ReLU), stride.
_BLOCKS = [
    (3, 16, 16, False, False, 1),
    (3, 64, 24, False, False, 2),
    (3, 72, 24, False, False, 1),
    (5, 72, 40, True, False, 2),
    (5, 120, 40, True, False, 1),
    (5, 120, 40, True, False, 1),
    (3, 240, 80, False, True, 2),
    (3, 200, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 184, 80, False, True, 1),
    (3, 480, 112, True, True, 1),
    (3, 672, 112, True, True, 1),
    (5, 672, 160, True, True, 2),
    (5, 960, 160, True, True, 1),
    (5, 960, 160, True, True, 1),
]


class TeacherOutput(NamedTuple):
    """What the student is trained on."""

    logits: Tensor  # (n, 527)
    embedding: Tensor  # (n, 384), the last feature map, averaged
    cells: Tensor  # (n, 64, 4, t), the map before the last 1x1 convolution: a cell per 32 mel bands and 0.32 s


def _round_channels(channels: float) -> int:
    """Rounds to a multiple of 8 that is at most a tenth below `channels`, as MobileNet does.

    >>> [_round_channels(0.4 * channels) for channels in (16, 40, 960)]
    [8, 16, 384]
    """
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _conv(
    inputs: int, outputs: int, kernel: int, act: type[nn.Module] | None, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3),
    ]
    if act is not None:
        layers.append(act())
    return nn.Sequential(*layers)


class _ChannelGate(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.fc1 = nn.Linear(channels, _round_channels(channels // 4))
        self.fc2 = nn.Linear(_round_channels(channels // 4), channels)

    def forward(self, x: Tensor) -> Tensor:  # (n, c, f, t) -> (n, c)
        return torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3))))))


class _SqueezeExcitation(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conc_se_layers = nn.ModuleList([_ChannelGate(channels)])  # the name in the released state dict

    def forward(self, x: Tensor) -> Tensor:  # (n, c, f, t)
        return x * self.conc_se_layers[0](x)[:, :, None, None]


class _Block(nn.Module):
    def __init__(self, inputs: int, kernel: int, expanded: int, outputs: int, squeeze: bool, swish: bool, stride: int):
        super().__init__()
        act: type[nn.Module] = nn.Hardswish if swish else nn.ReLU
        layers: list[nn.Module] = [_conv(inputs, expanded, 1, act)] if expanded != inputs else []
        layers.append(_conv(expanded, expanded, kernel, act, stride, groups=expanded))
        if squeeze:
            layers.append(_SqueezeExcitation(expanded))
        layers.append(_conv(expanded, outputs, 1, None))
        self.block = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.residual else self.block(x)


class Teacher(nn.Module):
    """The tagger in eval mode, without gradients."""

    mel_filters: Tensor
    window: Tensor

    def __init__(self, width: float = 0.4, classes: int = 527):
        super().__init__()
        channels = _round_channels(16 * width)
        layers: list[nn.Module] = [_conv(1, channels, 3, nn.Hardswish, stride=2)]
        for kernel, expanded, outputs, squeeze, swish, stride in _BLOCKS:
            block_channels = _round_channels(outputs * width)
            inner_channels = _round_channels(expanded * width)
            layers.append(_Block(channels, kernel, inner_channels, block_channels, squeeze, swish, stride))
            channels = block_channels
        last = 6 * channels
        layers.append(_conv(channels, last, 1, nn.Hardswish))
        self.features = nn.Sequential(*layers)
        hidden = _round_channels(1280 * width)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(last, hidden),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(hidden, classes),
        )
        filters, _ = get_mel_banks(N_MELS, N_FFT, TEACHER_SAMPLING_RATE, 0.0, MAX_HZ, 100.0, -500.0, 1.0)
        self.register_buffer("mel_filters", F.pad(filters, (0, 1)), persistent=False)  # (mels, n_fft // 2 + 1)
        self.register_buffer("window", torch.hann_window(WINDOW_SAMPLES, periodic=False), persistent=False)
        self.eval().requires_grad_(False)

    @classmethod
    def load(cls, path: str | Path) -> "Teacher":
        """Reads the released state dict; raises FileNotFoundError where it is missing, ValueError for another file."""
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"The teacher's weights are not at {path}: download mn04_as_mAP_432.pt from EfficientAT's releases."
            )
        teacher = cls()
        try:
            teacher.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
        except (UnpicklingError, RuntimeError, TypeError, EOFError) as error:
            raise ValueError(
                f"{path} does not hold the teacher's weights ({one_line(error)}): download mn04_as_mAP_432.pt from "
                "EfficientAT's releases."
            ) from error
        return teacher

    def log_mel(self, waveform: Tensor) -> Tensor:
        """32 kHz mono in [-1, 1], (n, samples) -> (n, 1, 128, frames), a frame per 10 ms."""
        emphasized = waveform[:, 1:] - 0.97 * waveform[:, :-1]
        spectrum = torch.stft(
            emphasized, N_FFT, HOP_SAMPLES, WINDOW_SAMPLES, self.window, center=True, return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return ((self.mel_filters @ power + 1e-5).log() + 4.5).div(5)[:, None]

    def forward(self, waveform: Tensor) -> TeacherOutput:
        """32 kHz mono, (n, samples) -> `TeacherOutput`."""
        cells = self.features[:-1](self.log_mel(waveform))
        last = self.features[-1](cells)
        return TeacherOutput(self.classifier(last), last.mean((2, 3)), cells)
