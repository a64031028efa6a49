"""A Russian RIS export as files, for the tests that read it."""

import csv
import io
from datetime import date

import openpyxl
from hypothesis import strategies as st

from pipelines.core.select_settings import SelectSettings
from pipelines.peers import ris

TITLES = {
    "accession_number": "Номер исследования",
    "study_instance_uid": "UID исследования",
    "issuer_of_patient_id": "Эмитент ID",
    "patient_id": "ID пациента",
    "patient_name": "ФИО пациента",
    "patient_birth_date": "Дата рождения",
    "patient_sex": "Пол",
    "patient_age_years": "Возраст",
    "study_date": "Дата исследования",
    "modality": "Модальность",
    "body_part": "Область исследования",
    "is_pregnant": "Беременность",
    "spo2_percent": "SpO2, %",
    "payer": "Источник оплаты",
    "referrer": "Кем направлен",
    "facility": "Медицинская организация",
    "category": "Категория КТ (итог)",
    "expected_instances": "Количество изображений",
}
ROW = [
    "0012345", "1.2.643.7", "МОС", "00077", "Ёлкина Анна Петровна", "29.02.1960", "Ж", "",
    "01.03.2020 10:15", "КТ", "ОГК", "нет", "97,5", "ОМС", "врач-терапевт", "ГП № 5", "КТ-1", "812",
]  # fmt: skip
DAYS = st.dates(date(1900, 1, 1), date(2099, 12, 31))


def write_csv(path, rows, *, delimiter=",", encoding="utf-8"):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def write_xlsx(path, rows, *, sheet="Лист1"):
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def rows_of(path, **changes):
    source = ris.open_ris(SelectSettings(ris=path, **changes))
    return list(source.rows()), dict(source.unreadable)


def cell_of(tmp_path, title, cell, name="ris.csv"):
    """One cell under a title, read through a whole file."""
    write = write_xlsx if name.endswith("xlsx") else write_csv
    path = write(tmp_path / name, [["Accession Number", title], ["A1", cell]])
    [row], unreadable = rows_of(path, rules=("identified",))
    return row, unreadable
