"""A RIS of so many rows: `python ris_rows.py ROWS FILE`, FILE being .csv, .xlsx or .db.

A third of the patients come again, two fifths of the studies are no CT; the same every time.
"""

import csv
import random
import sqlite3
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

TITLES = ["accession_number", "study_instance_uid", "issuer_of_patient_id", "patient_id",
          "patient_name", "patient_birth_date", "patient_sex", "study_date", "modality",
          "body_part", "is_pregnant", "spo2_percent", "payer", "referrer", "facility", "category",
          "expected_instances"]  # fmt: skip


def rows(count: int) -> Iterator[list[str]]:
    """The rows, as text."""
    chance = random.Random(20200301)
    for k in range(count):
        who = chance.randrange(max(count * 4 // 5, 1))
        birth = date(1930, 1, 1) + timedelta(days=who * 7919 % 30000)
        study = date(2020, 2, 20) + timedelta(days=chance.randrange(75))
        yield [
            f"MH{k:09d}", f"1.2.643.5.1.13.13.12.2.77.{k}.{who}", "МОС", f"{who:08d}",
            f"Иванов{who % 5000} Пётр Ильич", f"{birth:%d.%m.%Y}", "МЖ"[who % 2],
            f"{study:%d.%m.%Y} {chance.randrange(24):02d}:00",
            chance.choice(["КТ", "КТ", "КТ", "МРТ", "РГ"]),
            chance.choice(["ОГК", "ОГК", "Голова"]), "нет" if who % 2 else "",
            str(chance.randrange(90, 100)), chance.choice(["ОМС", "ОМС", "ОМС", "ДМС"]),
            chance.choice(["врач-терапевт", "врач-терапевт", "хирург"]), f"ГП № {who % 50}",
            chance.choice(["КТ-0", "КТ-1", "КТ-1", "КТ-2", "КТ-3", ""]),
            str(chance.randrange(100, 900)),
        ]  # fmt: skip


def write(count: int, path: Path) -> None:
    """The table in a file of the kind that its name says."""
    if path.suffix == ".db":
        with sqlite3.connect(path) as database:
            database.execute(f"CREATE TABLE ct ({', '.join(TITLES)})")
            marks = ", ".join("?" * len(TITLES))
            database.executemany(f"INSERT INTO ct VALUES ({marks})", rows(count))
    elif path.suffix == ".xlsx":
        import openpyxl

        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet()
        for row in (TITLES, *rows(count)):
            sheet.append(row)
        book.save(path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([TITLES, *rows(count)])


if __name__ == "__main__":
    write(int(sys.argv[1]), Path(sys.argv[2]))
