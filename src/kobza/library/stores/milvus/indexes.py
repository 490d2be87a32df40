"""The indexes of vectors that a library in Milvus may have: exact by default, approximate by choice.

FLAT compares the query with every vector: exact, with and without filters. HNSW (a graph) and IVF_SQ8 (clusters, a byte
instead of four for each number) look at a part of them, and miss some of the right answers: docs/operate.md has the
measured recall. Under a filter IVF_SQ8 looks into all clusters, because those next to the query may have nothing that
passes: with 64 of 1024 it found 41 % of the right windows under a filter that one track in a hundred passes.
"""

from typing import Any, NamedTuple

DEFAULT_INDEX = "flat"
MIN_EF = 256  # candidates of a search in HNSW
CLUSTERS = 1024  # of IVF_SQ8
PROBED_CLUSTERS = 64  # without a filter


class Index(NamedTuple):
    """Milvus's own names: the type, the parameters of building it and those of a search for k rows."""

    type: str
    build: dict[str, int]

    def search_parameters(self, k: int, filtered: bool) -> dict[str, Any]:
        """
        >>> INDEXES["hnsw"].search_parameters(10, filtered=False)
        {'metric_type': 'IP', 'params': {'ef': 256}}
        """
        probed = CLUSTERS if filtered else PROBED_CLUSTERS
        parameters = {"HNSW": {"ef": max(MIN_EF, 2 * k)}, "IVF_SQ8": {"nprobe": probed}}.get(self.type, {})
        return {"metric_type": "IP", "params": parameters}


INDEXES = {
    "flat": Index("FLAT", {}),
    "hnsw": Index("HNSW", {"M": 16, "efConstruction": 200}),
    "ivf_sq8": Index("IVF_SQ8", {"nlist": CLUSTERS}),
}
