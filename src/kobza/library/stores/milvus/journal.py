"""A writer's journal in NAME_meta: the runs of windows that would be left without a track if the writer were killed."""

import json
import time
from collections.abc import Collection, Iterator

from kobza.library.stores.milvus.collections import Collections, is_in

STALE_SECONDS = 24 * 3600.0  # an entry older than this is of a writer that was killed
# The keys of entries sort between these two.
FIRST = "journal "
END = "journal!"
LEASES = FIRST + "lease "  # those of `lease` are among them
NOT_JOURNAL = f'id < "{FIRST}" or id >= "{END}"'


def window_ids(runs: dict[int, int]) -> Iterator[int]:
    """The ids of the windows of each run: its n windows have the n numbers from the run's own on.

    >>> list(window_ids({100: 2, 500: 1}))
    [100, 101, 500]
    """
    return (run + i for run, windows in runs.items() for i in range(windows))


class Journal:
    """The entry of one writer. `token`: what names the writer."""

    def __init__(self, collections: Collections, token: str):
        self._collections = collections
        self._key = FIRST + token

    def record(self, runs: dict[int, int]) -> None:
        """`runs`: {run: number of windows} that a write, if it is interrupted, leaves without a track."""
        value = json.dumps([time.time(), list(runs.items())])
        self._collections.upsert("meta", [{"id": self._key, "value": value, "vector": [0.0, 0.0]}])

    def clear(self) -> None:
        self._collections.delete("meta", [self._key])

    def delete_orphans(self, dead: Collection[str] = ()) -> None:
        """Delete the windows without a track that killed writers left. `dead`: tokens of writers that have ended."""
        for entry in list(self._collections.rows("meta", f'id >= "{FIRST}" and id < "{END}"', ["value"])):
            if entry["id"].startswith(LEASES):
                continue
            recorded, runs = json.loads(entry["value"])
            if entry["id"].removeprefix(FIRST) in dead or time.time() - recorded >= STALE_SECONDS:
                used = {row["run"] for row in self._collections.rows("tracks", is_in("run", dict(runs)), ["run"])}
                self._collections.delete("windows", window_ids({run: n for run, n in runs if run not in used}))
                self._collections.delete("meta", [entry["id"]])
