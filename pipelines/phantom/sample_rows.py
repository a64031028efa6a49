"""Rows of the sample's RIS export that no rule of inclusion lets through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from pipelines.phantom.noise import Dice
from pipelines.phantom.people import Person, birth_date, invented_name
from pipelines.phantom.ris import RisRow
from pipelines.phantom.sample_studies import sample_studies


def _row(number: int, *, sex: str = "M", age_years: int = 45) -> RisRow:
    """A row that would enter, if nothing of it were changed."""
    dice = Dice("sample row", number)
    day = date(2020, 4, 1 + number % 24)
    person = Person(
        patient_id=f"PID-{700_000 + 37 * number}",
        name=invented_name(sex, dice),
        sex=sex,
        birth_date=birth_date(age_years, day, dice),
    )
    return RisRow(
        accession_number=f"MH20-{number:05d}",
        person=person,
        study_date=day,
        category="CT-1",
        spo2_percent=dice.integer(94, 99),
        images=dice.integer(320, 520),
    )


def _later_study() -> RisRow:
    """Another study, ten days on, of a patient whose first one is in the PACS."""
    first = next(plan.row for plan in sample_studies() if plan.row.accession_number == "MH20-01334")
    return replace(_row(1999), person=first.person, study_date=date(2020, 4, 4))


INELIGIBLE: tuple[tuple[RisRow, str], ...] = (
    (replace(_row(8001, sex="F", age_years=31), pregnancy="да"), "pregnancy"),
    (_row(8002, age_years=17), "age 17"),
    (replace(_row(8003, age_years=63), spo2_percent=91), "SpO2 91 %"),
    (replace(_row(8004), study_date=date(2020, 2, 27)), "before the window"),
    (replace(_row(8005, sex="F"), study_date=date(2020, 4, 26)), "after the window"),
    (replace(_row(8006), body_part="Головной мозг", category=None), "head, not chest"),
    (replace(_row(8007, sex="F"), payer="ДМС"), "voluntary insurance"),
    (replace(_row(8008), payer="платно"), "paid by the patient"),
    (replace(_row(8009), referrer="Скорая помощь"), "brought by ambulance"),
    (replace(_row(8010, sex="F"), facility="Стационар ГКБ № 15"), "hospital, not outpatient"),
    (replace(_row(8011), category=None), "no final category"),
    (replace(_row(8012), accession_number=None), "no accession number"),
    (replace(_row(8013, sex="F"), modality="МРТ"), "MRI"),
    (_later_study(), "a later study of the patient of MH20-01334"),
)
"""Each row with the reason why it may not enter."""


def ris_order(rows: Iterable[RisRow]) -> list[RisRow]:
    """The rows by day, as a RIS exports them."""
    return sorted(rows, key=lambda row: (row.study_date, row.person.patient_id))
