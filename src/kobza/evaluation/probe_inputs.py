"""The inputs of the sanity checks: sentences about music, and synthetic sounds, that are very different."""

import numpy as np

SOUND_SECONDS = 8.0  # the longest of the synthetic sounds

SENTENCES = (
    "slow sad piano",
    "heavy metal with distorted guitars and screaming",
    "a choir sings in a cathedral",
    "techno with a hard kick drum for a dark club",
    "children laugh while someone strums a ukulele",
    "bagpipes and drums march through the rain",
    "a lonely cello, deep and dark",
    "a bright trumpet fanfare",
    "soft ambient pads with birdsong",
    "a fast bluegrass banjo",
    "a soprano sings an opera aria",
    "hip hop with deep bass and a male rapper",
    "a lullaby on a music box",
    "samba drums at a carnival",
    "a wall of harsh noise",
    "a string quartet from the eighteenth century",
    "reggae with an offbeat guitar",
    "synth pop of the eighties",
    "gamelan gongs",
    "an accordion waltz",
    "a live recording of poor quality, with a cheering crowd",
    "jazz trio, brushed drums, walking bass",
    "epic orchestral film music for a battle",
    "a cappella",
    "sitar and tabla improvise over a drone",
    "a punk band that plays too fast",
    "elevator music",
    "Christmas carols with sleigh bells",
    "a folk singer with an acoustic guitar tells a story",
    "dubstep wobble",
    "church organ",
    "country song with pedal steel",
    "tango with bandoneon and violin",
    "chiptune from a video game",
    "a flute solo, calm and meditative",
    "funk with slap bass and horns",
    "someone whistles",
    "tribal percussion, no melody",
    "a romantic ballad sung by a woman",
    "minimal music that repeats and slowly changes",
)


def melody(sampling_rate: int) -> np.ndarray:
    """The same notes at any sampling rate from 8 kHz, (samples,) float32.

    Nothing in them is above 4 kHz, so no sampling rate loses any of it.
    """
    t = np.arange(5 * sampling_rate) / sampling_rate
    sound = np.zeros_like(t)
    for i, pitch in enumerate((220.0, 277.2, 329.6, 440.0, 329.6, 277.2, 220.0, 164.8)):
        since = t - i * 5 / 8
        envelope = np.where(since > 0, np.exp(-3.0 * np.maximum(since, 0.0)), 0.0)
        sound += envelope * sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 7))
    return (0.2 * sound).astype(np.float32)


def synthetic_sounds(sampling_rate: int) -> list[np.ndarray]:
    """Eight very different sounds of 1 to 8 s, always the same: (samples,) float32 each."""
    t = np.arange(round(SOUND_SECONDS * sampling_rate)) / sampling_rate
    noise = np.random.default_rng(0).standard_normal(len(t))
    beat = np.exp(-20.0 * (t % 0.5))  # two strokes a second
    sounds = [
        0.3 * np.sin(2 * np.pi * 110 * t),
        0.3 * np.sin(2 * np.pi * 3000 * t[: len(t) // 3]),
        0.1 * noise,
        0.3 * np.sin(2 * np.pi * (100 + 200 * t) * t),
        0.8 * (np.arange(sampling_rate) % (sampling_rate // 4) < 20),
        melody(sampling_rate),
        0.2 * beat * noise,
        0.6 * beat * np.sin(2 * np.pi * 60 * t) + 0.02 * noise * (t % 0.25 > 0.2),
    ]
    return [sound.astype(np.float32) for sound in sounds]
