"""Who is one patient: by number or by name and day of birth, in one spelling of each."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from pipelines.core.identity import RisRow


def canonical(value: str | None) -> str:
    """A number or a name in the one spelling it is compared in; empty where unknown."""
    if not value:
        return ""
    return (value if value.isascii() else unicodedata.normalize("NFC", value)).strip().upper()


def patient_key(row: RisRow) -> str:
    """Who is one patient: issuer and PatientID, else name and day of birth; empty if neither.

    What the owner says of two numbers comes first.
    """
    if row.same_as:
        return row.same_as
    if number := number_key(row.issuer_of_patient_id, row.patient_id):
        return number
    name = " ".join(re.split(r"[\s^]+", canonical(row.patient_name).replace("Ё", "Е")))
    return f"{name}|{row.patient_birth_date}" if name and row.patient_birth_date else ""


def number_key(issuer: str | None, patient_id: str | None) -> str:
    """A patient's number among those of all issuers; empty if there is none."""
    number = canonical(patient_id)
    return f"{canonical(issuer)}|{number}" if number else ""


@dataclass(frozen=True, slots=True)
class SamePatients:
    """Which patient's key stands for which, as the owner says it; never as names suggest it."""

    main_by_key: Mapping[str, str]

    def main(self, key: str) -> str:
        """The key that stands for this one: itself, unless the owner says otherwise."""
        return self.main_by_key.get(key, key)

    def marked(self, rows: Iterable[RisRow]) -> Iterable[RisRow]:
        """The rows, each of which says who it is of where the owner does."""
        return self._marked(rows) if self.main_by_key else rows

    def _marked(self, rows: Iterable[RisRow]) -> Iterator[RisRow]:
        for row in rows:
            main = self.main_by_key.get(patient_key(row))
            yield row if main is None else replace(row, same_as=main)
