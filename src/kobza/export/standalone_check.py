"""Embed given inputs with a checkpoint's folder, loaded by transformers alone, without kobza.

    python -I standalone_check.py FOLDER inputs.npz outputs.npz

Run by `push.check` in a separate process; nothing imports this file.
"""

import sys

# Even where kobza is installed, it cannot be imported from here on
sys.modules["kobza"] = None  # type: ignore[assignment]  # how Python marks a module that cannot be imported

import numpy as np  # noqa: E402
import torch  # noqa: E402
from transformers import AutoModel, AutoProcessor  # noqa: E402


def main(folder: str, inputs: str, outputs: str) -> None:
    model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    for loaded in (model, processor):
        if not type(loaded).__module__.startswith("transformers_modules."):
            raise RuntimeError(f"{type(loaded).__name__} is not the checkpoint's own code")
    given = np.load(inputs)
    batch = processor(
        text=list(given["sentences"]), audio=[given["long"], given["short"]], sampling_rate=int(given["rate"])
    )
    with torch.inference_mode():
        output = model(**batch)
    np.savez(outputs, text=output.text_embeds.numpy(), audio=output.audio_embeds.numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
