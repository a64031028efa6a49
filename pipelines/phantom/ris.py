"""The export of the radiology information system (RIS): one row a study, in Russian."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType

from openpyxl import Workbook

from pipelines.phantom.people import Person

COLUMNS = (
    "Номер исследования", "UID исследования", "ID пациента", "ФИО пациента", "Дата рождения",
    "Пол", "Возраст", "Дата исследования", "Модальность", "Область исследования", "Беременность",
    "SpO2, %", "Источник оплаты", "Кем направлен", "Медицинская организация",
    "Категория КТ (итог)", "Количество изображений",
)  # fmt: skip
SHEET = "Исследования"
_SEXES: Mapping[str | None, str | None] = MappingProxyType({"M": "М", "F": "Ж", None: None})
_LONG_AGO = "2020-05-01T00:00:00Z"
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RisRow:
    """One study in the RIS; the defaults are those of a study that may enter the dataset.

    `category` is `CT-0` to `CT-4`, `images` the instances of the whole study, `spo2_percent` the
    oxygen saturation before CT. None is an empty cell.
    """

    accession_number: str | None
    person: Person
    study_date: date
    category: str | None
    study_instance_uid: str | None = None
    modality: str = "КТ"
    body_part: str = "ОГК"
    pregnancy: str | None = None
    spo2_percent: int | None = 97
    payer: str = "ОМС"
    referrer: str = "Врач-терапевт"
    facility: str = "ГП № 5"
    images: int | None = None

    def cells(self) -> tuple[str | int | date | None, ...]:
        """The row's cells in the order of `COLUMNS`."""
        return (
            self.accession_number,
            self.study_instance_uid,
            self.person.patient_id,
            self.person.full_name,
            f"{self.person.birth_date:%d.%m.%Y}",
            _SEXES[self.person.sex],
            self.person.age_years(self.study_date),
            self.study_date,
            self.modality,
            self.body_part,
            self.pregnancy,
            self.spo2_percent,
            self.payer,
            self.referrer,
            self.facility,
            # A Russian table writes КТ in Cyrillic, which looks like the Latin KT and is not.
            None if self.category is None else self.category.replace("CT", "КТ"),
            self.images,
        )


def write_ris(path: Path, rows: Iterable[RisRow]) -> Path:
    """Write the export as .xlsx; the same rows give the same bytes."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = SHEET
    sheet.append(COLUMNS)
    for row in rows:
        sheet.append(row.cells())
    for line in sheet.iter_rows(min_row=2, min_col=8, max_col=8):
        line[0].number_format = "DD.MM.YYYY"
    book.properties.creator = "RIS"
    buffer = io.BytesIO()
    book.save(buffer)
    path.write_bytes(_timeless(buffer.getvalue()))
    return path


def _timeless(workbook: bytes) -> bytes:
    """The workbook without the clock's time in its properties and its zip entries."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    stamp = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    return stored_zip(
        (name, stamp.sub(_LONG_AGO.encode(), data) if name == "docProps/core.xml" else data)
        for name, data in members
    )


def stored_zip(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A zip of the members, not deflated: what zlib makes depends on its version."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members:
            entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
            entry.create_system = 3
            archive.writestr(entry, data)
    return buffer.getvalue()
