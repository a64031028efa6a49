"""`python -m tests.edge write FOLDER` writes the cases, `grade OUT [mosmed]` judges what was made.

Told as JSON: the outcome of each case in the league is right, wrong or nothing (refused).
"""

import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from tests.edge.folder import volumes_of, write_cases
from tests.edge.grading import fault_of
from tests.edge.pixel_cases import CASES
from tests.edge.series import Base, TrueSlice


def grade(out: Path, *, by_item: bool) -> dict[str, str]:
    """What became of each case; where several files were written, one right volume is enough."""
    base, outcomes = Base(), {}
    for name, case in CASES.items():
        if case.in_league:
            files = volumes_of(out, name) if by_item else sorted((out / name).rglob("*.nii*"))
            outcomes[name] = _outcome(files, case.make(base).truths)
    return outcomes


def _outcome(files: Sequence[Path], truths: Sequence[Sequence[TrueSlice]]) -> str:
    if not files:
        return "nothing"
    faults = [_fault(path, truth) for path in files for truth in truths]
    return "right" if "" in faults else "wrong"


def _fault(path: Path, truth: Sequence[TrueSlice]) -> str:
    try:
        return fault_of(path, truth)
    except Exception as error:
        return str(error)


def main(what: str, folder: str, maker: str = "") -> None:
    warnings.simplefilter("ignore")
    if what == "write":
        write_cases(Path(folder), Base())
        return
    sys.stdout.write(json.dumps(grade(Path(folder), by_item=maker == "mosmed")))


if __name__ == "__main__":
    main(*sys.argv[1:])
