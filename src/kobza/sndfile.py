"""libsndfile through `soundfile`: a second decoder for recordings that FFmpeg's demuxers refuse.

Such as Ogg Vorbis with its headers repeated. Its samples take the same way as FFmpeg's frames: see `kobza.ffmpeg`.
"""

import os
from collections.abc import Iterator

import av
import numpy as np

from kobza.audio_source import NOT_FINITE, AudioError, NamedStream, Source, opened
from kobza.ffmpeg import MAX_HOURS, MAX_SAMPLING_RATE, mono_chunks
from kobza.model.downmix_kobza import BLOCK_SECONDS, Downmixer

# What libsndfile recognizes safely. It takes much else for raw or scientific data.
SIGNATURES = (b"OggS", b"fLaC", b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"caff", b".snd")
MAX_CHANNELS = 64


def decode_mono(source: Source, sampling_rate: int, start: float = 0.0) -> Iterator[np.ndarray]:
    """The chunks that `kobza.audio.decode` would give; none if libsndfile is absent or refuses the recording, too.

    Raises:
        AudioError: the file cannot be opened, or has samples that are not finite.
    """
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: without the library that it wraps
        return
    with opened(source) as (stream, name, _):
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        if not stream.read(4).startswith(SIGNATURES):
            return
        stream.seek(0)
        try:
            with soundfile.SoundFile(NamedStream(stream, name, size)) as file:
                rate = file.samplerate
                is_usable = 0 < rate <= MAX_SAMPLING_RATE and file.channels <= MAX_CHANNELS
                if is_usable and file.frames <= MAX_HOURS * 3600 * rate:
                    if start:
                        file.seek(min(round(start * rate), file.frames))
                    for chunk in mono_chunks(_frames(file), sampling_rate):
                        if not np.isfinite(chunk).all():
                            raise AudioError(f"{name} {NOT_FINITE}")
                        yield chunk
        except soundfile.SoundFileError:
            return  # what was decoded before is all there is


def _frames(file) -> Iterator[tuple[av.AudioFrame, int]]:
    """The channels mixed down as frames, none of whose samples are to be dropped."""
    mixer = Downmixer(file.samplerate)
    while len(block := file.read(round(BLOCK_SECONDS * file.samplerate) or 1, dtype="float32", always_2d=True)):
        mono = np.ascontiguousarray(mixer.mix(block.T)[None])
        frame = av.AudioFrame.from_ndarray(mono, format="fltp", layout="mono")
        frame.sample_rate = file.samplerate
        yield frame, 0
