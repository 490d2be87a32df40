"""Retrieval of music by its description, measured by the rank of the right answer, counted from 0."""

import datasets
import evaluate
import numpy as np

_DESCRIPTION = """\
How well the right recording is found for its description, or the right description for its recording. The rank of an
answer is how many others score at least as much as the right one: it is counted from 0, and a tie counts against the
model. R@K is the share of ranks below K; MeanR and MedR are their mean and median; mAP10 is the mean of 1 / (rank + 1)
where the rank is below 10, else 0.
"""
_KWARGS_DESCRIPTION = """
Args:
    predictions: either the similarities, a row of n numbers for each of n queries, where answer i is the right one for
        query i; or the ranks themselves, one whole number for each query.
Returns:
    R@1, R@5, R@10, MeanR, MedR, mAP10, each a float.
Examples:
    >>> metric = evaluate.load("kobza/text_to_music_retrieval")
    >>> metric.compute(predictions=[[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.7, 0.6, 0.8]])["R@1"]
    0.6666666666666666
    >>> metric.compute(predictions=[0, 3, 12])["MedR"]
    3.0
"""
_CITATION = """\
@thesis{plakhtii2023crossmodal,
  author = {Plakhtii, H. O.},
  title = {Cross-modal representations tuned on MusicCaps for music retrieval by text description},
  school = {Igor Sikorsky Kyiv Polytechnic Institute},
  type = {Bachelor's thesis},
  year = {2023},
}
"""


def ranks(similarity: np.ndarray) -> np.ndarray:
    """(n, n) similarities, queries by answers -> (n,) ranks from 0; a right answer that scores NaN comes last."""
    right = np.diag(similarity)[:, None]
    return (~(similarity < right)).sum(axis=1) - 1


def metrics_of(found: np.ndarray) -> dict[str, float]:
    """(n,) ranks -> the six figures. The same as kobza.evaluation.metrics, which need not be installed here."""
    figures = {f"R@{k}": float((found < k).mean()) for k in (1, 5, 10)}
    reciprocal = np.where(found < 10, 1.0 / (found + 1.0), 0.0)
    return {
        **figures,
        "MeanR": float(found.mean()),
        "MedR": float(np.median(found)),
        "mAP10": float(reciprocal.mean()),
    }


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class TextToMusicRetrieval(evaluate.Metric):
    """Text-to-music retrieval metrics."""

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=[
                datasets.Features({"predictions": datasets.Value("int64")}),
                datasets.Features({"predictions": datasets.Sequence(datasets.Value("float64"))}),
            ],
        )

    def _compute(self, predictions):
        if not predictions:
            raise ValueError("There is nothing to measure: give a row of similarities, or a rank, for each query.")
        if not isinstance(predictions[0], list):
            found = np.array(predictions)
            if found.min() < 0:
                raise ValueError(f"A rank is {found.min()}, but they are counted from 0.")
            return metrics_of(found)
        lengths = {len(row) for row in predictions}
        if lengths != {len(predictions)}:
            raise ValueError(
                f"There are {len(predictions)} queries with {min(lengths)} to {max(lengths)} similarities: the matrix "
                "must be square, with the right answer of query i in column i; or give the ranks."
            )
        return metrics_of(ranks(np.array(predictions, dtype=np.float64)))
