"""The library under random use: nothing lost, nothing double, nothing unsaid. See `soak.py`.

The long run, with its counts: pytest -m slow -n 0 -s tests/library/test_soak.py
"""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from soak import LibrarySoak


def run(examples: int, steps: int, **options) -> None:
    LibrarySoak.counts.clear()
    try:
        run_state_machine_as_test(
            LibrarySoak,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                phases=[Phase.generate],  # a failure is shown as it is: to shrink it takes many minutes
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
                **options,
            ),
        )
    finally:
        print(f"\n{sum(LibrarySoak.counts.values())} actions:", dict(LibrarySoak.counts.most_common()))


def test_two_hundred_steps():
    run(5, 40, derandomize=True)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_twenty_thousand_steps():
    run(200, 100)
