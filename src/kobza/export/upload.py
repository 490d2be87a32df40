"""Upload a folder to the Hub, in one commit."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
from safetensors import SafetensorError

from kobza.embedding.checkpoint_folder import one_line
from kobza.errors import KobzaError


class PushError(KobzaError):
    """A checkpoint or a Space cannot be published; the message says why, and what to do."""


@contextlib.contextmanager
def temporary_folder(what: str) -> Iterator[Path]:
    """An empty temporary folder; errors of writing `what` there become PushErrors."""
    with tempfile.TemporaryDirectory(prefix="kobza-push-") as folder:
        try:
            yield Path(folder)
        except (OSError, SafetensorError) as error:
            reason = getattr(error, "strerror", None) or error
            raise PushError(
                f"{what} cannot be written to {tempfile.gettempdir()} ({reason}): free some space there, or "
                "set TMPDIR to another folder."
            ) from error


def upload(folder: Path, repo_id: str, public: bool, kind: Literal["model", "space"] = "model") -> str:
    """Create the repository if it does not exist, and upload the folder's files in one commit: all or none. A Space's
    older wheels are deleted in it.

    Raises:
        PushError: no token or a wrong one, no access to the repository, no connection, or a refusal of the Hub.
    """
    hub = HfApi(library_name="kobza")
    try:
        hub.create_repo(
            repo_id, private=not public, exist_ok=True, repo_type=kind, space_sdk="gradio" if kind == "space" else None
        )
        hub.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            repo_type=kind,
            delete_patterns="*.whl" if kind == "space" else None,
            commit_message="Kobza's page" if kind == "space" else "A checkpoint of Kobza",
        )
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status == 401:
            raise PushError(
                f"{hub.endpoint} does not accept the token: log in with `hf auth login`, or set HF_TOKEN to a token "
                "that may write."
            ) from error
        if status in (403, 404):
            raise PushError(
                f"The token may not write to {repo_id}: check the name, and that the token has the right to write."
            ) from error
        reason = one_line(error.server_message or "no reason given")
        raise PushError(f"{hub.endpoint} refused {repo_id} ({status}: {reason}); nothing was published.") from error
    except Exception as error:  # no connection, or an interrupted one: clients raise many classes
        reason = one_line(error) or type(error).__name__
        raise PushError(
            f"The upload to {hub.endpoint} failed ({reason}); nothing was published: run the same command again."
        ) from error
    return f"{hub.endpoint}/{'spaces/' if kind == 'space' else ''}{repo_id}"
