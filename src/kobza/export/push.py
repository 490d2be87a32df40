"""Publish a checkpoint on the Hub: assemble it in a folder, check that without kobza, upload it in one commit.

checkpoint --assemble--> folder --check, in a separate process--> --upload--> huggingface.co/REPO_ID
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from huggingface_hub.utils import validate_repo_id

from kobza.embedding.checkpoint import Checkpoint
from kobza.embedding.checkpoint_folder import fingerprint
from kobza.embedding.trained_on import write_trained_on
from kobza.embedding.training_record import local_folder, read_training_record, write_training_record
from kobza.evaluation.model_index import write_model_index
from kobza.evaluation.overlap import recordings_trained_on
from kobza.export.card import describe, model_card
from kobza.export.upload import PushError, temporary_folder, upload
from kobza.folders import expanded

TOLERANCE = 1e-6  # of embeddings without kobza against those with it
SENTENCES = ["slow sad piano", "a fast drum solo"]


def push(
    repo_id: str,
    checkpoint: Checkpoint,
    public: bool = False,
    dry_run: bool = False,
    receipts: Sequence[dict] = (),
    sources: Sequence[tuple[str, str]] = (),
    say: Callable[[str], None] = lambda _: None,
) -> tuple[list[tuple[str, int]], str | None]:
    """Assemble, check and upload a checkpoint.

    Args:
        repo_id: "user/name". An existing repository keeps its visibility; a new one is private unless `public`.
        dry_run: do everything but the upload.
        receipts, sources: for the card, see `model_card`. say: called with a line for each step.

    Returns:
        The files as (name, bytes), and the repository's URL, None for a dry run.

    Raises:
        ValueError: it cannot be assembled, gives other vectors without kobza, or the Hub refuses it.
    """
    validate_repo_id(repo_id)
    with temporary_folder("The checkpoint") as folder:
        say(f"Assembling {checkpoint.name}")
        assemble(checkpoint, folder, repo_id, receipts, sources)
        say("Loading it without kobza and comparing")
        check(folder)
        files = [(path.name, path.stat().st_size) for path in sorted(folder.iterdir())]
        if dry_run:
            return files, None
        say(f"Uploading to {repo_id}")
        return files, upload(folder, repo_id, public)


def assemble(
    checkpoint: Checkpoint,
    folder: Path,
    repo_id: str,
    receipts: Sequence[dict] = (),
    sources: Sequence[tuple[str, str]] = (),
) -> None:
    """Write everything that belongs on the Hub into `folder`.

    An existing card is kept, with the files that it names (such as plots), and the receipts' results are added to its
    metadata. Otherwise `model_card` writes one.
    """
    checkpoint.save(folder)
    identity = fingerprint(folder)
    source = expanded(checkpoint.name)
    if checkpoint.name and (record := read_training_record(local_folder(checkpoint.name), checkpoint.fingerprint)):
        write_training_record(folder, record)  # saving may have rounded the weights, so it is the record of these now
    if checkpoint.name and (trained_on := recordings_trained_on(checkpoint.name, checkpoint.fingerprint)):
        write_trained_on(folder, trained_on)
    card = folder / "README.md"
    text = model_card(repo_id, describe(checkpoint), identity, sources, receipts)  # checks the receipts in any case
    if not checkpoint.name or not (source / "README.md").is_file():  # without a name it comes from no folder
        card.write_text(text, encoding="utf-8")
        return
    text = (source / "README.md").read_text(encoding="utf-8")
    for path in source.iterdir():
        if path.is_file() and path.name in text and not (folder / path.name).exists():
            shutil.copyfile(path, folder / path.name)
    card.write_text(text if identity in text else f"{text.rstrip()}\n\nFingerprint: `{identity}`\n", encoding="utf-8")
    if receipts:
        write_model_index(card, repo_id.split("/")[-1], receipts)


def check(folder: Path) -> None:
    """Load the folder in a process that cannot import kobza, and compare its vectors with kobza's own.

    Raises:
        PushError: it cannot be loaded there, or its vectors differ.
    """
    rate = 16000
    noise = np.random.default_rng(0).normal(0, 0.1, 12 * rate).astype(np.float32)
    with tempfile.TemporaryDirectory() as elsewhere:
        inputs_file = Path(elsewhere) / "inputs.npz"
        outputs_file = Path(elsewhere) / "outputs.npz"
        np.savez(inputs_file, sentences=SENTENCES, long=noise, short=noise[:8000], rate=rate)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHON"))}
        environment = {**kept, "HF_HOME": elsewhere, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
        script = Path(__file__).with_name("standalone_check.py")
        command = [sys.executable, "-I", str(script), str(folder), str(inputs_file), str(outputs_file)]
        done = subprocess.run(command, env=environment, cwd=elsewhere, capture_output=True, text=True, errors="replace")
        if done.returncode:
            reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise PushError(f"The checkpoint does not load without kobza ({reason}), so nothing was uploaded.")
        found = dict(np.load(outputs_file))
    here = Checkpoint.load(folder, "cpu")
    batch = here.processor(text=SENTENCES, audio=[noise, noise[:8000]], sampling_rate=rate)
    with torch.inference_mode():
        output = here.model(**batch)
    for name, expected in (("text", output.text_embeds), ("audio", output.audio_embeds)):
        difference = np.abs(found[name] - expected.numpy()).max()
        if not difference <= TOLERANCE:
            raise PushError(
                f"Without kobza the checkpoint gives other {name} vectors (they differ by {difference:.1e}, more than "
                f"{TOLERANCE:.0e}), so nothing was uploaded: are the published files the package's?"
            )
