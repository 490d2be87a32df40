"""A self-test for checkpoints: a few seconds of sentences and made sounds that show whether the vectors can be trusted.

Each check is a fault that published checkpoints have had: a tower that answers everything with one vector, a model that
answers differently in a batch, in half precision or at another sampling rate, weights that are no numbers. Nothing here
says how good a checkpoint is; a sound one may still know nothing of music.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from kobza.embedding.loader import load_embedder

# A tower is called collapsed when the mean cosine between very different inputs is above this. Trained ones lie far
# below (sentences: kobza-mini 0.1, clap-htsat-unfused 0.2, larger_clap_general 0.3; sounds: kobza-mini 0.5), the broken
# laion/larger_clap_music at 0.999 (github.com/embeddings-benchmark/mteb/issues/5069).
COLLAPSED = 0.95
SAME = 1e-4  # largest difference of a coordinate between a batch and a single input: float32 sums in another order
NEARLY_SAME = 0.95  # cosine between a sound and the same sound given at another rate
HALF = 0.99  # cosine between full and half precision; 0.999 is usual
UNIT = 1e-3
SECONDS = 8.0

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


@dataclass(frozen=True)
class Finding:
    """One check: its name, whether all is well, the figure that was measured (None where there is none to measure), and
    a sentence for the person who asked."""

    name: str
    ok: bool
    value: float | None
    sentence: str


def melody(sampling_rate: int) -> np.ndarray:
    """The same notes at any sampling rate from 8 kHz: nothing in it is above 4 kHz, so no rate loses any of it."""
    t = np.arange(5 * sampling_rate) / sampling_rate
    sound = np.zeros_like(t)
    for i, pitch in enumerate((220.0, 277.2, 329.6, 440.0, 329.6, 277.2, 220.0, 164.8)):
        since = t - i * 5 / 8
        envelope = np.where(since > 0, np.exp(-3.0 * np.maximum(since, 0.0)), 0.0)
        sound += envelope * sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 7))
    return (0.2 * sound).astype(np.float32)


def sounds(sampling_rate: int) -> list[np.ndarray]:
    """Eight very different sounds of 1 to 8 s, the same every time: mono float32."""
    t = np.arange(round(SECONDS * sampling_rate)) / sampling_rate
    noise = np.random.default_rng(0).standard_normal(len(t))
    beat = np.exp(-20.0 * (t % 0.5))  # two strokes a second
    made = [
        0.3 * np.sin(2 * np.pi * 110 * t),
        0.3 * np.sin(2 * np.pi * 3000 * t[: len(t) // 3]),
        0.1 * noise,
        0.3 * np.sin(2 * np.pi * (100 + 200 * t) * t),
        0.8 * (np.arange(sampling_rate) % (sampling_rate // 4) < 20),
        melody(sampling_rate),
        0.2 * beat * noise,
        0.6 * beat * np.sin(2 * np.pi * 60 * t) + 0.02 * noise * (t % 0.25 > 0.2),
    ]
    return [sound.astype(np.float32) for sound in made]


def check(embedder) -> list[Finding]:
    """Examine any embedder: see `kobza.embedding.embedder`. What needs its model or its feature extractor is left out
    where it has none. Weights that are not finite end the examination: nothing else would mean anything."""
    model = getattr(embedder, "model", None)
    findings = []
    if isinstance(model, torch.nn.Module):
        findings.append(_weights(model))
        if not findings[0].ok:
            return findings
    heard = sounds(embedder.sampling_rate)
    text, audio = embedder.embed_text(list(SENTENCES)), embedder.embed_windows(heard)
    findings += [
        _unit_length(np.concatenate([text, audio])),
        _collapse("text tower", "sentences about music", text),
        _collapse("audio tower", "sounds", audio),
        _batch(embedder, heard, text, audio),
    ]
    if isinstance(model, torch.nn.Module):
        findings.append(_half_precision(embedder, heard, text, audio))
        extractor = getattr(getattr(embedder, "processor", None), "feature_extractor", None)
        if extractor is not None:
            findings.append(_sampling_rate(embedder, extractor))
    return findings


def examine(name_or_path: str | Path | None = None, device: str | None = None) -> tuple[str, list[Finding]]:
    """`check` for the model at a path or on the Hub; arguments and errors are `load_embedder`'s.

    Returns:
        (the model's name, what was found).
    """
    embedder = load_embedder(name_or_path, device)
    return embedder.name, check(embedder)


def as_table(findings: list[Finding]):
    """A `rich.table.Table`, a check a row."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column, side in (("check", "left"), ("", "left"), ("value", "right"), ("", "left")):
        table.add_column(column, justify=side, overflow="fold")
    for finding in findings:
        value = "" if finding.value is None else f"{finding.value:.3g}"
        table.add_row(finding.name, "fine" if finding.ok else "WRONG", value, finding.sentence)
    return table


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _weights(model: torch.nn.Module) -> Finding:
    named = model.state_dict().items()
    bad = [name for name, value in named if value.is_floating_point() and not torch.isfinite(value).all()]
    if bad:
        sentence = f"NaN or infinity in {len(bad)} of the weights, such as {bad[0]}: fetch or train it again."
    else:
        sentence = "All weights are finite numbers."
    return Finding("weights", not bad, float(len(bad)), sentence)


def _unit_length(vectors: np.ndarray) -> Finding:
    off = float(np.abs(np.linalg.norm(vectors, axis=1) - 1.0).max())
    ok = off < UNIT
    verdict = "All vectors have length 1." if ok else "Vectors are not of length 1: their products are no cosines."
    return Finding("unit length", ok, off, verdict)


def _collapse(name: str, inputs: str, vectors: np.ndarray) -> Finding:
    cosines = _unit(vectors) @ _unit(vectors).T
    mean = float(cosines[~np.eye(len(vectors), dtype=bool)].mean())
    ok = mean < COLLAPSED
    rest = "it tells them apart." if ok else "it is collapsed, and search would be chance."
    return Finding(name, ok, mean, f"{len(vectors)} very different {inputs} have a mean cosine of {mean:.3f}: {rest}")


def _batch(embedder, heard, text: np.ndarray, audio: np.ndarray) -> Finding:
    alone = [embedder.embed_text([SENTENCES[i]])[0] - text[i] for i in (0, 1, 20, 39)]
    alone += [embedder.embed_windows([heard[i]])[0] - audio[i] for i in (1, 4, 5)]
    most = float(np.abs(alone).max())
    ok = most < SAME
    rest = "the same." if ok else "not the same: a vector would depend on its neighbours."
    return Finding("batch", ok, most, f"Alone and in a batch an input gives vectors {most:.1e} apart: {rest}")


def _half_precision(embedder, heard, text: np.ndarray, audio: np.ndarray) -> Finding:
    """Weights rounded to fp16, as checkpoints are stored; and the whole computation in bf16, as many run them."""
    lowest = {}
    some, which = [SENTENCES[i] for i in (0, 1, 20, 39)], (4, 5, 6)
    for kind, dtype in (("weights in fp16", torch.float16), ("computing in bf16", torch.bfloat16)):
        half = copy.copy(embedder)
        half.model = copy.deepcopy(embedder.model).to(dtype)
        if dtype == torch.float16:
            half.model = half.model.float()
        pairs = [
            *zip(half.embed_text(some), text[[0, 1, 20, 39]], strict=True),
            *zip(half.embed_windows([heard[i] for i in which]), audio[list(which)], strict=True),
        ]
        lowest[kind] = min(float(_unit(a) @ _unit(b)) if np.isfinite(a).all() else -1.0 for a, b in pairs)
    worst = min(lowest, key=lowest.get)
    ok = lowest[worst] > HALF
    rest = "the same." if ok else "another model: use it in float32 only, and do not publish it in half."
    sentence = f"In half precision the worst vector has a cosine of {lowest[worst]:.4f} with itself ({worst}): {rest}"
    return Finding("half precision", ok, lowest[worst], sentence)


@torch.inference_mode()
def _sampling_rate(embedder, extractor) -> Finding:
    """The same melody at one and a half times the rate: refused, or resampled, or taken for a slower and deeper one."""
    rate = embedder.sampling_rate
    other = rate * 3 // 2
    right, slowed = embedder.embed_windows([melody(rate), melody(other)])  # the second as if it were at `rate`
    try:
        features = extractor(melody(other), sampling_rate=other, return_tensors="pt").to(embedder.model.device)
    except ValueError:
        return Finding(
            "sampling rate", True, None, f"Sound at {other} Hz is refused: it must be resampled to {rate} Hz."
        )
    given = _unit(embedder.model.get_audio_features(**features).pooler_output[0].float().cpu().numpy())
    cosine = float(given @ _unit(right))
    ok = cosine > NEARLY_SAME and float(given @ _unit(slowed)) < cosine + SAME
    rest = "it is resampled." if ok else "it is taken as it is, and the vectors are wrong."
    sentence = f"Sound given at {other} Hz has a cosine of {cosine:.3f} with the same at {rate} Hz: {rest}"
    return Finding("sampling rate", ok, cosine, sentence)
