"""The benchmarks of `kobza bench`: each function measures one thing and gives one or more `Measurement`s.

Audio is synthesized (`synth/album.py`), and other people's models have random weights: neither changes the times.
"""

import functools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from kobza.audio import load_audio
from kobza.benchmarks.audio import TRACK_SECONDS, decoded_samples, frames_alone, synthetic_tracks
from kobza.benchmarks.commands import cold_index, cold_search, indexing, memory
from kobza.benchmarks.peers import clap_indexing, file_to_vector
from kobza.benchmarks.runner import MIN_COSINE, Measurement, side_by_side
from kobza.config import ARITHMETICS
from kobza.embedding.engine import default_arithmetic
from kobza.synth.album import random_pieces


def log_mel() -> list[Measurement]:
    """Log-mel features of 16 windows of 10 s, against transformers' extractor (which uses torchaudio)."""
    import torch
    from transformers import ASTFeatureExtractor

    from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor

    kobza_extractor, ast_extractor = KobzaFeatureExtractor(), ASTFeatureExtractor()
    paths = sorted(synthetic_tracks().iterdir())
    waves = [wave for path in paths for wave in kobza_extractor.split(load_audio(path))][:16]
    tensors = [torch.from_numpy(wave) for wave in waves]

    def ours():
        return kobza_extractor.log_mel(tensors)

    def theirs():
        return ast_extractor(waves, sampling_rate=16_000, return_tensors="pt").input_values

    times = side_by_side(ours, theirs)
    difference = float((ours() - theirs()).abs().max())
    note = (
        f"{1000 * times.a / len(waves):.2f} and {1000 * times.b / len(waves):.2f} ms for 10 s; "
        f"largest difference {difference:.1e}"
    )
    return [Measurement("log-mel", "log-mel of 16 x 10 s", "ASTFeatureExtractor", times.ratio, "x", 3, note=note)]


def gpu() -> Iterator[Measurement]:
    """Everything that is measured on a GPU (`gpu.py`); nothing where there is none."""
    from kobza.benchmarks.gpu import measure_gpu

    yield from measure_gpu()


def analysis() -> Iterator[Measurement]:
    """Tempo, key and loudness of made pieces (`analysis.py`)."""
    from kobza.benchmarks.analysis import analysis

    yield from analysis()


def decoding() -> list[Measurement]:
    """A folder of mp3, ogg and flac to 16 kHz mono, in as many processes as indexing uses, against librosa in one."""
    import multiprocessing

    import librosa

    from kobza.library.ingest.decode_ahead import CPU_DECODERS

    paths = sorted(synthetic_tracks().iterdir())

    def theirs():
        return [librosa.load(path, sr=16_000)[0] for path in paths]

    with multiprocessing.get_context("spawn").Pool(CPU_DECODERS) as pool:
        times = side_by_side(lambda: pool.map(decoded_samples, paths, chunksize=1), theirs, 3)
    single = side_by_side(lambda: list(map(load_audio, paths)), theirs, 3)
    note = f"{len(paths) * TRACK_SECONDS / times.a:.0f} x real time; in one process {single.ratio:.2f} x"
    for path in {path.suffix: path for path in paths}.values():
        parts = side_by_side(functools.partial(frames_alone, path), functools.partial(load_audio, path), 3)
        note += f"; {path.suffix[1:]}: FFmpeg's own decoding is {parts.a:.2f} of {parts.b:.2f} s"
    what = "decode and resample a folder"
    return [Measurement("decoding", what, "librosa.load(sr=16000)", times.ratio, "x", 2, note=note)]


def tower() -> list[Measurement]:
    """AST-base with random weights by the engine, in each arithmetic, against torch in float32: samples to vectors."""
    import torch

    from kobza import KobzaConfig, KobzaFeatureExtractor, KobzaModel
    from kobza.embedding.engine import FEATURE_EXTRACTOR, EngineEmbedder, usable_cpus

    torch.manual_seed(0)
    model = KobzaModel(KobzaConfig(text_config={"model_type": "bert", "num_hidden_layers": 1})).eval()
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    config, extractor = model.config.to_dict(), KobzaFeatureExtractor()
    pieces = (load_audio(path)[:160_000] for path in sorted(synthetic_tracks().iterdir()))
    windows = list(pieces)[: usable_cpus()]  # the engine gives each CPU a window of its own

    @torch.inference_mode()
    def theirs():
        return model.get_audio_features(extractor.log_mel(windows)).pooler_output.numpy()

    measurements = []
    for arithmetic in ARITHMETICS:
        engine = EngineEmbedder("AST-base", "", config, FEATURE_EXTRACTOR, weights, arithmetic)
        times = side_by_side(functools.partial(engine.embed_windows, windows), theirs, 3)
        cosine = float((engine.embed_windows(windows) * theirs()).sum(axis=1).min())
        if cosine < MIN_COSINE:
            raise RuntimeError(
                f"AST-base in {arithmetic} has a cosine of {cosine:.5f} with torch's, below {MIN_COSINE}."
            )
        a, b = (1000 * seconds / len(windows) for seconds in (times.a, times.b))
        note = f"{a:.0f} and {b:.0f} ms a window of 10 s, {len(windows)} CPUs; cosine {cosine:.5f}"
        goal = 2.1 if arithmetic == default_arithmetic() == "int8" else None
        what = f"AST-base by the engine in {arithmetic}"
        measurements.append(Measurement("tower", what, "torch in float32", times.ratio, "x", goal, note=note))
    return measurements


def search() -> list[Measurement]:
    """A query vector to ranked tracks with 1 M windows stored, by track and by moment, with and without a filter."""
    from kobza.benchmarks.library_search import run

    with tempfile.TemporaryDirectory() as folder:
        _, searches = run(1_000_000, Path(folder))
    note = "; ".join(
        f"by {s.by}, filter {s.where}: p50 {s.p50:.1f}, p95 {s.p95:.1f}, new filters {s.new_filter_p95:.1f} ms"
        for s in searches
    )
    measurements = []
    for by, goal in (("track", 3), ("moment", 10)):
        slowest = max(s.p95 for s in searches if s.by == by)
        what = f"search over 1 M windows by {by}, slowest p95"
        measurements.append(Measurement("search", what, "", slowest, "ms", goal, lower_is_better=True))
    recall = min(s.recall for s in searches)
    what = "lowest recall@10 of the same"
    return [*measurements, Measurement("search", what, "exact numpy", recall, "", 0.999, note=note)]


def hybrid() -> list[Measurement]:
    """Search by sound and tags together against either alone: nDCG@10 where 30 % of the tags are missing or wrong."""
    from kobza.benchmarks.hybrid_search import embed_pieces, quality
    from kobza.embedding.checkpoint import Checkpoint

    embedder = Checkpoint.load()
    pieces = random_pieces(200, seed=202)
    table = quality(pieces, embed_pieces(pieces, embedder), embedder, seed=202)
    both, best_part = table["all"]["both"][1], max(table["all"][part][1] for part in ("sound", "tags"))
    note = "; ".join(
        f"{kind}: " + ", ".join(f"{match} {value:.3f}" for match, (_, value) in row.items())
        for kind, row in table.items()
    )
    what = "nDCG@10 by sound and tags"
    return [Measurement("hybrid", what, "the better of the two alone", both / best_part, "x", 1.05, note=note)]


def training() -> list[Measurement]:
    """An epoch of model_1 at full size, 32 clips with captions as long as MusicCaps', with its cache and without."""
    from kobza.benchmarks.training_cache import at_length_of_musiccaps, time_epochs
    from kobza.data.pairs import load_pairs
    from kobza.synth.album import write_album

    with tempfile.TemporaryDirectory() as folder:
        write_album(Path(folder), random_pieces(32, seed=0))
        cached, uncached = time_epochs(at_length_of_musiccaps(load_pairs(folder).recordings))
    note = f"{cached.cpu:.1f} and {uncached.cpu:.1f} s of processor time, 32 clips"
    what = "an epoch of model_1 with its frozen tower cached, captions of 47 words"
    return [Measurement("training", what, "without", uncached.cpu / cached.cpu, "x", 25, note=note)]


BENCHMARKS: dict[str, Callable[[], Iterable[Measurement]]] = {
    "log-mel": log_mel,
    "decoding": decoding,
    "file-to-vector": file_to_vector,
    "tower": tower,
    "indexing": indexing,
    "clap-indexing": clap_indexing,
    "search": search,
    "hybrid": hybrid,
    "cold-search": cold_search,
    "cold-index": cold_index,
    "training": training,
    "memory": memory,
    "analysis": analysis,
    "gpu": gpu,
}
