"""The page's files: kept by browsers for ever, and never stale."""

import gzip
import re

from asgi import ask

from kobza.webui.routes.pages import LOGIN, SHELL
from kobza.webui.static_files import FILES, FOLDER, StaticFiles


def test_what_the_page_names_is_kept_for_ever():
    for page in (SHELL.render(), LOGIN.render()):
        addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert addresses and all(address.startswith(f"static/{FILES.version}/") for address in addresses)
        for address in addresses:
            answer = ask(FILES, address.removeprefix("static/"))
            assert answer.status == 200 and "immutable" in answer.headers["cache-control"]
            assert answer.body == (FOLDER / address.rpartition("/")[2]).read_bytes()


def test_other_addresses_are_asked_for_again():
    for address in ("main.js", "0123456789ab/main.js"):  # the second of a page that was loaded before an upgrade
        answer = ask(FILES, address)
        assert answer.body == (FOLDER / "main.js").read_bytes() and answer.headers["cache-control"] == "no-cache"
        again = ask(FILES, address, ("if-none-match", answer.headers["etag"]))
        assert (again.status, again.body) == (304, b"") and again.headers["etag"] == answer.headers["etag"]
        assert ask(FILES, address, ("if-none-match", '"another"')).status == 200


def test_text_is_compressed_and_fonts_are_not():
    plain, packed = ask(FILES, "style.css"), ask(FILES, "style.css", ("accept-encoding", "gzip, br"))
    assert packed.headers["content-encoding"] == "gzip" and len(packed.body) < 0.5 * len(plain.body)
    assert gzip.decompress(packed.body) == plain.body and "content-encoding" not in plain.headers
    assert packed.headers["content-type"].startswith("text/css")
    font = next(name for name in FILES.files if name.endswith(".woff2"))
    assert "content-encoding" not in ask(FILES, font, ("accept-encoding", "gzip")).headers


def test_the_version_changes_with_any_file(tmp_path):
    (tmp_path / "i18n").mkdir()
    (tmp_path / "a.js").write_text("a")
    first = StaticFiles(tmp_path)
    (tmp_path / "i18n" / "en.json").write_text("{}")
    second = StaticFiles(tmp_path)
    (tmp_path / "a.js").write_text("b")
    third = StaticFiles(tmp_path)
    assert len({one.version for one in (first, second, third)}) == 3
    assert ask(second, f"{second.version}/i18n/en.json").body == b"{}"
    assert StaticFiles(tmp_path).version == third.version
