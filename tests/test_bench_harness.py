"""What the benchmarks tell of their rounds."""

import sys
from pathlib import Path

import pytest

from tests.bench.harness import Contestant, Measured, Runs, run


def runs_of(*cpu_seconds):
    measured = {
        number: Measured(cpu_seconds=seconds, wall_seconds=1, peak_rss_mb=1, files=1)
        for number, seconds in enumerate(cpu_seconds, start=1)
    }
    return Runs(contestant=Contestant(name="one", command=lambda _in, _out: []), by_round=measured)


@pytest.mark.parametrize(("fast", "slow"), [((1, 1, 9), (2, 4)), ((1, 1), (2, 4, 9))])
def test_a_ratio_is_of_the_rounds_that_both_have_run(fast, slow):
    assert runs_of(*slow).ratio(runs_of(*fast), "cpu_seconds") == 3


def test_one_that_fails_is_told_and_does_not_stop_the_others(tmp_path):
    def contestant(name: str, code: str, rounds: int = 5) -> Contestant:
        return Contestant(
            name=name, command=lambda _in, _out: [sys.executable, "-c", code], rounds=rounds
        )

    (tmp_path / "in").mkdir()
    told = run(
        [
            contestant("bad", "raise SystemExit('no')"),
            contestant("gone", "pass", rounds=1),
            contestant("good", "pass"),
        ],
        tmp_path / "in",
        Path(tmp_path),
        rounds=2,
    )

    assert [(len(runs.by_round), runs.fault) for runs in told] == [
        (0, "exit 1: no"),
        (1, ""),
        (2, ""),
    ]
