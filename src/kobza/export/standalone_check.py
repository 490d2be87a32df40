"""Load a checkpoint's folder as somebody without Kobza does, and store what it says of given inputs.

    python -I without_kobza.py FOLDER inputs.npz outputs.npz

Run by `push.check` in a process of its own; nothing imports this file.
"""

import sys

# Wherever kobza is installed, beside torch or by a path file, it cannot be imported from here on
sys.modules["kobza"] = None

import numpy as np  # noqa: E402
import torch  # noqa: E402
from transformers import AutoModel, AutoProcessor  # noqa: E402


def main(folder: str, inputs: str, outputs: str) -> None:
    model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    for thing in (model, processor):
        if not type(thing).__module__.startswith("transformers_modules."):
            raise RuntimeError(f"{type(thing).__name__} is not the checkpoint's own code")
    given = np.load(inputs)
    batch = processor(
        text=list(given["sentences"]), audio=[given["long"], given["short"]], sampling_rate=int(given["rate"])
    )
    with torch.inference_mode():
        output = model(**batch)
    np.savez(outputs, text=output.text_embeds.numpy(), audio=output.audio_embeds.numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
