"""Text in terminal cells: no cut is too wide, or goes through a letter."""

import unicodedata

import pytest
from wcwidth import iter_graphemes

from kobza.cells import ELLIPSIS, cells, cut_end, cut_middle, cut_path, one_line, padding

TEXTS = {
    "latin": "Moonlight Sonata: I. Adagio sostenuto",
    "japanese": "月の光 ドビュッシー ベルガマスク組曲より第三曲",
    "korean": unicodedata.normalize("NFD", "밤편지 그리고 아침"),
    "hebrew": "שיר לשלום להקת הנחל",
    "arabic": "أنا في انتظارك",
    "combining": unicodedata.normalize("NFD", "Café déjà vu ñ ṩ"),
    "stacked": "Z̸̢a̷̡l̶g̵o̴ ̷t̶e̷x̵t̶",
    "hindi": "क्षितिज के पार",
    "thai": "สวัสดี ที่รัก",
    "emoji": "Party 🎉👨‍👩‍👧 ❤️ 🇺🇦 all night",
}


@pytest.mark.parametrize("cut", [cut_end, cut_middle, cut_path])
@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("program", ["", "kitty", "vscode", "Apple_Terminal"])
def test_a_cut_fits_and_keeps_letters_whole(cut, name, program, monkeypatch):
    monkeypatch.setenv("TERM_PROGRAM", program)
    text = TEXTS[name]
    if cut is cut_path:
        text = f"{text}/{text[::2]}/{text}.flac"
    whole = list(iter_graphemes(text))
    for limit in range(1, cells(text) + 2):
        short = cut(text, limit)
        assert cells(short) <= limit
        assert (short == text) == (cells(text) <= limit)
        for part in short.split(ELLIPSIS):
            assert text.startswith(part) or text.endswith(part) or part in text
            assert all(grapheme in whole or grapheme == "/" for grapheme in iter_graphemes(part))


def test_a_path_keeps_its_name_and_the_nearest_folders():
    path = "Bach/Cello Suites/Casals 1936/01.flac"
    assert cut_path(path, 36) == "Bach/…/Casals 1936/01.flac"
    assert cut_path(path, 20) == "Bach/…/01.flac"
    assert cut_path(path, 12) == "Bac…/01.flac"
    assert cut_path("a very long folder/01.flac", 16) == "a very…/01.flac"
    assert cut_path("folder/a very long name.flac", 14) == "a ver…ame.flac"


def test_tags_cannot_steer_the_terminal():
    hostile = "a\x1b]0;title\x07\x1b[2J\r\n\u202eb\u2066\x9b31m\u0000"
    assert one_line(hostile) == "a]0;title[2J b31m"
    assert one_line("می\u200cخواهم 👨\u200d👩") == "می\u200cخواهم 👨\u200d👩"


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_columns_keep_their_order_beside_text_that_runs_from_right_to_left(text):
    """The space between two columns must not join a run of right-to-left letters, which is drawn backwards."""
    before, after = padding(text, cells(text) + 3)
    assert not before and cells(text + after) == cells(text) + 3
    strong = [unicodedata.bidirectional(c) for c in text + after]
    assert [kind for kind in strong if kind in ("L", "R", "AL")][-1] == "L"
