"""The registry of a published folder against its files, both ways."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipelines.build_registry import HEADER, REGISTRY_NAME
from pipelines.core.checks import Finding
from pipelines.core.model import Category
from pipelines.io.tables import read_as_users_do
from pipelines.validation.studies import StudyFiles

DOCUMENTS = ("LICENSE", "README_EN.md", "README_RU.md")
VOLUME = re.compile(r"studies/(?P<category>CT-[0-4])/study_(?P<number>[0-9]{4,18})\.nii(?:\.gz)?")
MASK = re.compile(r"masks/study_(?P<number>[0-9]{4,18})_mask\.nii(?:\.gz)?")
CATEGORIES = frozenset(str(category) for category in Category)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What the registry lists: the files of each study, the numbers with their categories."""

    studies: tuple[StudyFiles, ...]
    categories: dict[int, str]
    findings: tuple[Finding, ...]


def check_registry(root: Path, files: Sequence[str]) -> Listing:
    """The registry's rows, and all that is wrong with them and with the names of the files."""
    rows, findings = _rows(root)
    there = set(files)
    studies: list[StudyFiles] = []
    categories: dict[int, str] = {}
    named: set[str] = set()
    for line, cells in rows:
        number, category, volume, mask = cells[:4]
        findings += _row_findings(line, cells)
        if isinstance(number, int) and isinstance(category, str):
            categories[number] = category
        listed = [_below(cell) for cell in (volume, mask)]
        studies.append(StudyFiles(volume=_there(listed[0], there), mask=_there(listed[1], there)))
        named |= set(listed)
        findings += [
            Finding(code="FILE_MISSING", file=REGISTRY_NAME, place=f"row {line}")
            for name in listed
            if name and name not in there
        ]
    findings += _order(categories, len(rows))
    is_listed = bool(rows)
    for name in sorted(there - named):
        if is_listed and (name.startswith(("studies/", "masks/"))):
            findings.append(Finding(code="FILE_UNLISTED", file=name, place="registry"))
    findings += [
        Finding(code="DOCUMENT_MISSING", file=name, place="folder")
        for name in DOCUMENTS
        if name not in there
    ]
    if not is_listed:
        studies = _by_name(there)
    return Listing(studies=tuple(studies), categories=categories, findings=tuple(findings))


def _rows(root: Path) -> tuple[list[tuple[int, tuple[Any, ...]]], list[Finding]]:
    """The rows with their line numbers as a spreadsheet counts them."""
    try:
        header, rows = read_as_users_do(root / REGISTRY_NAME)
    except Exception as error:  # noqa: BLE001  openpyxl raises anything for a broken workbook
        place = "file" if isinstance(error, OSError) else "workbook"
        return [], [Finding(code="REGISTRY_MISSING", file=REGISTRY_NAME, place=place)]
    findings = []
    if tuple(header) != HEADER:
        findings.append(Finding(code="REGISTRY_COLUMNS", file=REGISTRY_NAME, place="row 1"))
    if tuple(header[:4]) != HEADER:
        return [], findings
    return list(enumerate(rows, start=2)), findings


def _row_findings(line: int, cells: tuple[Any, ...]) -> Iterator[Finding]:
    number, category, volume, mask = cells[:4]

    def finding(code: str) -> Finding:
        return Finding(code=code, file=REGISTRY_NAME, place=f"row {line}")

    if not isinstance(number, int) or number < 1:
        yield finding("ROW_NUMBER")
    if category not in CATEGORIES:
        yield finding("ROW_CATEGORY")
    as_named = VOLUME.fullmatch(_below(volume))
    mask_named = MASK.fullmatch(_below(mask))
    is_right = (
        as_named is not None
        and as_named["category"] == category
        and int(as_named["number"]) == number
        and (mask is None or (mask_named is not None and int(mask_named["number"]) == number))
    )
    if not is_right:
        yield finding("ROW_PATH")


def _below(cell: object) -> str:
    """A path of the registry, whose leading slash is the dataset; empty for none or one outside."""
    if not isinstance(cell, str):
        return ""
    name = cell.strip().removeprefix("/")
    return "" if ".." in Path(name).parts or name.startswith("/") or "\0" in name else name


def _there(name: str, there: set[str]) -> str | None:
    return name if name in there else None


def _order(categories: dict[int, str], rows: int) -> Iterator[Finding]:
    numbers = list(categories)
    if rows > len(numbers):
        yield Finding(code="ROW_NUMBER", file=REGISTRY_NAME, place="study_id")
    in_order = all(one < other for one, other in pairwise(numbers))
    by_category = all(categories[a] <= categories[b] for a, b in pairwise(numbers))
    if numbers and not (
        in_order and by_category and numbers[0] == 1 and numbers[-1] == len(numbers)
    ):
        yield Finding(code="ROW_ORDER", file=REGISTRY_NAME, place="study_id")


def _by_name(there: set[str]) -> list[StudyFiles]:
    """Without a registry: every volume there is, each with the mask of its number."""
    masks = {match["number"]: name for name in there if (match := MASK.fullmatch(name))}
    found = [(match["number"], name) for name in there if (match := VOLUME.fullmatch(name))]
    used = Counter(number for number, _ in found)
    return [
        StudyFiles(volume=name, mask=masks.get(number) if used[number] == 1 else None)
        for number, name in sorted(found)
    ]
