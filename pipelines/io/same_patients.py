"""The owner's list of patients who are known under two numbers.

Two numbers are one patient only where somebody who knows says so: names and days of birth are
shared by strangers, and a false match would make one patient of two.
"""

import csv
from pathlib import Path

from pipelines.core.errors import SettingsError
from pipelines.core.patients import SamePatients, number_key
from pipelines.io.text_file import read_text

NUMBER, ISSUER = "patient_id", "issuer_of_patient_id"
MAIN, MAIN_ISSUER = "same_as_patient_id", "same_as_issuer_of_patient_id"
HINT = f"Its columns are {NUMBER}, {ISSUER}, {MAIN}, {MAIN_ISSUER}; issuers may be left out."


def read_same_patients(path: Path | None) -> SamePatients:
    """Which number stands for which; nobody's without a file.

    Raises SettingsError, with file and line but no number, for what contradicts itself.
    """
    if path is None:
        return SamePatients({})
    rows = csv.DictReader(read_text(path).splitlines())
    if not {NUMBER, MAIN} <= set(rows.fieldnames or ()):
        raise SettingsError(f"{path.name}: its columns are not those of such a list", hint=HINT)
    mains: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        alias = number_key(row.get(ISSUER), row.get(NUMBER))
        main = number_key(row.get(MAIN_ISSUER), row.get(MAIN))
        if not (alias and main):
            raise SettingsError(f"{path.name}:{number}: a number is missing", hint=HINT)
        if mains.setdefault(alias, main) != main:
            raise SettingsError(
                f"{path.name}:{number}: this number stands for another one already", hint=HINT
            )
    return SamePatients({alias: _end_of(alias, mains, path) for alias in mains})


def _end_of(alias: str, mains: dict[str, str], path: Path) -> str:
    """The last number of a chain of numbers."""
    passed = {alias}
    while (main := mains.get(alias)) is not None:
        if main in passed:
            raise SettingsError(f"{path.name}: some numbers stand for each other", hint=HINT)
        passed.add(main)
        alias = main
    return alias
