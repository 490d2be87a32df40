"""The options --match, --explain, --per-artist, several seeds, and `kobza duplicates`."""

import json
import shutil

import pytest
from recordings import tone, write


@pytest.fixture
def music(kobza, tmp_path):
    for hertz, artist in ((300, "Nina Simone"), (900, "Nina Simone"), (3000, "Doug Kaufman")):
        write(tmp_path / "m" / f"{hertz}.flac", tone(hertz, 4 + hertz / 300), title=f"Take {hertz}", artist=artist)
    shutil.copy(tmp_path / "m" / "300.flac", tmp_path / "m" / "copy.flac")
    assert kobza("index", tmp_path / "m")[0] == 0
    return tmp_path / "m"


def test_match_and_explain(kobza, music):
    code, out, err = kobza("search", "Doug Kaufman", "-k1", "--explain")
    assert code == 0 and "Take 3000" in out and "1. Take 3000: doug in artist, kaufman in artist" in err
    rows = json.loads(kobza("search", "nina simone", "--match", "tags", "--json")[1])
    assert [len(row["copies"]) for row in rows] in ([1, 0], [0, 1]) and {row["match"] for row in rows} == {"strong"}
    assert {word["field"] for row in rows for word in row["words"]} == {"artist"}
    code, _, err = kobza("search", "hexachord", "--match", "tags")
    assert code == 1 and "No tag or file name has a word of this query" in err
    assert kobza("search", "x", "--match", "words")[0] == 2


def test_limits_copies_and_seeds(kobza, music):
    assert len(json.loads(kobza("search", "tone 300", "--per-artist", "1", "--json")[1])) == 2
    assert "+1 copy" in kobza("search", "tone 300", "-k1", "--match", "sound")[1]
    rows = json.loads(kobza("similar", "take 300", "300.flac", "--minus", "take 3000", "--json")[1])
    assert [row["title"] for row in rows] == ["Take 900"]
    code, _, err = kobza("similar", "nina simone")
    assert code == 1 and "may be any of these" in err and "900.flac" in err


def test_duplicates(kobza, music):
    code, out, err = kobza("duplicates")
    assert (
        code == 0
        and out.split() == [str(music / "300.flac"), str(music / "copy.flac")]
        and "Recordings with copies: 1" in err
    )
    assert json.loads(kobza("duplicates", "--json")[1]) == [out.split()]
    kobza("remove", music / "copy.flac")
    assert "No file has the same recording" in kobza("duplicates")[2]
    assert json.loads(kobza("duplicates", "--json")[1]) == []
