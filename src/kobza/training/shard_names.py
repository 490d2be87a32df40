"""The files that a stream of pairs is read from, by how --data names them."""

from collections.abc import Sequence

from kobza.data.recordings import DataSetError
from kobza.extras import require
from kobza.training.pair_sources import PairSource
from kobza.training.parquet_shards import ParquetFiles
from kobza.training.tar_shards import WebDataset

KINDS = (".tar", ".parquet")


def names_shards(where: str) -> bool:
    """Whether a value of --data names shards rather than a folder.

    >>> names_shards("hub:user/music"), names_shards("music/{000..063}.tar"), names_shards("music")
    (True, True, False)
    """
    return where.startswith("hub:") or where.endswith(KINDS)


def find_shards(where: str | Sequence[str]) -> list[str]:
    """The files named by a list of them; by "DIR/{000..063}.tar" (or .parquet), a path or URL with braces as in a
    shell; or by "hub:user/name", all tar files of a data set on the Hub, or where it has none all Parquet files.

    Raises:
        DataSetError: there are none.
        MissingPackageError: webdataset is not installed.
    """
    if not isinstance(where, str):
        shards = list(where)
    elif where.startswith("hub:"):
        shards = _hub_shards(where.removeprefix("hub:"))
    elif "{" in where:
        require("webdataset", "A stream of pairs", "data")
        from braceexpand import braceexpand  # comes with webdataset

        shards = list(braceexpand(where))
    else:
        shards = [where]
    if not shards:
        raise DataSetError(f"{where} has no tar or Parquet files: give a WebDataset's shards, or Parquet files.")
    return shards


def _hub_shards(name: str) -> list[str]:
    import httpx
    from huggingface_hub import list_repo_files

    try:
        files = sorted(list_repo_files(name, repo_type="dataset"))
    except (OSError, ValueError, httpx.HTTPError) as error:
        reason = str(error).split("\n")[0]
        raise DataSetError(f"The data set {name} cannot be read on the Hub ({reason}): check its name.") from error
    found = next((shards for kind in KINDS if (shards := [file for file in files if file.endswith(kind)])), [])
    return [f"hf://datasets/{name}/{file}" for file in found]


def open_shards(where: str | Sequence[str]) -> PairSource:
    """The pairs of shards, see `find_shards`."""
    shards = find_shards(where)
    return ParquetFiles(shards) if shards[0].endswith(".parquet") else WebDataset(shards)
