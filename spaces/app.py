"""The Space: `kobza serve` under the name that the Hub looks for. From a clone: `python spaces/app.py`.

`kobza push --space` puts the wheel of Kobza beside this file. The Hub adds it after the requirements are installed; it
is unpacked here: a wheel is an archive of what belongs on the path.
"""

import os
import sys
import tempfile
import zipfile
from pathlib import Path

for wheel in Path(__file__).parent.glob("kobza-*.whl"):
    unpacked = tempfile.mkdtemp(prefix="kobza-wheel-")
    zipfile.ZipFile(wheel).extractall(unpacked)
    sys.path.insert(0, unpacked)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [unpacked, os.environ.get("PYTHONPATH")]))  # for children

from kobza.cli import main  # noqa: E402

sys.exit(main(["serve", *sys.argv[1:]]))
