"""The page as a Space: what is pushed to a Hub on loopback is complete, installs, and opens."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from huggingface_hub import constants
from loopback_hub import TOKEN, Hub
from packaging.requirements import Requirement
from recordings import tone, write

import kobza
from kobza.cli import main, make_parser
from kobza.export.space import assemble
from kobza.export.space_check import build_environment, install, open_page
from kobza.export.upload import PushError
from kobza.export.wheel import requirements

SPACE = "me/music"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("space")
    assemble(folder)
    return folder


@pytest.fixture
def hub(monkeypatch):
    """A Hub on loopback that this process speaks to."""
    with Hub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


@pytest.fixture
def assembled(folder, monkeypatch):
    """`kobza push --space` finds the Space assembled already, which takes a while."""
    monkeypatch.setattr("kobza.export.space.assemble", lambda place: shutil.copytree(folder, place, dirs_exist_ok=True))


def header(card: str) -> dict:
    return yaml.safe_load(re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)[1])


def test_what_is_pushed_is_complete_and_replaces_the_last(hub, assembled, capsys, monkeypatch):
    checked = []
    monkeypatch.setattr("kobza.export.space.check", lambda folder, say: checked.append(sorted(os.listdir(folder))))
    assert main(["push", "--space", SPACE, "--no-check"]) == 0 and not checked
    repository = hub.repositories["spaces", SPACE]
    wheel = f"kobza-{kobza.__version__}-py3-none-any.whl"
    names = {"app.py", "Dockerfile", "README.md", "requirements.txt", wheel}
    assert set(repository["files"]) - {".gitattributes"} == names and repository["private"]
    assert f"at {hub.address}/spaces/{SPACE}" in capsys.readouterr().out

    repository["files"]["kobza-0.0.1-py3-none-any.whl"] = repository["files"].pop(wheel)
    assert main(["push", SPACE, "--space", "--public"]) == 0 and [set(files) for files in checked] == [names]
    assert {name for name in repository["files"] if name.endswith(".whl")} == {wheel}
    assert repository["private"]  # nothing is shown behind its owner's back

    assert main(["push", "--space", "me/other", "--dry-run"]) == 0 and len(checked) == 2
    assert ("spaces", "me/other") not in hub.repositories and "nothing was uploaded" in capsys.readouterr().out


def test_the_header_is_what_the_hub_reads(folder):
    about = header((folder / "README.md").read_text())
    assert about["sdk"] == "gradio" and (folder / about["app_file"]).is_file()
    assert len(about["short_description"]) <= 60  # the Hub's limit
    assert about["python_version"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    lines = (folder / "requirements.txt").read_text().splitlines()
    needed = {requirement.name: requirement for requirement in map(Requirement, lines)}
    assert about["sdk_version"] in needed["gradio"].specifier
    assert {"onnxruntime", "av", "jinja2"} <= set(needed)
    assert not {"torch", "torchaudio", "transformers", "pytest"} & set(needed)
    # The Hub's build sees requirements.txt alone, and no package index has the wheel.
    assert "kobza" not in needed and not any(requirement.url for requirement in needed.values())


def test_the_wheel_is_the_package_with_its_checkpoint(folder):
    (wheel,) = folder.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    package = Path(kobza.__file__).parent
    here = {f"kobza/{path.relative_to(package)}" for path in package.rglob("*.py")}
    assert here <= names and "kobza/checkpoints/kobza-mini/model.safetensors" in names
    assert {"kobza/spaces/app.py", "kobza/spaces/Dockerfile", "kobza/spaces/README.md"} <= names


INSTALLED = """
import sys
from pathlib import Path
from kobza.export.space import assemble
assemble(Path(sys.argv[1]))
"""


def test_an_installed_kobza_pushes_the_same(folder, tmp_path):
    (wheel,) = folder.glob("*.whl")
    site, out = tmp_path / "site", tmp_path / "out"
    out.mkdir()
    zipfile.ZipFile(wheel).extractall(site)
    (information,) = site.glob("*.dist-info")
    with (information / "RECORD").open("a") as record:  # as pip leaves it
        record.write("../../../bin/kobza,sha256=abc,1\nkobza/__pycache__/cli.pyc,,\nkobza-x.dist-info/INSTALLER,,\n")
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, "-c", INSTALLED, str(out)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in out.iterdir()} == {path.name for path in folder.iterdir()}
    for name in ("app.py", "Dockerfile", "README.md", "requirements.txt"):
        assert (out / name).read_bytes() == (folder / name).read_bytes(), name
    first, second = (
        {info.filename: info.CRC for info in zipfile.ZipFile(path).infolist() if not info.filename.endswith("RECORD")}
        for path in (wheel, out / wheel.name)
    )
    assert first == second
    packed = zipfile.ZipFile(out / wheel.name)
    recorded = packed.read(f"{information.name}/RECORD").decode().splitlines()
    assert {line.rsplit(",", 2)[0] for line in recorded} == set(packed.namelist())


def test_the_pushed_page_opens_and_is_that_of_the_wheel(folder, tiny_checkpoint, tmp_path):
    """In the tests' environment, because an own one takes gigabytes, and on a small library."""
    write(tmp_path / "music" / "one.flac", tone(300, 3))
    with kobza.MusicLibrary.open(tmp_path / "library", tiny_checkpoint) as library:
        library.add(tmp_path / "music")
    pushed = Path(shutil.copytree(folder, tmp_path / "pushed"))
    app = (pushed / "app.py").read_text()
    last = "sys.exit(main("
    assert last in app
    shown = "import kobza; assert 'kobza-wheel-' in kobza.__file__, kobza.__file__\n"
    (pushed / "app.py").write_text(app.replace(last, shown + last))
    variables = {"KOBZA_LIBRARY": str(tmp_path / "library"), "KOBZA_MODEL": str(tiny_checkpoint)}
    open_page(pushed, sys.executable, variables)


SERVER = """
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(STATUS)
        self.end_headers()
        self.wfile.write(json.dumps({"hits": []}).encode() if "/api/" in self.path else b"Kobza")
HTTPServer(("127.0.0.1", int(os.environ["GRADIO_SERVER_PORT"])), Page).serve_forever()
"""


@pytest.mark.parametrize(
    ("app", "sentence"),
    [
        ("raise ValueError('no music')", r"app.py ended with exit code 1 \(ValueError: no music\); nothing was"),
        (SERVER.replace("STATUS", "200"), "a search for 'slow sad piano' finds nothing"),
        (SERVER.replace("STATUS", "500"), "the page answers HTTP Error 500"),
    ],
)
def test_a_space_that_does_not_open_is_not_pushed(tmp_path, app, sentence):
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "app.py").write_text(app)
    with pytest.raises(PushError, match=sentence):
        open_page(tmp_path / "space", sys.executable)


def write_small_wheel(folder: Path, name: str, version: str = "99", extras: str = "") -> None:
    information = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{extras}")
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")


def test_the_environment_is_what_the_hub_installs(folder, tmp_path, monkeypatch):
    """With small wheels in place of the real ones."""
    index, space = tmp_path / "index", tmp_path / "space"
    index.mkdir()
    space.mkdir()
    shutil.copy(folder / "README.md", space)
    (space / "requirements.txt").write_text("tiny>=1\n")
    for name in ("tiny", "uvicorn", "websockets", "spaces"):
        write_small_wheel(index, name)
    version = header((folder / "README.md").read_text())["sdk_version"]
    write_small_wheel(index, "gradio", version, "Provides-Extra: oauth\nProvides-Extra: mcp\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    python = build_environment(space, tmp_path / "venv")
    listed = subprocess.run([python, "-m", "pip", "list", "--format", "json"], capture_output=True, check=True).stdout
    versions = {package["name"]: package["version"] for package in json.loads(listed)}
    assert versions["gradio"] == version and {"tiny", "uvicorn", "websockets", "spaces"} <= set(versions)
    (space / "requirements.txt").write_text("tiny>=100\n")
    with pytest.raises(PushError, match=r"environment cannot be built \(ERROR: No matching .*tiny.*; nothing was"):
        install(space, python)


def test_the_container_names_what_is_there(folder):
    lines = [line for line in (folder / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0].startswith("FROM python:3.")
    for source in re.findall(r"source=(\S+?),|/space/(\S+)", "\n".join(lines)):
        assert list(folder.glob(source[0] or source[1])), source
    environment = dict(pair.split("=") for line in lines if line.startswith("ENV ") for pair in line.split()[1:])
    ports = {environment["GRADIO_SERVER_PORT"], *re.findall(r"^EXPOSE (\d+)$", "\n".join(lines), re.MULTILINE)}
    (volume,) = (line.split()[1] for line in lines if line.startswith("VOLUME "))
    assert environment["XDG_DATA_HOME"] == volume  # where the library is
    comments = "".join(line for line in (folder / "Dockerfile").read_text().splitlines() if line.startswith("#"))
    assert {port for pair in re.findall(r"127.0.0.1:(\d+):(\d+)", comments) for port in pair} == ports
    commands = [json.loads(line.removeprefix("CMD ")) for line in lines if line.startswith("CMD ")]
    commands += [shlex.split(command) for command in re.findall(r"kobza (kobza [^#]*)", comments)]
    assert len(commands) == 2
    for words in commands:
        assert words[0] == "kobza" and make_parser().parse_args(words[1:]).function


def test_options_of_a_checkpoint_are_not_the_spaces(capsys):
    assert main(["push", "--space", SPACE, "--model", "runs/model_6"]) == 1
    assert "name it in the Space's variable KOBZA_MODEL" in capsys.readouterr().err
    assert main(["push", SPACE, "--no-check"]) == 1
    assert "--no-check belongs to --space" in capsys.readouterr().err


def test_requirements_are_those_of_the_hubs_machine(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        needed = ["b>=1", "c; extra == 'space'", "d; extra == 'other'", "e; sys_platform == 'darwin'"]
        lines = "".join(f"Requires-Dist: {requirement}\n" for requirement in needed)
        wheel.writestr("a.dist-info/METADATA", f"Name: a\n{lines}\nRequires-Dist: described\n")
    assert requirements(tmp_path / "a.whl", "space") == ["b>=1", "c"]
