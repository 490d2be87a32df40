import numpy as np
import pytest
from PIL import Image
from sample_results import genre_result, retrieval_result, tag_result

from kobza.evaluation import plots


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """The figures that were saved, in order, as Matplotlib's objects; nothing is written."""
    figures = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: figures.append(figure))
    return figures


def test_recall_curves_show_recall(drawn, tmp_path):
    ranks = {"a": [0, 1, 4, 9, 10, 99], "b": [0] * 6}
    plots.plot_recall_curves(ranks, 100, "T", tmp_path / "x.png")
    (ax,) = drawn[0].axes
    chance, a, b = ax.lines
    recall = dict(zip(*a.get_data(), strict=True))
    assert [recall[k] for k in (1, 5, 10, 11, 100)] == pytest.approx([1 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    assert set(b.get_ydata()) == {1.0} and dict(zip(*chance.get_data(), strict=True))[100] == 1.0
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["chance", "a", "b"]
    assert ax.get_ylabel() == "R@K" and ax.get_title() == "T"


def test_twenty_lines_are_distinct(drawn, tmp_path):
    plots.plot_recall_curves({f"m{i}": [i] for i in range(20)}, 30, "T", tmp_path / "x.png")
    lines = drawn[0].axes[0].lines[1:]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 20


@pytest.mark.parametrize(
    ("gallery", "names", "heights"),
    [
        (1000, ["0", "1–4", "5–9", "10–19", "20–49", "50–99", "100–199", "200–499", "500–999"], [2, 1, 0, 1] + [0] * 5),
        (12, ["0", "1–4", "5–9", "10–11"], [2, 1, 0, 1]),
    ],
)
def test_rank_histogram_counts_every_rank_once(drawn, tmp_path, gallery, names, heights):
    plots.plot_rank_histogram([0, 0, 4, 11], gallery, "T", tmp_path / "x.png")
    (ax,) = drawn[0].axes
    assert [text.get_text() for text in ax.get_xticklabels()] == names
    assert [bar.get_height() * 4 for bar in ax.patches] == heights


def test_confusion_matrix_rows_are_percentages(drawn, tmp_path):
    plots.plot_confusion_matrix([[3, 1], [0, 0]], ["blues", "rock"], "T", tmp_path / "x.png")
    ax = drawn[0].axes[0]
    assert ax.images[0].get_array().tolist() == [[0.75, 0.25], [0.0, 0.0]]  # nobody's label: no division by zero
    assert [text.get_text() for text in ax.texts] == ["75", "25"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["blues", "rock"]


def test_tags_are_sorted_by_auc(drawn, tmp_path):
    plots.plot_tag_auc(["a", "b", "c", "d"], [0.6, None, 0.9, 0.3], "T", tmp_path / "x.png")
    (ax,) = drawn[0].axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["c", "a", "d"]
    assert [bar.get_x() + bar.get_width() for bar in ax.patches] == pytest.approx([0.9, 0.6, 0.3])
    assert ax.get_xlim()[0] < 0.3
    colours = [bar.get_facecolor() for bar in ax.patches]
    assert colours[0] == colours[1] != colours[2]


def test_all_188_tags_are_drawn(drawn, tmp_path):
    plots.plot_tag_auc([f"t{i}" for i in range(188)], list(np.linspace(0.4, 0.9, 188)), "T", tmp_path / "x.png")
    assert [len(ax.patches) for ax in drawn[0].axes] == [50, 50, 50, 38]


def test_dollar_signs_are_not_formulas(tmp_path):
    plots.plot_confusion_matrix([[1, 0], [0, 1]], ["$\\frac$", "b"], "$x^$", tmp_path / "x.png")
    plots.plot_tag_auc(["$a_$"], [None], "nothing known: $_$", tmp_path / "y.png")
    plots.plot_recall_curves({"$^$": [0]}, 1, "one", tmp_path / "z.png")
    plots.plot_rank_histogram([0], 1, "$^$", tmp_path / "w.png")
    assert len(list(tmp_path.glob("*.png"))) == 4


def test_everything_in_receipts_is_drawn_and_the_best_prompt_named(tmp_path):
    results = {
        "a--musiccaps": retrieval_result(model="a"),
        "b--musiccaps": retrieval_result(model="b"),
        "a--gtzan": genre_result(model="a"),
        "a--magnatagatune": tag_result(model="a"),
    }
    made = plots.plot_results(results, tmp_path)
    assert made == [
        ("MusicCaps, test: text -> music", "plots/musiccaps-recall-text-to-music.png"),
        ("MusicCaps, test: music -> text", "plots/musiccaps-recall-music-to-text.png"),
        ("a on MusicCaps, test: text -> music", "plots/a--musiccaps-ranks.png"),
        ("b on MusicCaps, test: text -> music", "plots/b--musiccaps-ranks.png"),
        ("a on GTZAN: this is a music of {}", "plots/a--gtzan-labels.png"),
        ("a on MagnaTagATune, 50: The {} song", "plots/a--magnatagatune-tags.png"),
    ]
    first = {}
    for _, file in made:
        with Image.open(tmp_path / file) as image:
            assert image.format == "PNG" and image.width > 400 and len(image.convert("RGB").getcolors(1 << 20)) > 10
        first[file] = (tmp_path / file).read_bytes()
    plots.plot_results(dict(list(results.items())[2:]), tmp_path)
    assert all((tmp_path / file).read_bytes() == data for file, data in first.items())  # the same twice


def test_two_models_with_one_name_are_two_curves(drawn, tmp_path):
    results = {"a": retrieval_result(fingerprint="1" * 16), "a.pt": retrieval_result(fingerprint="2" * 16)}
    plots.plot_results(results, tmp_path)
    labels = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert labels == ["chance", "kobza-mini (111111)", "kobza-mini (222222)"]
