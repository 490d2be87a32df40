"""Load any model that Kobza can search with, by a folder, a Hub id or a file.

Kobza's checkpoints (config.json: model_type "kobza")       engine.EngineEmbedder; checkpoint.Checkpoint on a GPU
                                                            and with a ResNet for audio
transformers' CLAP ("clap"), LAION's own .pt files           clap.ClapEmbedder
MuQ-MuLan                                                    muq_mulan.MuQMuLanEmbedder
sentence-transformers models for audio and text              sentence_transformer.SentenceTransformerEmbedder
names that an installed package registers                    what it returns (`registered`)
other models in transformers with CLAP's interface           two_tower.TwoTowerEmbedder
"""

from pathlib import Path

from kobza.embedding.checkpoint_folder import CheckpointError, default_checkpoint, find_folder, one_line, read_json
from kobza.embedding.device import is_torch_wanted
from kobza.embedding.embedder import Embedder, TextEmbedder
from kobza.embedding.registered import find_registered, load_registered
from kobza.extras import needs
from kobza.folders import expanded

COLLAPSED = "larger_clap_music"


def load_embedder(
    name_or_path: str | Path | None = None, device: str | None = None, arithmetic: str | None = None
) -> Embedder:
    """The model at a path or on the Hub, ready to embed.

    Kobza's checkpoints need no PyTorch on a CPU; everything else does.

    Args:
        name_or_path: a folder or Hub id, one of LAION's .pt files, or a registered name; by default Kobza's own
            checkpoint.
        device: "cpu", "cuda", ...; by default a GPU if there is one and PyTorch is installed.
        arithmetic: of Kobza's checkpoints on a CPU, "float32" or "int8"; by default see `EngineEmbedder.load`.

    Raises:
        CheckpointError: it is not there, of an unknown kind, damaged, or known to be broken.
        MissingPackageError: it needs PyTorch, sentence-transformers or muq, which is not installed.
    """
    name = str(name_or_path or default_checkpoint())
    folder = None if is_torch_wanted(device) else _folder_of(name)
    if folder is not None and _model_type(_config(folder)) == "kobza":
        from kobza.embedding.engine import EngineEmbedder

        if EngineEmbedder.can_load(folder):
            return EngineEmbedder.load(name, arithmetic)
    return load_torch_embedder(name, device)


def load_torch_embedder(name_or_path: str | Path | None = None, device: str | None = None) -> Embedder:
    """`load_embedder`, but always on PyTorch: unless the name is registered, the result has the attribute `model`."""
    name = str(name_or_path or default_checkpoint())
    if registration := find_registered(name):
        return load_registered(registration, device)
    path = expanded(name)
    if path.name == COLLAPSED:
        raise CheckpointError(
            f"{name} is refused: its text tower is collapsed, all sentences get nearly the same vector; use LAION's "
            "own music_audioset_epoch_15_esc_90.14.pt (at https://huggingface.co/lukewys/laion_clap) instead."
        )
    if path.is_file():
        if path.suffix != ".pt":
            raise CheckpointError(
                f"{name} is a file: give a checkpoint's folder, a Hub id, or one of LAION's .pt files."
            )
        with needs(f"The model {name}"):
            from kobza.embedding.clap import load_laion_file

        return load_laion_file(path, name, device)
    folder = find_folder(name)
    config = _config(folder)
    kind = _model_type(config)
    if kind == "clap":
        with needs(f"The model {name}"):
            from kobza.embedding.clap import load_clap

        return load_clap(str(folder), name, device)
    if kind != "kobza" and (folder / "modules.json").is_file():
        from kobza.embedding.sentence_transformer import load_sentence_transformer

        return load_sentence_transformer(folder, name, device)
    if kind is None and _is_muq_mulan(config):
        with needs(f"The model {name}"):
            from kobza.embedding.muq_mulan import load_muq_mulan

        return load_muq_mulan(folder, name, device)
    if kind not in (None, "kobza"):
        return _load_two_tower(str(folder), name, device)
    with needs(f"The model {name}"):
        from kobza.embedding.checkpoint import Checkpoint

    return Checkpoint.load(name, device)  # its errors also describe best what is wrong with anything else


def load_text_embedder(name_or_path: str | Path | None = None) -> TextEmbedder:
    """Embeds sentences in the space of `load_embedder(name_or_path)`. For Kobza's checkpoints only the text tower is
    loaded, in numpy, because importing torch takes seconds. Errors as for `load_embedder`."""
    name = str(name_or_path or default_checkpoint())
    folder = _folder_of(name)
    config = {} if folder is None else _config(folder)
    text_tower = (config.get("text_config") or {}).get("model_type", "bert")
    if _model_type(config) != "kobza" or text_tower != "bert":  # numpy computes no other
        return load_embedder(name)
    from kobza.embedding.numpy_text_tower import TextTower

    return TextTower.load(name)


def _folder_of(name: str) -> Path | None:
    """The folder of a checkpoint; None for a registered name, a file, and the model that is refused."""
    path = expanded(name)
    is_other = find_registered(name) or path.is_file() or path.name == COLLAPSED
    return None if is_other else find_folder(name)


def _model_type(config: dict) -> str | None:
    """What a config.json says; None if it does not."""
    kind = config.get("model_type")
    return kind if isinstance(kind, str) else None


def _is_muq_mulan(config: dict) -> bool:
    """muq writes no model type: its config.json holds the settings of both towers and of what joins them."""
    return all(isinstance(config.get(part), dict) for part in ("mulan", "audio_model", "text_model"))


def _config(folder: Path) -> dict:
    """The folder's config.json; empty if it cannot be read, which loading the model then explains."""
    try:
        return read_json(folder / "config.json")
    except CheckpointError:
        return {}


def _load_two_tower(source: str, name: str, device: str | None) -> Embedder:
    with needs(f"The model {name}"):
        import torch
        from transformers import AutoModel, AutoProcessor

        from kobza.embedding.pretrained import refuse_incomplete, to_device, without_progress_bars
        from kobza.embedding.two_tower import TwoTowerEmbedder

    try:
        with without_progress_bars():
            model, report = AutoModel.from_pretrained(source, dtype=torch.float32, output_loading_info=True)
            processor = AutoProcessor.from_pretrained(source)
    except Exception as error:  # transformers raises many classes for damaged files
        raise CheckpointError(f"{name} cannot be loaded ({one_line(error)}): give an audio-text model.") from error
    if not (hasattr(model, "get_text_features") and hasattr(model, "get_audio_features")):
        raise CheckpointError(
            f"{name} is a {type(model).__name__}, which does not embed both text and audio; give a Kobza checkpoint, a "
            "CLAP model, or another model with get_text_features and get_audio_features."
        )
    refuse_incomplete(report, name)
    if not (hasattr(processor, "tokenizer") and hasattr(processor, "feature_extractor")):
        raise CheckpointError(f"{name} has no processor with a tokenizer and a feature extractor: save both beside it.")
    to_device(model, device)
    return TwoTowerEmbedder(model, processor, name)
