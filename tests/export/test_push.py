"""Through a Hub on loopback: what is pushed is loaded by strangers, in fresh processes with empty caches."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from huggingface_hub import HfApi, constants
from loopback_hub import TOKEN, Hub
from sample_results import retrieval_result
from tiny import make_model

from kobza import Checkpoint
from kobza.cli import main
from kobza.embedding.checkpoint_folder import fingerprint
from kobza.export.push import PushError, assemble, check, push, upload

ROOT = Path(__file__).resolve().parents[2]
MODEL = "me/kobza-mini"


@pytest.fixture(scope="module")
def hub():
    with Hub() as hub:
        yield hub


def environment(hub, home: Path, token: str = TOKEN) -> dict[str, str]:
    """Of a process that has nothing in its caches and knows no other Hub."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return {**kept, "HF_ENDPOINT": hub.address, "HF_TOKEN": token, "HF_HOME": str(home), "CUDA_VISIBLE_DEVICES": ""}


def run(hub, home: Path, *command: str, token: str = TOKEN) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        env=environment(hub, home, token),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def pushed(hub, tiny_checkpoint, tmp_path_factory):
    """(what the script printed, the private repository's files)"""
    home = tmp_path_factory.mktemp("pusher")
    printed = run(hub, home, "-m", "kobza", "push", MODEL, "--model", tiny_checkpoint, "--source", "tones=CC0")
    return printed, hub.files(MODEL)


def test_everything_that_a_checkpoint_needs_is_pushed_and_nothing_else(hub, pushed, tiny_checkpoint):
    printed, files = pushed
    names = {path.name for path in Path(tiny_checkpoint).iterdir()}
    assert set(files) - {".gitattributes"} == names | {"README.md"}
    for name in {
        "model.safetensors",
        "tokenizer.json",
        "modules.json",
        *(name for name in names if name.endswith(".py")),
    }:
        assert files[name] == (Path(tiny_checkpoint) / name).read_bytes(), name
    assert hub.repositories["models", MODEL]["private"] and hub.repositories["models", MODEL]["commits"] == 1
    assert f"{len(files['model.safetensors']):,}  model.safetensors" in printed
    assert printed.rstrip().endswith(f"at {hub.address}/{MODEL}")
    card = files["README.md"].decode()
    assert fingerprint(tiny_checkpoint) in card and "| tones | CC0 |" in card
    assert f'AutoModel.from_pretrained("{MODEL}", trust_remote_code=True)' in card


FRESH = """
import sys
sys.modules["kobza"] = None  # as if not installed
import json
import numpy as np

path, sentence = sys.argv[1], "slow sad piano"
wave = np.load(sys.argv[2])
NAME = "me/kobza-mini"
trusted = {"trust_remote_code": True}
answer = {}
"""
STRANGERS = {
    "model": """
from transformers import AutoModel, AutoProcessor
model, processor = AutoModel.from_pretrained(NAME, **trusted), AutoProcessor.from_pretrained(NAME, **trusted)
outputs = model(**processor(text=[sentence], audio=[wave], sampling_rate=16000))
answer["text"], answer["audio"] = outputs.text_embeds[0].tolist(), outputs.audio_embeds[0].tolist()
""",
    "pipelines": """
from transformers import pipeline
search = pipeline("text-to-music-retrieval", model=NAME, **trusted)
answer["score"] = search(sentence, candidates=[path])[0]["score"]
answer["audio"] = pipeline("music-feature-extraction", model=NAME, **trusted)(path).tolist()
tag = pipeline("zero-shot-audio-classification", model=NAME, **trusted)
answer["labels"] = tag(wave, candidate_labels=["choir", "bells"])
""",
    "sentences": """
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(NAME, **trusted)
text = model.encode([sentence, "happy drums"])
audio = model.encode([path, wave, {"array": wave, "sampling_rate": 16000}])
answer["text"], answer["audio"], answer["alone"] = text[0].tolist(), audio.tolist(), model.encode(path).tolist()
answer["prompt"] = model.encode(["sad piano", "missing.flac"], prompt="slow ")[0].tolist()
answer["similarity"] = model.similarity(text, audio)[0].tolist()
answer["about"] = [model.get_embedding_dimension(), *model.modalities]
model.save("saved")
answer["again"] = SentenceTransformer("saved", **trusted).encode([sentence])[0].tolist()
try:
    model.encode([b"no music"])
except ValueError as error:
    answer["refusal"] = str(error)
""",
    "metric": """
import evaluate
answer["figures"] = evaluate.load("me/text_to_music_retrieval").compute(predictions=[0, 3, 12])
""",
}


PUSH = """
import sys
sys.modules["kobza"] = None  # as if not installed
from transformers import AutoModel, AutoProcessor
AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True).push_to_hub("me/tuned", private=True)
AutoProcessor.from_pretrained(sys.argv[1], trust_remote_code=True).push_to_hub("me/tuned")
"""


def test_transformers_own_push_leaves_no_file_out(hub, tiny_checkpoint, tmp_path):
    """By the checkpoint's own code, where kobza is not installed: the same files as `Checkpoint.save` writes."""
    run(hub, tmp_path, "-c", PUSH, tiny_checkpoint)
    files = hub.files("me/tuned")
    assert set(files) - {".gitattributes", "README.md"} == {path.name for path in Path(tiny_checkpoint).iterdir()}
    for path in (*Path(tiny_checkpoint).glob("*.py"), Path(tiny_checkpoint) / "modules.json"):
        assert files[path.name] == path.read_bytes(), path.name
    settings = (
        json.loads(content) for content in (files["config.json"], (Path(tiny_checkpoint) / "config.json").read_bytes())
    )
    pushed, saved = (config["custom_pipelines"] for config in settings)
    assert pushed == saved


@pytest.mark.parametrize("stranger", STRANGERS)
def test_strangers_load_it_by_its_name(hub, pushed, tiny_checkpoint, sounds, tmp_path, stranger):
    if stranger in ("metric", "sentences"):
        pytest.importorskip({"metric": "evaluate", "sentences": "sentence_transformers"}[stranger])
    if stranger == "metric":
        api = HfApi(hub.address, token=TOKEN)
        with online():
            api.create_repo("me/text_to_music_retrieval", repo_type="space", space_sdk="static")
            folder = ROOT / "hub" / "metrics" / "text_to_music_retrieval"
            api.upload_folder(repo_id="me/text_to_music_retrieval", repo_type="space", folder_path=folder)
    soundfile.write(tmp_path / "song.flac", sounds[1], 16000)
    np.save(tmp_path / "song.npy", sounds[1])
    script = FRESH + STRANGERS[stranger] + 'print("ANSWER", json.dumps(answer))'
    printed = run(hub, tmp_path, "-c", script, str(tmp_path / "song.flac"), str(tmp_path / "song.npy"))
    answer = json.loads(printed.split("ANSWER ")[1])

    checkpoint = Checkpoint.load(tiny_checkpoint, "cpu")
    text, audio = checkpoint.embed_text(["slow sad piano"])[0], checkpoint.embed_windows([sounds[1]])[0]
    expected = {"text": text, "prompt": text, "again": text, "audio": audio, "alone": audio}
    expected |= {"score": float(text @ audio), "similarity": float(text @ audio)}
    for name in answer.keys() & expected.keys():
        assert np.abs(np.array(answer[name]) - expected[name]).max() < 1e-3, name  # the file has 16 bits
    if stranger == "pipelines":
        assert sum(label["score"] for label in answer["labels"]) == pytest.approx(1.0)
    if stranger == "sentences":
        assert answer["about"] == [128, "text", "audio"] and "Recording 0 cannot be read" in answer["refusal"]
        assert len(answer["audio"]) == 3
    if stranger == "metric":
        assert answer["figures"]["MedR"] == 3.0


TRAIN = """
import sys
import numpy as np
import torch
from transformers import Trainer, TrainingArguments
from kobza import Checkpoint
from kobza.export.push import push

checkpoint = Checkpoint.load(sys.argv[1], "cpu")
noise = np.random.default_rng(0)
words = ("piano", "drums", "choir", "bells")
rows = [{"text": text, "audio": noise.standard_normal(16000).astype(np.float32)} for text in words]

def collate(rows):
    texts, waves = [row["text"] for row in rows], [row["audio"] for row in rows]
    return {**checkpoint.processor(text=texts, audio=waves, sampling_rate=16000), "return_loss": True}

settings = TrainingArguments(
    "run", max_steps=2, per_device_train_batch_size=4, learning_rate=0.01, use_cpu=True, save_strategy="no",
    remove_unused_columns=False, hub_model_id="me/trained", hub_private_repo=True, disable_tqdm=True, report_to=[],
)
trainer = Trainer(checkpoint.model, settings, collate, rows, processing_class=checkpoint.processor)
trainer.train()
trainer.push_to_hub()
push("me/chain", Checkpoint(checkpoint.model, checkpoint.processor, name="run"))
"""
AFTERWARDS = """
from transformers import AutoModel, pipeline
weights = AutoModel.from_pretrained("me/trained", **trusted).state_dict()
answer["trained"] = {name: weight.double().sum().item() for name, weight in weights.items()}
search = pipeline("text-to-music-retrieval", model="me/chain", **trusted)
answer["chain"] = {name: weight.double().sum().item() for name, weight in search.model.state_dict().items()}
answer["found"] = search(sentence, candidates=[path, wave])
"""

THE_SPACE = """
import json
import sys
from urllib.request import urlopen
from kobza import MusicLibrary
from kobza.webui.app import launch
from kobza.webui.collection import open_collection

with MusicLibrary.open("library", "me/chain") as library:
    library.add(sys.argv[1])
page = launch(open_collection("library", "me/chain"))
answer = urlopen(page.local_url + "api/search?q=drums").read().decode()
link = json.loads(answer)["hits"][0]["track"]["link"]
sound = urlopen(f"{page.local_url}track/{link}")
print("PLAYS", "song" in answer, sound.headers["Content-Type"], sound.read() == open(sys.argv[1], "rb").read())
page.close()
"""


def test_from_training_to_a_strangers_pipeline_and_space(hub, tiny_checkpoint, sounds, tmp_path):
    """Train, push (by Trainer, and by Kobza), load in a fresh process, search; and open the Space with it."""
    run(hub, tmp_path, "-c", TRAIN, tiny_checkpoint)
    home = tmp_path / "stranger"
    home.mkdir()
    soundfile.write(home / "song.flac", sounds[1], 16000)
    np.save(home / "song.npy", sounds[1])
    script = FRESH + AFTERWARDS + 'print("ANSWER", json.dumps(answer))'
    printed = run(hub, home, "-c", script, str(home / "song.flac"), str(home / "song.npy"))
    answer = json.loads(printed.split("ANSWER ")[1])
    assert answer["trained"] == pytest.approx(answer["chain"], abs=0.05)  # one in float32, one in half
    before = Checkpoint.load(tiny_checkpoint, "cpu").model.state_dict()
    moved = [
        name for name, weight in before.items() if abs(weight.double().sum().item() - answer["trained"][name]) > 0.1
    ]
    assert any(name.startswith("text_") for name in moved) and any(name.startswith("audio_") for name in moved)
    assert len(answer["found"]) == 2 and answer["found"][0]["score"] == pytest.approx(
        answer["found"][1]["score"], abs=1e-3
    )
    visitor = tmp_path / "visitor"
    visitor.mkdir()
    assert "PLAYS True audio/flac True" in run(hub, visitor, "-c", THE_SPACE, str(home / "song.flac"))


class online:
    """This process, which the tests keep offline, may speak to the Hub on loopback."""

    def __enter__(self):
        self.offline, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, False

    def __exit__(self, *_):
        constants.HF_HUB_OFFLINE = self.offline


@pytest.fixture
def here(hub, monkeypatch):
    """The Hub on loopback for this process: (hub, set the token)."""
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "broken", None)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return hub


@pytest.fixture(scope="module")
def folder(tiny_checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("assembled") / "it"
    assemble(Checkpoint.load(tiny_checkpoint, "cpu"), folder, MODEL)
    return folder


def test_what_the_hub_refuses_is_a_sentence(here, folder, monkeypatch):
    def refuses(repo_id: str, sentence: str) -> None:
        with pytest.raises(PushError, match=sentence) as caught:
            upload(folder, repo_id, public=False)
        assert "\n" not in str(caught.value)

    refuses("someone/else", "The token may not write to someone/else: check the name")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    refuses("me/new", f"{here.address} does not accept the token: log in with `hf auth login`")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("time.sleep", lambda _: None)  # between huggingface_hub's five new attempts
    for broken, sentence in (
        ("cut", r"The upload to http://127.0.0.1:\d+ failed \(.*\); nothing was published: run the same command"),
        ("full", r"refused me/new \(507: Your storage is full\); nothing was published"),
    ):
        monkeypatch.setattr(here, "broken", broken)
        refuses("me/new", sentence)
        assert here.files("me/new") == {}
    monkeypatch.setattr(here, "broken", None)
    assert upload(folder, "me/new", public=False) == f"{here.address}/me/new"
    assert here.files("me/new").keys() >= {"README.md", "model.safetensors"}
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    refuses("me/new", "The upload to http://127.0.0.1:9 failed")


def test_a_new_repository_is_private_unless_told(here, folder):
    upload(folder, "me/seen", public=True)
    assert not here.repositories["models", "me/seen"]["private"]
    upload(folder, "me/seen", public=False)  # nothing is hidden, or shown, behind its owner's back
    assert not here.repositories["models", "me/seen"]["private"]


def test_a_full_disk_is_a_sentence(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    checkpoint = Checkpoint.load(tiny_checkpoint, "cpu")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))  # as much as a full disk takes
    try:
        with pytest.raises(
            PushError, match=r"cannot be written to .* \(.*[Tt]oo large.*\): free some space there, or set TMPDIR"
        ):
            push(MODEL, checkpoint, dry_run=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_a_dry_run_lists_and_asks_nobody(here, tiny_checkpoint, capsys, monkeypatch):
    monkeypatch.setattr("kobza.export.push.check", lambda folder: None)  # the fixture `pushed` has gone through it
    asked = len(here.asked)
    assert main(["push", "me/dry", "--model", tiny_checkpoint, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "README.md" in out and "sentence_kobza.py" in out and "for me/dry; nothing was uploaded" in out
    assert len(here.asked) == asked and ("models", "me/dry") not in here.repositories


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("import copy\n", "import copy\nimport kobza\n", "does not load without kobza .*kobza.* nothing was uploaded"),
        ("dim=-1)", "dim=-1) * 2", "gives other text vectors .* more than 1e-06"),
    ],
)
def test_what_works_only_with_kobza_is_not_pushed(folder, tmp_path, old, new, sentence):
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    code = (copied / "modeling_kobza.py").read_text()
    assert old in code
    (copied / "modeling_kobza.py").write_text(code.replace(old, new))
    with pytest.raises(PushError, match=sentence):
        check(copied)


def test_a_checkpoint_keeps_its_card_and_what_the_card_shows(tiny_checkpoint, tmp_path, monkeypatch):
    source = Path(shutil.copytree(tiny_checkpoint, tmp_path / "source"))
    (source / "README.md").write_text("---\nlicense: mit\n---\n\n# Mine\n\n![curves](curves.png)\n")
    for name in ("curves.png", "optimizer.pt"):
        (source / name).write_bytes(b"...")
    monkeypatch.setenv("HOME", str(tmp_path))
    checkpoint = Checkpoint.load("~/source", "cpu")
    receipt = retrieval_result(fingerprint=checkpoint.fingerprint)
    assemble(checkpoint, tmp_path / "out", MODEL, [receipt])
    card = (tmp_path / "out" / "README.md").read_text()
    assert "# Mine" in card and "license: mit" in card and f"Fingerprint: `{checkpoint.fingerprint}`" in card
    assert "recall_at_1" in card
    assert (tmp_path / "out" / "curves.png").is_file() and not (tmp_path / "out" / "optimizer.pt").exists()


def test_a_checkpoint_without_a_folder_takes_nothing_from_the_working_folder(tiny_processor, tmp_path, monkeypatch):
    (tmp_path / "README.md").write_text("# Another project, see notes.txt\n")
    (tmp_path / "notes.txt").write_text("private")
    monkeypatch.chdir(tmp_path)
    assemble(Checkpoint(make_model(), tiny_processor), tmp_path / "out", MODEL)
    assert "# kobza-mini\n" in (tmp_path / "out" / "README.md").read_text()
    assert not (tmp_path / "out" / "notes.txt").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["me/a/b"], "me/a/b"),
        (["me/x", "--source", "MusicCaps"], "'MusicCaps' is not WHAT=LICENCE"),
        (["me/x", "--receipt", "{card}"], "is not a result of kobza evaluate"),
        (["me/x", "--receipt", "{other}"], "A receipt is of the checkpoint 0123456789abcdef, but this one is"),
    ],
)
def test_wrong_arguments_are_sentences(tiny_checkpoint, tmp_path, capsys, arguments, sentence):
    (tmp_path / "card").write_text("# no JSON")
    (tmp_path / "other").write_text(json.dumps(retrieval_result(fingerprint="0123456789abcdef")))
    arguments = [argument.format(card=tmp_path / "card", other=tmp_path / "other") for argument in arguments]
    assert main(["push", *arguments, "--model", tiny_checkpoint, "--dry-run"]) == 1
    errors = capsys.readouterr().err
    assert sentence in errors and "Traceback" not in errors
