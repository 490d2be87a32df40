"""`kobza search` as a new process loads only what it needs: each of these would be a part of its half second."""

import subprocess
import sys

from recordings import tone, write

from kobza.cli import main

NOT_NEEDED = {
    "torch",
    "transformers",
    "onnxruntime",
    "huggingface_hub",
    "av",
    "mutagen",
    "pathspec",
    "filelock",
    "wcwidth",
}
CODE = """
import sys
from kobza.cli import main
try:
    main(sys.argv[1:])
finally:
    print("loaded:", *sorted(sys.modules), file=sys.stderr)
"""


def test_a_search_loads_no_package_that_it_does_not_use(tmp_path, capsys):
    library = ["--library", str(tmp_path / "library")]
    assert main(["index", str(write(tmp_path / "a.flac", tone(440, 3))), *library]) == 0
    done = subprocess.run(
        [sys.executable, "-c", CODE, "search", "slow sad piano", *library], capture_output=True, text=True, check=True
    )
    assert "a.flac" in done.stdout
    loaded = set(done.stderr.rpartition("loaded: ")[2].split())
    assert "numpy" in loaded
    assert loaded & NOT_NEEDED == set()
