"""Build-registry: number the studies, lay them out as MosMedData was published, and describe them.

The only stage that sees all studies at once. What it writes depends on the studies and the
settings alone: not on the order in which they come, nor on clock, user, host, path or umask.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.core.errors import ItemError
from pipelines.core.model import Category, Decision, Excluded
from pipelines.core.published import Provenance, Registry, RegistryRow
from pipelines.core.registry_settings import RegistrySettings
from pipelines.core.splits import split_by_patient
from pipelines.core.volumes import Thinned
from pipelines.io.disk import sha256_of
from pipelines.io.sheets import Sheet, checked_names
from pipelines.io.tables import read_as_users_do
from pipelines.publication.datasheet import checked_answers
from pipelines.publication.documents import SUMS_NAME, documents, sums_text
from pipelines.publication.imprint import imprint_of
from pipelines.publication.licences import licence_of
from pipelines.publication.report import NAME as REPORT_NAME
from pipelines.publication.report import render
from pipelines.publication.report.contents import contents_of
from pipelines.publication.study_table import columns_of, list_studies

VERSION = 7

REGISTRY_NAME = "dataset_registry.xlsx"
HEADER = ("study_id", "category", "study_file", "mask_file")
WIDTHS = (8, 8.16, 27.83, 28)
MINIMUM_DIGITS = 4
FILE_MODE, FOLDER_MODE = 0o644, 0o755


@dataclass(frozen=True, slots=True)
class Numbered:
    """A study and the row it has got."""

    study: Thinned
    row: RegistryRow


def build(
    items: Sequence[tuple[Thinned, Path]],
    settings: RegistrySettings,
    folder: Path,
    *,
    provenance: Provenance | None = None,
) -> Registry:
    """Write the dataset of all studies into an empty folder; each comes with its files' folder.

    `provenance` is what report and datasheet tell of how they were made, if it is known. A study
    without a category is excluded. Files are hard links where the disk allows it.

    Raises SettingsError for a setting that cannot be used, and ItemError DUPLICATE_STUDY or
    UNREADABLE_VOLUME or UNREADABLE_MASK where the files are not as they should.
    """
    refuse_unusable(settings)
    studies = [study for study, _ in items]
    folders = {study.public_id: source for study, source in items}
    rows = number(studies)
    by_id = {study.public_id: study for study in studies}
    numbered = [Numbered(by_id[row.public_id], row) for row in rows]
    _make_folders(folder)
    for one in numbered:
        _place(one, folders[one.row.public_id], folder)
    _write_registry(rows, settings, folder)
    digests = {path: sha256_of(folder / path[1:]) for row in rows for path in _paths(row)}
    listed = list_studies([(one.row, one.study) for one in numbered], settings, digests)
    digits = _digits_of(len(rows))
    made = documents(listed, settings, digits=digits, provenance=provenance)
    previews = [_preview(one.study, folders[one.row.public_id]) for one in numbered]
    contents = contents_of(listed, previews, settings, digits=digits, provenance=provenance)
    made[REPORT_NAME] = render(contents)
    for name, content in made.items():
        (folder / name).write_bytes(content)
    _write_sums(folder, digests)
    _set_modes(folder)
    return Registry(rows=rows, excluded=_excluded(studies))


def refuse_unusable(settings: RegistrySettings) -> None:
    """Raise SettingsError for a setting that no dataset could be published with."""
    checked_names([settings.name])
    licence_of(settings.licence)
    columns_of(settings)
    imprint_of(settings)
    checked_answers(settings)
    split_by_patient([], settings.splits, seed=settings.split_seed)


def number(studies: Sequence[Thinned]) -> tuple[RegistryRow, ...]:
    """Number the studies that have a category from 1, without holes.

    Numbers run through the categories, CT-0 first; within a category studies with a mask come
    first, then the pseudonym decides, which is random but fixed by the key.

    Raises ItemError DUPLICATE_STUDY where two studies bear one pseudonym.
    """
    _refuse_duplicates(studies)
    in_order = sorted(
        (study.category, study.mask is None, study.public_id)
        for study in studies
        if study.category is not None
    )
    digits = _digits_of(len(in_order))
    return tuple(
        _row(study_id, category, public_id, has_mask=not without_mask, digits=digits)
        for study_id, (category, without_mask, public_id) in enumerate(in_order, start=1)
    )


def _digits_of(studies: int) -> int:
    """How many digits the number in a file name has: four, or more where there are more studies."""
    return max(MINIMUM_DIGITS, len(str(studies)))


def _row(
    study_id: int, category: Category, public_id: str, *, has_mask: bool, digits: int
) -> RegistryRow:
    stem = f"study_{study_id:0{digits}d}"
    return RegistryRow(
        study_id=study_id,
        public_id=public_id,
        category=category,
        study_file=f"/studies/{category}/{stem}.nii.gz",
        mask_file=f"/masks/{stem}_mask.nii.gz" if has_mask else None,
    )


def _refuse_duplicates(studies: Sequence[Thinned]) -> None:
    met: set[str] = set()
    for study in studies:
        if study.public_id in met:
            raise ItemError("DUPLICATE_STUDY", f"{study.public_id}: there are two of this name")
        met.add(study.public_id)


def _excluded(studies: Sequence[Thinned]) -> tuple[Excluded, ...]:
    return tuple(
        Excluded(
            public_id=public_id,
            rule="category",
            reason="the RIS has no final reading CT-0 .. CT-4",
            decisions=(Decision(rule="category", value="none", outcome="not published"),),
        )
        for public_id in sorted(study.public_id for study in studies if study.category is None)
    )


def _make_folders(folder: Path) -> None:
    """All folders, the empty ones too: users list `studies/CT-4` without asking if it is there."""
    (folder / "masks").mkdir(parents=True)
    for category in Category:
        (folder / "studies" / category).mkdir(parents=True)


def _place(one: Numbered, source: Path, folder: Path) -> None:
    study, row = one.study, one.row
    _link_or_copy(
        _whole(source, study.volume, study.public_id, code="UNREADABLE_VOLUME"),
        folder / row.study_file.lstrip("/"),
    )
    if study.mask is not None and row.mask_file is not None:
        _link_or_copy(
            _whole(source, study.mask, study.public_id, code="UNREADABLE_MASK"),
            folder / row.mask_file.lstrip("/"),
        )


def _preview(study: Thinned, source: Path) -> str:
    """The picture of a study; none where thin has left none."""
    if study.preview is None:
        return ""
    return _whole(source, study.preview, study.public_id, code="UNREADABLE_VOLUME").read_text(
        "ascii"
    )


def _whole(source: Path, name: str, public_id: str, *, code: str) -> Path:
    """The file of that name directly in the folder: a regular one that is not empty."""
    path = source / name
    if Path(name).name != name or path.is_symlink() or not path.is_file():
        raise ItemError(code, f"{public_id}: its file is not where thin left it")
    if path.stat().st_size == 0:
        raise ItemError(code, f"{public_id}: its file is empty")
    return path


def _link_or_copy(source: Path, target: Path) -> None:
    # a link shares the mode of its file: one that would have to be changed is copied instead
    if source.stat().st_mode & 0o777 == FILE_MODE:
        try:
            os.link(source, target)
        except OSError:  # another disk, or one without links
            shutil.copyfile(source, target)
    else:
        shutil.copyfile(source, target)


def _write_registry(rows: Sequence[RegistryRow], settings: RegistrySettings, folder: Path) -> None:
    from pipelines.io.workbook import write_workbook

    cells = [(row.study_id, row.category.value, row.study_file, row.mask_file) for row in rows]
    sheet = Sheet(name=settings.name, header=HEADER, rows=cells, widths=WIDTHS)
    path = write_workbook(folder / REGISTRY_NAME, [sheet])
    if read_as_users_do(path) != (HEADER, cells):
        raise ItemError("READERS_DISAGREE", f"{REGISTRY_NAME}: pandas reads other rows")


def _paths(row: RegistryRow) -> tuple[str, ...]:
    return (row.study_file,) if row.mask_file is None else (row.study_file, row.mask_file)


def _write_sums(folder: Path, known: Mapping[str, str]) -> None:
    """Write the SHA-256 of every file but the list itself; those `known` by registry path are."""
    places = (
        "/" + path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    sums = {place[1:]: known.get(place) or sha256_of(folder / place[1:]) for place in places}
    (folder / SUMS_NAME).write_bytes(sums_text(sums).encode("utf-8"))


def _set_modes(folder: Path) -> None:
    """Give all the same modes; what has them, such as a linked file, is not touched."""
    for path in (folder, *folder.rglob("*")):
        mode = FOLDER_MODE if path.is_dir() else FILE_MODE
        if path.stat().st_mode & 0o777 != mode:
            path.chmod(mode)
