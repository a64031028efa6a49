"""Who is one patient: by number or by name and day of birth, in one spelling of each."""

import re
import unicodedata

from pipelines.core.identity import RisRow


def canonical(value: str | None) -> str:
    """A number or a name in the one spelling it is compared in; empty where unknown."""
    if not value:
        return ""
    return (value if value.isascii() else unicodedata.normalize("NFC", value)).strip().upper()


def patient_key(row: RisRow) -> str:
    """Who is one patient: issuer and PatientID, else name and day of birth; empty if neither."""
    if number := canonical(row.patient_id):
        return f"{canonical(row.issuer_of_patient_id)}|{number}"
    name = " ".join(re.split(r"[\s^]+", canonical(row.patient_name).replace("Ё", "Е")))
    return f"{name}|{row.patient_birth_date}" if name and row.patient_birth_date else ""
