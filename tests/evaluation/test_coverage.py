"""How often the 95 % intervals hold the expected metric: of 1,000 made sets it must be 95 +- 2 %.

A made set is drawn from the same source each time, so the expected metric is the mean over all of them (of MedR, which
is a whole number in most of them, the median).
`python tests/evaluation/test_coverage.py` prints the table of docs/research.md.
"""

from statistics import NormalDist

import numpy as np
import pytest

from kobza.evaluation import intervals, metrics
from kobza.evaluation.influence import tag_influences

SETS = 1000
TOLERANCE = 0.02
RARE = {"tags": 40, "shares": (0.004, 0.04)}  # 1 to 10 of 250
FEW = {"tags": 3, "shares": (0.01, 0.03)}


def captioned(rng, recordings=100, captions=3, dim=16, noise=2.2):
    """Ranks of captions in a set whose captions have in common what their recording's author heard."""
    audio = rng.standard_normal((recordings, dim), np.float32)
    audio /= np.linalg.norm(audio, axis=1, keepdims=True)
    owner = np.repeat(np.arange(recordings), captions)
    author = 0.7 * rng.standard_normal((recordings, dim), np.float32)[owner]
    own = 0.5 * rng.standard_normal((len(owner), dim), np.float32)
    text = audio[owner] + noise / dim**0.5 * (author + own)
    ranks = metrics.ranks(text @ audio.T, owner[:, None] == np.arange(recordings))
    return metrics.rank_metrics(ranks), intervals.rank_intervals([(np.arange(len(owner)), ranks)], owner, recordings)


def tagged(rng, recordings=250, tags=8, shares=(0.04, 0.3)):
    """Tags of 4 to 30 % of the recordings, which have causes in common; so have the scores."""
    common = rng.standard_normal((recordings, 1))
    thresholds = [NormalDist().inv_cdf(1 - share) for share in np.geomspace(*shares, tags)]
    has_tag = (0.4 * common + rng.standard_normal((recordings, tags))) / 1.16**0.5 > thresholds
    scores = 1.2 * has_tag + rng.standard_normal((recordings, tags)) + 0.3 * common
    values = {name: value for name, (value, _) in tag_influences(has_tag, scores).items()}
    return values, intervals.tag_intervals(has_tag, scores)


def classified(rng, recordings=300, classes=10, accuracy=0.6):
    """Classes of unequal size, each taken for the next ones more often than for others."""
    shares = np.geomspace(1, 3, classes)
    true = rng.choice(classes, recordings, p=shares / shares.sum())
    wrong = (true + rng.geometric(0.5, recordings)) % classes
    confusion = metrics.confusion_matrix(true, np.where(rng.random(recordings) < accuracy, true, wrong), classes)
    values = {"F1": float(metrics.macro_f1(confusion)), "accuracy": float(metrics.accuracy(confusion))}
    return values, intervals.class_intervals(confusion)


def coverage(made, sets=SETS, **options) -> dict[str, tuple[float, float, float]]:
    """{metric: (expected value, mean width of the intervals, fraction that hold it)}"""
    rng = np.random.default_rng(0)
    drawn = [made(rng, **options) for _ in range(sets)]
    drawn = [one for one in drawn if np.isfinite(list(one[0].values())).all()]  # a tag may be on no recording
    table = {}
    for name in drawn[0][0]:
        values = [values[name] for values, _ in drawn]
        expected = np.median(values) if name == "MedR" else np.mean(values)
        bounds = np.array([found[name] for _, found in drawn])
        holds = (bounds[:, 0] <= expected) & (expected <= bounds[:, 1])
        table[name] = (float(expected), float(np.ptp(bounds, axis=1).mean()), float(holds.mean()))
    return table


@pytest.mark.parametrize(
    ("made", "names", "options"),
    [
        (captioned, ["R@1", "R@5", "R@10", "MeanR", "mAP10"], {}),
        (tagged, ["ROC-AUC", "PR-AUC"], {}),
        (tagged, ["ROC-AUC"], {**RARE, "sets": 300}),
        (tagged, ["ROC-AUC"], {"tags": 1}),
        (tagged, ["ROC-AUC"], FEW),
        (classified, ["F1", "accuracy"], {}),
    ],
)
def test_intervals_hold_the_expected_metric(made, names, options):
    found = coverage(made, **options)
    assert {name: found[name][2] for name in names} == pytest.approx(dict.fromkeys(names, 0.95), abs=TOLERANCE)
    if made is captioned:
        assert found["MedR"][2] > 0.93  # its ends are whole numbers: it may hold the median more often


if __name__ == "__main__":
    print("| metric | sets of | expected | width | held |\n|---|---|---|---|---|")
    for made, about, options in (
        (captioned, "100 recordings, 3 captions each", {}),
        (tagged, "250 recordings, 8 tags", {}),
        (tagged, "250 recordings, 40 tags of 1 to 10", RARE),
        (tagged, "250 recordings, 3 tags of 2 to 8", FEW),
        (tagged, "250 recordings, one tag of 10", {"tags": 1}),
        (classified, "300 recordings, 10 classes", {}),
    ):
        for name, (expected, width, held) in coverage(made, **options).items():
            print(f"| {name} | {about} | {expected:.3f} | {width:.3f} | {100 * held:.1f} % |")
