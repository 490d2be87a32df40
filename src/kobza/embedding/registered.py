"""Models that Kobza has no class for, by a name that their owner's package registers for an `Embedder` of its own:

    [project.entry-points."kobza.embedders"]          # in that package's pyproject.toml
    ttmr = "my_models:load_ttmr"

`load_ttmr(device)` returns the `Embedder`, whose `name` is "ttmr"; device is "cpu", "cuda", ... or None, for the
function to choose. Then `--model ttmr` and `kobza evaluate ttmr` take it. In Python give the `Embedder` itself.
"""

from typing import TYPE_CHECKING

from kobza.embedding.checkpoint_folder import CheckpointError, one_line
from kobza.embedding.embedder import Embedder, TextEmbedder, WindowRule

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "kobza.embedders"
PARTS = (*TextEmbedder.__annotations__, *WindowRule.__annotations__, "embed_text", "embed_windows")  # of an `Embedder`


def find_registered(name: str) -> "EntryPoint | None":
    """The registration of a name, if there is one. Paths and Hub ids cannot be registered, and cost no search."""
    if not name.isidentifier() and not name.replace("-", "_").isidentifier():
        return None
    from importlib.metadata import entry_points  # slow to import, and most names are paths

    return next(iter(entry_points(group=GROUP, name=name)), None)


def load_registered(registration: "EntryPoint", device: str | None) -> Embedder:
    """Call the registered function.

    Raises:
        CheckpointError: it fails, or returns no `Embedder` of its name.
    """
    name, where = registration.name, f"The model {registration.name} ({registration.value})"
    try:
        embedder = registration.load()(device)
    except Exception as error:  # anything can go wrong in other people's code
        raise CheckpointError(f"{where} cannot be loaded: {type(error).__name__}: {one_line(error)}.") from error
    if not isinstance(embedder, Embedder):
        missing = ", ".join(part for part in PARTS if not hasattr(embedder, part))
        raise CheckpointError(f"{where} is not an Embedder: its {type(embedder).__name__} has no {missing}.")
    if embedder.name != name:  # which libraries and receipts note
        raise CheckpointError(f"{where} calls itself {embedder.name!r}: its Embedder's name must be {name!r}.")
    return embedder
