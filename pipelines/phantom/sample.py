"""The small hospital of `sample_dicom/`: every study shows something."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from pipelines.phantom.dicomdir import write_dicomdir
from pipelines.phantom.hospital import StudyPlan, write_study, write_study_mask
from pipelines.phantom.ris import stored_zip, write_ris
from pipelines.phantom.sample_rows import INELIGIBLE, ris_order
from pipelines.phantom.sample_studies import PLACES, PURPOSES, sample_studies
from pipelines.phantom.thorax import Thorax, make_thorax

JUNK = {
    "pacs/Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
    "pacs/.DS_Store": b"\0\0\0\1Bud1" + bytes(248),
    "pacs/2020-03/readme.txt": "Выгрузка из PACS, пробная\n".encode("cp1251"),
    "pacs/2020-04/empty.dcm": b"",
}
"""Files that lie between the studies of any real export, by path."""


def write_sample(out: Path) -> None:
    """Write the sample cohort into `out`: RIS export, PACS folder, masks and a README.

    The bytes are the same every time. Files of an older sample in `out` are not removed.
    """
    studies = sample_studies()
    for plan in studies:
        _write_one(out, plan)
    for name, data in JUNK.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    rows = ris_order([plan.row for plan in studies] + [row for row, _ in INELIGIBLE])
    write_ris(out / "ris_export.xlsx", rows)
    (out / "README.md").write_text(_readme(studies), encoding="utf-8", newline="\n")


def _write_one(out: Path, plan: StudyPlan) -> None:
    body = make_thorax(plan.thorax)
    masks = out / "masks"
    masks.mkdir(parents=True, exist_ok=True)
    write_study_mask(masks, plan, body)
    place = out / "pacs" / PLACES[plan.spec.accession_number]
    if place.suffix == ".zip":
        _write_zip(place, plan, body)
    elif place.name == "DICOM":
        write_study(place, replace(plan, spec=replace(plan.spec, file_name="I{number:07d}")), body)
        files = [path for path in sorted(place.rglob("*")) if path.is_file()]
        write_dicomdir(place.parent, files)
    else:
        write_study(place, plan, body)


def _write_zip(path: Path, plan: StudyPlan, body: Thorax) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="mosmed_phantom_"))
    try:
        write_study(folder, plan, body)
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        members = [(file.relative_to(folder).as_posix(), file.read_bytes()) for file in files]
        path.write_bytes(stored_zip(members))
    finally:
        shutil.rmtree(folder)


def _readme(studies: tuple[StudyPlan, ...]) -> str:
    lines = [
        "# A synthetic hospital",
        "",
        "Made by `pipelines.phantom`; no patient is in it: people, identifiers and chests are",
        "invented. `ris_export.xlsx` is what a RIS would export, `pacs/` what a PACS would, and",
        "`masks/` what experts would draw. Write it again, byte for byte, with",
        '`python -c "from pathlib import Path; from pipelines.phantom.cohort import write_sample;',
        "write_sample(Path('sample_dicom'))\"`.",
        "",
        "| accession | category | what it shows |",
        "|---|---|---|",
    ]
    for plan in studies:
        row = plan.row
        lines.append(
            f"| {row.accession_number} | {row.category} | {PURPOSES[plan.spec.accession_number]} |"
        )
    lines += ["", "Rows of the RIS that may not enter:", "", "| accession | why |", "|---|---|"]
    lines += [f"| {row.accession_number or '(none)'} | {why} |" for row, why in INELIGIBLE]
    return "\n".join(lines) + "\n"
