import pytest
from sample_results import ROWS, genre_result, result, retrieval_result, run_of, tag_result

from kobza.evaluation.report import render_report
from kobza.evaluation.results import DASH
from kobza.evaluation.thesis_results import published_tables


def section(text, title):
    """The cells of the first table under the heading that starts with `title`, without its head."""
    (found,) = [part for part in text.split("\n#") if part.lstrip("# ").startswith(title)]
    lines = [line for line in found.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in line.replace("\\|", "¦").strip("|").split("|")] for line in lines]


def whole(*results, **more):
    return render_report(published_tables(), results, **more)


def test_without_results_the_thesis_has_dashes():
    text = whole()
    rows = section(text, "Table 2.2")
    assert [row[0] for row in rows[::2]] == [f"Model {i}" for i in range(1, 6)]
    assert rows[0][2:] == ["published", "1,000", DASH, "0.137", "0.434", "0.591", "31.875", "6", "0.259"]
    assert rows[1] == ["", "", "measured", *[DASH] * 8]
    assert all(row[4] != DASH and row[5] == DASH for row in section(text, "Table 3.5"))
    assert [len(section(text, f"Table {n}")) for n in ("2.4", "3.2", "3.3", "3.4", "3.6", "3.7")] == [10, 4, 3, 4, 6, 2]
    assert "Results" not in text and "Plots" not in text


def test_measured_system_is_below_its_published_row():
    text = whole(retrieval_result(galleries=(62, 900), **run_of("model_2")))
    rows = section(text, "Table 2.2")
    assert rows[2][0] == "Model 2" and rows[2][5] == "0.159"
    # the gallery next to the thesis's 1,000, text -> music, with its interval; ranks with one digit
    assert rows[3][1:6] == ["my-model_2, seed 7", "measured", "900", "30,000 of 30,001", "1.000 [0.750, 1.250]"]
    assert rows[3][8] == "1.3 [1.0, 1.6]"
    assert rows[1][2:] == rows[5][2:] == ["measured", *[DASH] * 8]
    assert len(rows) == 10 and len(section(text, "Table 2.4")) == 10 and len(section(text, "Table 3.4")) == 4
    assert not any("not what a row" in line and "2.2" in line for line in text.splitlines())


BELOW = "Measured on the same data, but not what a row of table "


def test_other_models_are_below_the_table():
    text = whole(retrieval_result(), genre_result(), tag_result())
    none = "none of this table's models"
    assert section(text, BELOW + "2.2")[-1][:4] == ["kobza-mini", none, "3", "3 of 4"]
    assert section(text, BELOW + "3.4")[-1][0] == "kobza-mini"
    assert section(text, BELOW + "3.2") == [
        ["kobza-mini", none, "`The {} song`", "2", "3 of 4", "0.100 [0.075, 0.125]"],
        ["kobza-mini", none, "`this is a music of {}`", "2", "3 of 4", "0.200 [0.150, 0.250]"],
        ["kobza-mini", none, "`this is a sound of {}`", "2", "3 of 4", "0.300 [0.225, 0.375]"],
        ["kobza-mini", none, "`{}`", "2", "3 of 4", "0.400 [0.300, 0.500]"],
    ]
    assert [row[5][:5] for row in section(text, BELOW + "3.7")] == ["0.600", "0.700", "0.800"]
    assert len(section(text, "Table 2.2")) == 10 and len(section(text, "Table 3.2")) == 4


SMALL = {"text": {"name": "bert, tiny", "parameters": 242_688}, "audio": ROWS["model_6"].towers["audio"]}


@pytest.mark.parametrize(
    ("changes", "training", "why"),
    [
        ({"training": None}, {}, "its receipt has no record of how these weights were trained"),
        ({}, {"changed": {"init": "tiny", "temperature": 2.0}}, "not the recipe as it is: init tiny, temperature 2.0"),
        ({}, {"towers": SMALL}, "text tower bert, tiny 108.9 M, not bert-base-uncased 108.9 M"),
        (
            {"towers": {"text": 242_688, "audio": 86_187_264}},
            {},
            "text tower bert-base-uncased 0.24 M, not bert-base-uncased 108.9 M",
        ),
        (
            {},
            {"data": {"name": "musiccaps", "split": "zero-shot", "recordings": {"train": 5013}}},
            "trained on musiccaps (zero-shot), not on MusicCaps (thesis)",
        ),
        (
            {},
            {"data": {"name": "musiccaps", "split": "thesis", "recordings": {"train": 12}}},
            "trained on 12 recordings, less than half of 3,794",
        ),
        ({}, {"ended": "max_steps", "steps": 6}, "ended after 6 steps, as it was told to"),
        (
            {"overlap": {"train": 206, "captions": 0, "validation": 9, "share": 0.2}},
            {},
            "of the recordings that it is measured on 206 trained on, 9 in its validation split",
        ),
    ],
)
def test_a_run_that_is_not_what_its_row_says_is_below_with_the_reason(changes, training, why):
    text = whole(
        retrieval_result(galleries=(1000,), **{**run_of("model_6", **training), "model": "model_6", **changes})
    )
    assert section(text, "Table 2.4")[1] == ["", "", "measured", *[DASH] * 8]
    (row,) = section(text, BELOW + "2.4")
    assert row[0].startswith("model_6") and row[1] == why and row[2] == "1,000"
    assert BELOW + "2.2" not in text  # its row is in the other table


def test_a_run_is_what_its_record_says_and_not_its_folders_name():
    text = whole(retrieval_result(galleries=(1000,), **{**run_of("model_1"), "model": "model_6"}))
    assert section(text, "Table 2.2")[1][1] == "model_6, seed 7" and section(text, "Table 2.4")[1][1] == ""
    assert section(text, "How the models were trained")[0][2:] == [
        "model_1",
        "bert-base-uncased, 108.9 M",
        "MIT/ast-finetuned-audioset-10-10-0.4593, 86.2 M",
        "musiccaps (thesis), 3,794 recordings",
        "2,400 (early stopping)",
        "7",
    ]


def test_few_recordings_are_not_the_thesis_test():
    text = whole(retrieval_result(galleries=(499,), **run_of("model_6")))
    assert section(text, BELOW + "2.4")[0][1] == "measured on 499 recordings, less than half of 1,000"


@pytest.mark.parametrize("name", ["clap_music", "CLAP Music", "music_audioset_epoch_15_esc_90.14.pt", "me/clap-music"])
def test_weights_of_others_are_known_by_name_and_size(name):
    text = whole(genre_result(**{**run_of("clap_music"), "model": name}))
    rows = section(text, "Table 3.5")
    used = "30,000 of 30,001"
    assert rows[0] == ["CLAP Music", "`The {genre} song`", "2", used, "0.659", "0.100 [0.075, 0.125]"]
    assert rows[3][4:] == ["0.520", "0.400 [0.300, 0.500]"]
    assert rows[4] == ["CLAP Default", "`The {genre} song`", DASH, DASH, "0.460", DASH] and len(rows) == 8
    text = whole(genre_result(**{**run_of("clap_default"), "model": name}))
    assert section(text, BELOW + "3.5")[0][1] == "audio tower of 27.5 M, not HTSAT-base 67.8 M"


def test_mulan_is_published_only_beside_our_own_recipes():
    rows = section(whole(tag_result(**run_of("mulan_m_ast"))), "Table 3.7")
    assert "not public" in rows[0][0] and rows[0][4:] == ["0.778", DASH]
    assert [row[0] for row in rows[1:4]] == ["Kobza's mulan_m_ast"] * 3
    assert [row[1] for row in rows[1:4]] == ["`{}`", "`song with this feature: {}`", "`The {} song`"]
    assert "not public" in rows[4][0] and len(rows) == 5


def test_another_split_is_not_the_thesis_test():
    text = whole(retrieval_result(model="model_1", split="eval"))
    assert section(text, "Table 2.2")[1] == ["", "", "measured", *[DASH] * 8]
    assert section(text, "MusicCaps, eval")[0][:4] == ["model_1", "text -> music", "2", "3 of 4"]


def test_all_galleries_directions_and_results_are_listed():
    text = whole(retrieval_result("pairs", folder="pairs-folk"), tag_result())
    rows = section(text, "pairs-folk (pairs)")
    assert [row[1:3] for row in rows] == [[d, g] for d in ("text -> music", "music -> text") for g in ("2", "3")]
    assert "jazz.00054.wav: it is damaged" in text and text.count("jazz.00054.wav") == 2  # once a data set
    listed = section(text, "Results")
    assert [row[2:4] for row in listed] == [
        ["MagnaTagATune, 50", "magnatagatune"],
        ["pairs-folk (pairs)", "pairs-folk"],
    ]
    assert listed[0][0] == f"`{tag_result()['fingerprint']}`" and "torch 2.11.0" in listed[0][8]


def test_many_skipped_files_are_counted():
    skipped = [{"file": f"{i}.wav", "reason": "gone"} for i in range(25)]
    text = whole(genre_result(skipped=skipped))
    assert "- 9.wav: gone" in text and "10.wav" not in text and "and 15 more" in text


def test_failures_and_plots_are_named():
    text = whole(failures=[("model_4", "It lacks weights.")], plots=[("R@K", "plots/a b(1).png")])
    assert "- model_4: It lacks weights." in text
    assert "![R@K](plots/a%20b%281%29.png)" in text


def test_special_characters_stay_in_their_cell():
    odd = result("classes", "a|b\nc", genre_result()["figures"], folder="x|y")
    rows = section(whole(odd), "Results")
    assert rows[0][1] == "a¦b c" and rows[0][3] == "x¦y" and len(rows[0]) == 9


def test_unknown_value_is_a_dash():
    made = genre_result()
    made["figures"][0].update(value=None, low=None, high=None)
    assert section(whole(made), BELOW + "3.2")[0][5] == DASH
