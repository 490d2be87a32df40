"""musicnn's two taggers of popular music, MSD and MTT (Pons and Serra, arXiv 1909.06654; ISC), in torch.

They teach what AudioSet's labels lack: genres, decades, moods, and whose voice it is. The weights are read from the
PyPI wheel `musicnn`, whose checkpoints are TensorFlow 1's. As with every teacher, no checkpoint of Kobza contains
these weights or is converted from them.
"""

import zipfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kobza.distill.teachers.tensorflow_checkpoint import read_checkpoint

SAMPLING_RATE = 16_000
N_FFT = 512
HOP_SAMPLES = 256
N_MELS = 96
PATCH_FRAMES = 187  # 3 s, what the taggers were trained on
PATCHES = 3  # of a window: its beginning, middle and end
BATCH_NORM_EPSILON = 1e-3
CACHED_ROWS = 374  # frames in one matrix product on a CPU, so that its operands stay in a core's cache
# In the order of the logits (`configuration.py` of the wheel).
MSD_TAGS = (
    *("rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s", "alternative rock"),
    *("jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul", "indie rock", "Mellow"),
    *("electronica", "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies", "blues", "hard rock", "ambient"),
    *("acoustic", "experimental", "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country", "easy listening"),
    *("sexy", "catchy", "funk", "electro", "heavy metal", "Progressive rock", "60s", "rnb", "indie pop", "sad"),
    *("House", "happy"),
)
MTT_TAGS = (
    *("guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast", "piano", "ambient"),
    *("beat", "violin", "vocal", "synth", "female", "indian", "opera", "male", "singing", "vocals", "no vocals"),
    *("harpsichord", "loud", "quiet", "flute", "woman", "male vocal", "no vocal", "pop", "soft", "sitar", "solo"),
    *("man", "classic", "choir", "voice", "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello"),
    *("no voice", "weird", "country", "metal", "female voice", "choral"),
)


def slaney_mel_filters(sampling_rate: int = SAMPLING_RATE, n_fft: int = N_FFT, mels: int = N_MELS) -> Tensor:
    """Slaney's triangles of unit area, (mels, n_fft // 2 + 1), librosa's default: linear below 1 kHz, then log."""
    step = torch.log(torch.tensor(6.4, dtype=torch.float64)) / 27

    def to_mel(hertz: Tensor) -> Tensor:
        return torch.where(hertz < 1000, hertz * 3 / 200, 15 + torch.log(hertz.clamp_min(1) / 1000) / step)

    def to_hertz(mel: Tensor) -> Tensor:
        return torch.where(mel < 15, mel * 200 / 3, 1000 * torch.exp(step * (mel - 15)))

    bins = torch.linspace(0, sampling_rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    highest = to_mel(torch.tensor(sampling_rate / 2, dtype=torch.float64)).item()
    edges = to_hertz(torch.linspace(0, highest, mels + 2, dtype=torch.float64))
    width = edges.diff()
    rising = (bins - edges[:-2, None]) / width[:-1, None]
    falling = (edges[2:, None] - bins) / width[1:, None]
    area = 2 / (edges[2:] - edges[:-2])
    return (torch.minimum(rising, falling).clamp_min(0) * area[:, None]).float()


class Musicnn(nn.Module):
    """One of the two taggers, in eval mode and without gradients.

    Args:
        tensors: the checkpoint's, by TensorFlow's names.
    """

    def __init__(self, tensors: dict[str, Tensor]):
        super().__init__()

        def numbered(name: str, number: int, part: str) -> Tensor:
            return tensors[f"{name}_{number}/{part}" if number else f"{name}/{part}"]

        for number in range(11):
            parts = ("moving_mean", "moving_variance", "gamma", "beta")
            mean, variance, gamma, beta = (numbered("batch_normalization", number, part) for part in parts)
            scale = gamma / (variance + BATCH_NORM_EPSILON).sqrt()
            self.register_buffer(f"scale{number}", scale)
            self.register_buffer(f"shift{number}", beta - mean * scale)
        for number in range(8):
            self.register_buffer(f"kernel{number}", numbered("conv2d", number, "kernel"))
            self.register_buffer(f"bias{number}", numbered("conv2d", number, "bias"))
        for number in range(2):
            self.register_buffer(f"dense{number}", numbered("dense", number, "kernel"))
            self.register_buffer(f"dense_bias{number}", numbered("dense", number, "bias"))
        self.register_buffer("mel_filters", slaney_mel_filters())
        self.register_buffer("window", torch.hann_window(N_FFT))
        self.eval()

    @classmethod
    def load(cls, wheel: Path, tags: str) -> "Musicnn":
        """Reads the tagger of the `tags` "MSD" or "MTT" from the file `musicnn-0.1.0-py3-none-any.whl`.

        Raises FileNotFoundError where it is missing, ValueError for another file.
        """
        where = "pip download --no-deps musicnn==0.1.0"
        if not wheel.is_file():
            raise FileNotFoundError(f"The music taggers' weights are not at {wheel}: {where}")
        try:
            with zipfile.ZipFile(wheel) as archive:
                index, data = (
                    archive.read(f"musicnn/{tags}_musicnn/{name}") for name in (".index", ".data-00000-of-00001")
                )
            tensors = read_checkpoint(index, data)
            return cls({name: torch.from_numpy(value.copy()) for name, value in tensors.items()})
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise ValueError(f"{wheel} does not hold the weights of musicnn's {tags} tagger: {where}") from error

    def log_mel(self, waveform: Tensor) -> Tensor:
        """16 kHz mono in [-1, 1], (n, samples) -> (n, frames, 96)."""
        window = self._tensor("window")
        spectrum = torch.stft(waveform, N_FFT, HOP_SAMPLES, N_FFT, window, pad_mode="constant", return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.log10(10_000 * (self._tensor("mel_filters") @ power) + 1).mT

    @torch.inference_mode()
    def forward(self, waveform: Tensor) -> Tensor:
        """16 kHz mono of 3 s or more, (n, samples) -> logits (n, 50), the mean over three patches of 3 s."""
        mel = self.log_mel(waveform)
        last = mel.shape[1] - PATCH_FRAMES
        patches = torch.stack([mel[:, start : start + PATCH_FRAMES] for start in (0, last // 2, last)], 1)
        return self.patch_logits(patches.flatten(0, 1)).unflatten(0, (-1, PATCHES)).mean(1)

    def patch_logits(self, mel: Tensor) -> Tensor:
        """Patches (n, 187, 96) -> logits (n, 50)."""
        x = mel * self._tensor("scale", 0) + self._tensor("shift", 0)
        front = torch.cat(
            [self._timbral(x, 0, 1), self._timbral(x, 1, 2), *(self._temporal(x, i, i + 1) for i in (2, 3, 4))], 2
        )
        first = self._middle(front, 5, 6)
        second = self._middle(first, 6, 7) + first
        third = self._middle(second, 7, 8) + second
        features = torch.cat([front, first, second, third], 2)  # (n, 187, 753)
        pooled = torch.stack([features.amax(1), features.mean(1)], 2).flatten(1)
        pooled = pooled * self._tensor("scale", 9) + self._tensor("shift", 9)
        hidden = F.relu(pooled @ self._tensor("dense", 0) + self._tensor("dense_bias", 0))
        hidden = hidden * self._tensor("scale", 10) + self._tensor("shift", 10)
        return hidden @ self._tensor("dense", 1) + self._tensor("dense_bias", 1)

    def _tensor(self, name: str, number: int | str = "") -> Tensor:
        return self.get_buffer(f"{name}{number}")

    def _sign(self, norm: int) -> Tensor:
        """1 where a batch normalisation rises with its input, -1 where it falls."""
        return torch.where(self._tensor("scale", norm) > 0, 1.0, -1.0)

    def _after_maximum(self, best: Tensor, conv: int, norm: int) -> Tensor:
        """Bias, ReLU and batch normalisation, applied after the maximum over bands instead of before.

        They are monotone in each channel, rising or falling with the sign of the normalisation's scale, so the maximum
        of their results is the result of the maximum, or of the minimum: kernels are multiplied by the sign.
        """
        rectified = F.relu(best * self._sign(norm) + self._tensor("bias", conv))
        return rectified * self._tensor("scale", norm) + self._tensor("shift", norm)

    def _timbral(self, x: Tensor, conv: int, norm: int) -> Tensor:
        """Convolution of 7 frames by 38 or 67 bands over (n, t, 96), then the maximum over its places: (n, t, c).

        As a convolution over one channel this takes nine tenths of the tagger's time. Here it is one matrix product for
        each place in the bands, compared and dropped while it is in the cache; on a GPU in bfloat16.
        """
        kernel = self._tensor("kernel", conv)
        frames, bands, _, channels = kernel.shape
        dtype = torch.bfloat16 if x.is_cuda else x.dtype
        weight = (kernel.reshape(frames, bands, channels) * self._sign(norm)).permute(1, 0, 2).flatten(0, 1).to(dtype)
        padded = F.pad(x.to(dtype), (0, 0, frames // 2, frames // 2))
        rows = padded.unfold(1, frames, 1).flatten(2).flatten(0, 1)  # (n * t, 96 * 7): the frames of a band together
        best = rows.new_full((len(rows), channels), -torch.inf)
        size = len(rows) if x.is_cuda else CACHED_ROWS
        for some, so_far in zip(rows.split(size), best.split(size), strict=True):
            product = torch.empty_like(so_far)
            for band in range(x.shape[2] - bands + 1):
                torch.mm(some[:, band * frames : (band + bands) * frames], weight, out=product)
                torch.maximum(so_far, product, out=so_far)
        return self._after_maximum(best.to(x.dtype).view(len(x), -1, channels), conv, norm)

    def _temporal(self, x: Tensor, conv: int, norm: int) -> Tensor:
        """Convolution of many frames within each band of (n, t, 96), then the maximum over bands: (n, t, c)."""
        weight = self._tensor("kernel", conv)[:, 0, 0] * self._sign(norm)  # (frames, channels)
        before = (len(weight) - 1) // 2  # TensorFlow's "same" puts the odd one behind
        padded = F.pad(x.mT, (before, len(weight) - 1 - before))
        rows = padded.unfold(2, len(weight), 1)  # (n, 96, t, frames), a view
        best = x.new_full((*x.shape[:2], weight.shape[1]), -torch.inf)
        for band in range(x.shape[2]):
            torch.maximum(best, rows[:, band] @ weight, out=best)
        return self._after_maximum(best, conv, norm)

    def _middle(self, x: Tensor, conv: int, norm: int) -> Tensor:
        """Convolution of 7 frames over all channels: (n, t, c) -> (n, t, 64)."""
        kernel = self._tensor("kernel", conv)[:, :, 0].permute(2, 1, 0)  # (out, in, frames)
        y = F.conv1d(x.mT, kernel, self._tensor("bias", conv), padding=kernel.shape[2] // 2).mT
        return F.relu(y) * self._tensor("scale", norm) + self._tensor("shift", norm)
