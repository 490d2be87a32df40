"""The teacher: EfficientAT's `mn04_as`, an AudioSet tagger of one million parameters (arXiv 2211.04772, MIT).

It labels training audio and is then left behind: no checkpoint of Kobza holds or is converted from its weights. The
network is MobileNetV3-Large (arXiv 1905.02244, table 1) at width 0.4 over a 32 kHz log-mel spectrogram.
"""

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.compliance.kaldi import get_mel_banks

TEACHER_RATE = 32_000
N_FFT, WINDOW, HOP, MELS, HIGH_HZ = 1024, 800, 320, 128, 15_000.0

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
    """`logits` (n, 527); `embedding` (n, 384), the pooled last map; `cells` (n, 64, 4, t), the map before its last 1x1
    convolution, a cell per 32 mel bands and 0.32 s."""

    logits: Tensor
    embedding: Tensor
    cells: Tensor


def _eights(channels: float) -> int:
    """Channel numbers are multiples of 8, never more than a tenth below the exact value."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _conv(inputs: int, outputs: int, kernel: int, act: type[nn.Module] | None, stride: int = 1, groups: int = 1):
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    layers = [conv, nn.BatchNorm2d(outputs, eps=1e-3)]
    return nn.Sequential(*layers, act()) if act else nn.Sequential(*layers)


class _Squeeze(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        inner = nn.Module()
        inner.fc1 = nn.Linear(channels, _eights(channels // 4))
        inner.fc2 = nn.Linear(_eights(channels // 4), channels)
        self.conc_se_layers = nn.ModuleList([inner])  # the published file's name for it

    def forward(self, x: Tensor) -> Tensor:  # (n, c, f, t)
        inner = self.conc_se_layers[0]
        gate = torch.sigmoid(inner.fc2(F.relu(inner.fc1(x.mean((2, 3))))))
        return x * gate[:, :, None, None]


class _Block(nn.Module):
    def __init__(self, inputs, kernel, expanded, outputs, squeeze, swish, stride):
        super().__init__()
        act = nn.Hardswish if swish else nn.ReLU
        layers = [_conv(inputs, expanded, 1, act)] if expanded != inputs else []
        layers.append(_conv(expanded, expanded, kernel, act, stride, groups=expanded))
        if squeeze:
            layers.append(_Squeeze(expanded))
        layers.append(_conv(expanded, outputs, 1, None))
        self.block = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.residual else self.block(x)


class Teacher(nn.Module):
    """The tagger in eval mode. `Teacher.load(path)` reads the published state dict."""

    def __init__(self, width: float = 0.4, classes: int = 527):
        super().__init__()
        channels = _eights(16 * width)
        layers: list[nn.Module] = [_conv(1, channels, 3, nn.Hardswish, stride=2)]
        for kernel, expanded, outputs, squeeze, swish, stride in _BLOCKS:
            shape = (kernel, _eights(expanded * width), _eights(outputs * width), squeeze, swish, stride)
            layers.append(_Block(channels, *shape))
            channels = shape[2]
        last = 6 * channels
        layers.append(_conv(channels, last, 1, nn.Hardswish))
        self.features = nn.Sequential(*layers)
        hidden = _eights(1280 * width)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(last, hidden),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(hidden, classes),
        )
        banks, _ = get_mel_banks(MELS, N_FFT, TEACHER_RATE, 0.0, HIGH_HZ, 100.0, -500.0, 1.0)
        self.register_buffer("banks", F.pad(banks, (0, 1)), persistent=False)  # (mels, n_fft // 2 + 1)
        self.register_buffer("window", torch.hann_window(WINDOW, periodic=False), persistent=False)
        self.eval().requires_grad_(False)

    @classmethod
    def load(cls, path: str | Path) -> "Teacher":
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"The teacher's weights are not at {path}: get mn04_as_mAP_432.pt from EfficientAT's release page."
            )
        teacher = cls()
        teacher.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
        return teacher

    def log_mel(self, waveform: Tensor) -> Tensor:
        """32 kHz mono in [-1, 1], (n, samples) -> (n, 1, 128, frames), a frame per 10 ms."""
        emphasised = waveform[:, 1:] - 0.97 * waveform[:, :-1]
        spectrum = torch.stft(emphasised, N_FFT, HOP, WINDOW, self.window, center=True, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        return ((self.banks @ power + 1e-5).log() + 4.5).div(5)[:, None]

    def forward(self, waveform: Tensor) -> TeacherOutput:
        """32 kHz mono, (n, samples) -> `TeacherOutput`."""
        cells = self.features[:-1](self.log_mel(waveform))
        last = self.features[-1](cells)
        return TeacherOutput(self.classifier(last), last.mean((2, 3)), cells)
