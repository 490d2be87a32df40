"""What the benchmarks share: measurements, side-by-side timing, and the table that `kobza bench` prints.

The benchmarks are functions of `suite.py`. What is compared runs alternately in one process, A B A B ..., after a
warm-up; the result is the median of the ratios, so that a machine whose speed drifts affects both sides alike.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

ROUNDS = 7
MIN_COSINE = 0.999  # between the vectors of a faster variant of a model and float32's: lower ones are not accepted


@dataclass(frozen=True)
class Measurement:
    """One row of the table.

    Attributes:
        name: the benchmark's name, as `kobza bench NAME` takes it.
        what: what was measured.
        against: what it is compared with; "" where there is no comparison.
        value: in `unit`.
        target: the value to reach: at least this, or, with `lower_is_better`, at most this.
        note: further results of the same run, in words.
    """

    name: str
    what: str
    against: str
    value: float
    unit: str
    target: float | None = None
    lower_is_better: bool = False
    note: str = ""

    @property
    def target_reached(self) -> bool | None:
        """None where there is no target."""
        if self.target is None:
            return None
        return self.value <= self.target if self.lower_is_better else self.value >= self.target


@dataclass(frozen=True)
class Comparison:
    """Median seconds of two functions, and the median of their ratios (b / a: how many times faster a is)."""

    a: float
    b: float
    ratio: float


def side_by_side(a: Callable[[], object], b: Callable[[], object], rounds: int = ROUNDS) -> Comparison:
    """Time a and b alternately; a first round warms up and is not counted."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for function, own_times in zip((a, b), times, strict=True):
            start = time.perf_counter()
            function()
            own_times.append(time.perf_counter() - start)
    first, second = (own_times[1:] for own_times in times)
    ratios = [y / x for x, y in zip(first, second, strict=True)]
    return Comparison(statistics.median(first), statistics.median(second), statistics.median(ratios))


def machine() -> str:
    """The machine in words: processor, cores, the GPU if there is one, the versions of what computes, and the date."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        if names and names[0] not in ("", "unknown"):
            name = names[0]
    parts = [name, f"{os.cpu_count()} cores"]
    if find_spec("torch"):
        import torch

        parts += [torch.cuda.get_device_name()] if torch.cuda.is_available() else []
        parts.append(f"torch {torch.__version__}")
    parts += [f"{name} {version(name)}" for name in ("onnxruntime", "numpy")]
    return ", ".join([*parts, f"kobza {version('kobza')}", time.strftime("%Y-%m-%d")])


def as_json(measurements: list[Measurement]) -> str:
    """The machine and the measurements, with the keys that version 0.1.0 wrote."""
    rows = [
        {
            "name": measurement.name,
            "what": measurement.what,
            "against": measurement.against,
            "value": measurement.value,
            "unit": measurement.unit,
            "wanted": measurement.target,
            "less": measurement.lower_is_better,
            "note": measurement.note,
            "reached": measurement.target_reached,
        }
        for measurement in measurements
    ]
    return json.dumps({"machine": machine(), "lines": rows}, indent=2) + "\n"


TABLE_HEAD = "| | what | against | measured | target |\n|---|---|---|---|---|"


def as_row(measurement: Measurement) -> str:
    """The measurement as a row of the Markdown table under `TABLE_HEAD`.

    >>> as_row(Measurement("search", "p95", "exact numpy", 2.4, "ms", 25, lower_is_better=True))
    '| search | p95 | exact numpy | 2.4 ms | <= 25 ms |'
    """
    target = ""
    if measurement.target is not None:
        sign = "<=" if measurement.lower_is_better else ">="
        target = f"{sign} {measurement.target:g} {measurement.unit}".strip()
    if measurement.target_reached is False:
        target += " (not reached)"
    measured = f"{measurement.value:.3g} {measurement.unit}".strip()
    if measurement.note:
        measured += f"; {measurement.note}"
    return f"| {measurement.name} | {measurement.what} | {measurement.against or '-'} | {measured} | {target} |"
