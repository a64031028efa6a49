"""SHA256SUMS and studies.csv of a published folder, where they are."""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipelines.core.checks import Finding
from pipelines.core.splits import patients_in_several
from pipelines.io.disk import sha256_of

SUMS, TABLE = "SHA256SUMS", "studies.csv"
LINE = re.compile(r"([0-9a-f]{64}) [ *](?:\./)?(.+)")
TABLE_LIMIT_BYTES = 1 << 28
PATIENT, SPLIT, NUMBER, CATEGORY = "patient", "split", "study_id", "category"


def read_sums(root: Path) -> tuple[dict[str, str], list[Finding]]:
    """The checksums by path, and whether their list can be read; nothing where there is none."""
    path = root / SUMS
    if not path.is_file():
        return {}, []
    lines = _content(path).decode("utf-8", "replace").splitlines()
    matches = [LINE.fullmatch(line) for line in lines]
    if not all(matches):
        return {}, [Finding(code="TABLE_UNREADABLE", file=SUMS, place="a line")]
    return {match[2]: match[1] for match in matches if match}, []


def check_sums(
    root: Path, sums: Mapping[str, str], files: list[str], known: Mapping[str, str]
) -> Iterator[Finding]:
    """Every file against its checksum; `known` are the digests that were taken already."""
    for name in files:
        if name == SUMS:
            continue
        if name not in sums:
            yield Finding(code="CHECKSUM_ABSENT", file=name, place=SUMS)
        elif (known.get(name) or sha256_of(root / name)) != sums[name]:
            yield Finding(code="CHECKSUM_WRONG", file=name, place=SUMS)
    there = set(files)
    for name in sums:
        if name not in there:
            yield Finding(code="FILE_MISSING", file=SUMS, place=_line_of(name))


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(TABLE_LIMIT_BYTES)


def _line_of(name: str) -> str:
    """A name that is listed but not there may be anybody's: it is told by its digest."""
    return f"a file whose name has the digest {hashlib.sha256(name.encode()).hexdigest()[:8]}"


def check_table(root: Path, categories: Mapping[int, str]) -> Iterator[Finding]:
    """studies.csv against the registry, and its splits by patient."""
    path = root / TABLE
    if not path.is_file():
        return
    rows = _rows(path)
    if rows is None:
        yield Finding(code="TABLE_UNREADABLE", file=TABLE, place="file")
        return
    told = {row.get(NUMBER, ""): row.get(CATEGORY) for row in rows}
    expected = {str(number): category for number, category in categories.items()}
    has_categories = bool(rows) and CATEGORY in rows[0]
    if rows and NUMBER in rows[0]:
        differ = set(told) != set(expected) or len(rows) != len(expected)
        if differ or (has_categories and told != expected):
            yield Finding(code="TABLE_DIFFERS", file=TABLE, place=NUMBER)
    if rows and {PATIENT, SPLIT} <= set(rows[0]):
        pairs = [(row[PATIENT], row[SPLIT]) for row in rows]
        several = patients_in_several((patient, split) for patient, split in pairs if patient)
        if several:
            place = f"{len(several)} patient{'s' * (len(several) > 1)}"
            yield Finding(code="SPLIT_LEAK", file=TABLE, place=place)


def _rows(path: Path) -> list[dict[str, str]] | None:
    try:
        text = _content(path).decode("utf-8-sig")
        return [
            {str(name): cell or "" for name, cell in row.items() if isinstance(cell, str | None)}
            for row in csv.DictReader(io.StringIO(text, newline=""))
        ]
    except (UnicodeDecodeError, csv.Error):
        return None
