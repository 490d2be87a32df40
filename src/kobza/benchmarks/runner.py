"""How fast Kobza is, against what people would use otherwise: `kobza bench`.

Each line of the table is a function of `speed_lines.py`. What is compared runs side by side in one process, A B A B
..., after a warm-up; the figure is the median of the ratios, so that a machine whose speed drifts disturbs both alike.
"""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

ROUNDS = 7


@dataclass(frozen=True)
class Line:
    """One figure. `value` is in `unit`; a figure reaches its aim if it is at least (or, `less`, at most) `wanted`.

    Attributes:
        name: as `kobza bench NAME` takes it. what, against: the two sides; against is "" where there is one side.
        note: what else was measured in the same run, in words.
    """

    name: str
    what: str
    against: str
    value: float
    unit: str
    wanted: float | None = None
    less: bool = False
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """None where nothing was wanted."""
        if self.wanted is None:
            return None
        return self.value <= self.wanted if self.less else self.value >= self.wanted


@dataclass(frozen=True)
class Comparison:
    """Seconds of two functions, medians, and the median of their ratios (b / a: how many times faster a is)."""

    a: float
    b: float
    ratio: float


def side_by_side(a: Callable[[], object], b: Callable[[], object], rounds: int = ROUNDS) -> Comparison:
    """Time a and b in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for function, mine in zip((a, b), times, strict=True):
            start = time.perf_counter()
            function()
            mine.append(time.perf_counter() - start)
    first, second = (mine[1:] for mine in times)  # the first round is the warm-up
    ratios = [y / x for x, y in zip(first, second, strict=True)]
    return Comparison(statistics.median(first), statistics.median(second), statistics.median(ratios))


def machine() -> str:
    """The machine in words: processor, cores, the GPU if there is one."""
    import torch

    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = names[0] if names and names[0] not in ("", "unknown") else name
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{name}, {os.cpu_count()} cores{gpu}, torch {torch.__version__}"


def as_json(lines: list[Line]) -> str:
    rows = [asdict(line) | {"reached": line.reached} for line in lines]
    return json.dumps({"machine": machine(), "lines": rows}, indent=2) + "\n"


HEAD = "| | what | against | measured | wanted |\n|---|---|---|---|---|"


def as_row(line: Line) -> str:
    """The line as a row of the table under `HEAD`, as it stands in the README."""
    wanted = "" if line.wanted is None else f"{'<=' if line.less else '>='} {line.wanted:g} {line.unit}".strip()
    wanted += "" if line.reached is not False else " (missed)"
    measured = f"{line.value:.3g} {line.unit}".strip() + (f"; {line.note}" if line.note else "")
    return f"| {line.name} | {line.what} | {line.against or '-'} | {measured} | {wanted} |"
