"""All cases in one folder, a sub-folder each, and which volumes were made of which."""

from pathlib import Path

from tests.edge.cases import Made
from tests.edge.pixel_cases import CASES
from tests.edge.series import Base


def write_cases(root: Path, base: Base) -> dict[str, Made]:
    """Write every case to `root/<name>`; what each of them is made of."""
    all_made = {}
    for name, case in CASES.items():
        made = all_made[name] = case.make(base)
        folder = root / name
        folder.mkdir(parents=True)
        for file, data in made.files(name, base).items():
            (folder / file).write_bytes(data)
    return all_made


def case_of(item: str) -> str:
    """The case that an item of mosmed belongs to: one folder may hold several series."""
    top = item.split("/", maxsplit=1)[0]
    return top if top in CASES else top.rpartition("_")[0]


def volumes_of(out: Path, name: str) -> list[Path]:
    """The volumes that mosmed made of a case."""
    return [
        path
        for path in sorted(out.rglob("*.nii.gz"))
        if case_of(path.relative_to(out).as_posix().removesuffix(".nii.gz")) == name
    ]
