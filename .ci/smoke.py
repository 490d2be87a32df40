"""What an installed Kobza must do on any machine: python .ci/smoke.py, in an empty folder, without a network.

Indexes a recording in each container, searches, runs the demo; where PyTorch is installed, both pipelines, too, and
where it is not, what needs it must say so. Whatever fails ends it with an error.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np

# extension: (encoder, FFmpeg's name of the container)
CONTAINERS = {
    "mp3": ("libmp3lame", "mp3"),
    "mp2": ("mp2", "mp2"),
    "flac": ("flac", "flac"),
    "ogg": ("vorbis", "ogg"),
    "opus": ("libopus", "ogg"),
    "m4a": ("aac", "ipod"),
    "aac": ("aac", "adts"),
    "wav": ("pcm_s16le", "wav"),
    "w64": ("pcm_s16le", "w64"),
    "aiff": ("pcm_s16be", "aiff"),
    "wma": ("wmav2", "asf"),
    "wv": ("wavpack", "wv"),
    "tta": ("tta", "tta"),
    "mka": ("flac", "matroska"),
    "caf": ("pcm_s16be", "caf"),
    "au": ("pcm_s16be", "au"),
}
RATE, SECONDS = 48_000, 3


def write(path: Path, encoder: str, container_format: str, seconds: int = SECONDS) -> None:
    wave = 0.4 * np.sin(2 * np.pi * 440 * np.arange(RATE * seconds) / RATE)
    with av.open(str(path), "w", format=container_format) as container:
        options = {"strict": "experimental"} if encoder == "vorbis" else {}
        stream = container.add_stream(encoder, rate=RATE, layout="stereo", options=options)
        stream.bit_rate = 128_000
        frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]).astype(np.float32), format="fltp", layout="stereo")
        frame.rate, frame.pts = RATE, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])


def kobza(*words: str, code: int = 0) -> str:
    """Run the command; what it printed, errors too."""
    run = subprocess.run(
        [sys.executable, "-m", "kobza", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    print("$ kobza", *words, "\n" + run.stdout)
    assert run.returncode == code and "Traceback" not in run.stdout, f"exit code {run.returncode}"
    return run.stdout


def run_pipelines(files: list[str], model: str) -> None:
    from transformers import pipeline

    embed = pipeline("music-feature-extraction", model=model, trust_remote_code=True)
    vectors = np.concatenate([np.atleast_2d(v) for v in embed(files)])
    assert vectors.shape == (len(files), 128) and (vectors @ vectors.T).min() > 0.5, (vectors @ vectors.T).min()
    search = pipeline("text-to-music-retrieval", model=model, trust_remote_code=True)
    found = search("a steady tone", candidates=files)
    assert len(found) == len(files) and found[0]["path"] in files


def main() -> None:
    for name in ("KOBZA_LIBRARY", "XDG_CACHE_HOME", "XDG_DATA_HOME", "HF_HOME"):
        os.environ[name] = str(Path.cwd() / name)
    os.environ.pop("HF_HUB_OFFLINE", None)  # that there is no network must show by itself

    import kobza as package

    installed = Path(package.__file__).parent
    assert "site-packages" in str(installed), f"{installed} is no installed package"
    assert Path(package.default_checkpoint()) == installed / "checkpoints" / "kobza-mini"
    assert kobza("--version") == f"kobza {package.__version__}\n"
    assert "usage: kobza" in kobza(code=2)

    music = Path("music")
    music.mkdir()
    for extension, how in CONTAINERS.items():
        write(music / f"tone.{extension}", *how)
    assert f"{len(CONTAINERS)} added" in (report := kobza("index", "music")) and " 0 failed" in report
    assert "tone." in kobza("search", "a steady tone", "-k", "3")
    more = Path("more")
    more.mkdir()
    write(more / "longer.flac", *CONTAINERS["flac"], seconds=2 * SECONDS)  # the others are copies of the tone
    assert "1 added" in kobza("index", "more")
    assert "longer." in kobza("similar", "music/tone.flac", "-k", "3")

    has_torch = find_spec("torch") is not None
    if has_torch:
        run_pipelines([str(path) for path in sorted(music.iterdir())], package.default_checkpoint())
    else:
        assert find_spec("transformers") is None and find_spec("torchaudio") is None
        for needing in (["push", "me/mine", "--dry-run"], ["export", "onnx", "out"], ["doctor"]):
            assert "needs PyTorch: run `pip install 'kobza[" in kobza(*needing, code=1)

    refused = kobza("index", "music", "--library", "other", "--model", "kobza/kobza-mini", code=1)
    assert "--model FOLDER" in refused and "kobza/kobza-mini" in refused and "etry" not in refused
    assert len(refused.strip().splitlines()) == 1, "more than a sentence"  # an old client ends its line
    print(kobza("demo").splitlines()[-1])
    print(f"{'With' if has_torch else 'Without'} PyTorch:", end=" ")


if __name__ == "__main__":
    main()
    print(f"smoke test passed on Python {sys.version.split()[0]}, PyAV {av.__version__}")
