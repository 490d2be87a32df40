"""The library under random use: nothing lost, nothing double, nothing unsaid. See `soak.py`.

The long run, with its counts: pytest -m slow -n 0 -s tests/library/test_soak.py
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from soak import LibrarySoak


def run(examples: int, steps: int, **options) -> None:
    LibrarySoak.counts.clear()
    run_state_machine_as_test(
        LibrarySoak,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            **options,
        ),
    )
    print(f"\n{sum(LibrarySoak.counts.values())} actions:", dict(LibrarySoak.counts.most_common()))


def test_two_hundred_steps():
    run(5, 40, derandomize=True)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_twenty_thousand_steps():
    run(int(os.environ.get("SOAK", 200)), 100)
