"""The knobs of `select`: who is drawn from the RIS."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.core.addresses import refuse_bad_address
from pipelines.core.knobs import Enters, knob
from pipelines.core.patient_settings import PatientSettings

SELECTION_RULES = (
    "identified",
    "modality",
    "body_part",
    "window",
    "facility",
    "referrer",
    "payer",
    "age",
    "pregnancy",
    "spo2",
    "category",
    "one_study_per_patient",
)
"""The rules of inclusion in the order in which they are counted; the first that hits counts."""


@dataclass(frozen=True, kw_only=True)
class SelectSettings(PatientSettings):
    """Who is drawn from the RIS (paper, figure 1 step 1, and the criteria of inclusion)."""

    ris: Path | str | None = knob(
        None,
        "The RIS: a .xlsx or .csv, or an address like postgresql://reader@host/ris.",
        enters=Enters.CONTENT,
    )
    sheet: str = knob("", "The sheet of the .xlsx to read; empty for that of most known titles.")
    query: str = knob("", "What a database is asked, e.g. SELECT * FROM studies; it only reads.")
    studies: int = knob(1110, "How many studies to publish.", minimum=1)
    reserves: int = knob(
        1000,
        "How many more to rank (of each category in a quota), to stand in for those that fall out.",
        minimum=0,
    )
    seed: str = knob("mosmed", "Any text: the same seed draws the same studies from the same RIS.")
    rules: tuple[str, ...] = knob(
        SELECTION_RULES, "The rules of inclusion in order; take one out to switch it off."
    )
    exclude_unknown: tuple[str, ...] = knob(
        ("modality", "body_part", "window", "age", "category"),
        "The rules for which an unknown value excludes; for the others unknown may pass.",
    )
    window_start: date = knob(date(2020, 3, 1), "The first day of the study window.")
    window_end: date = knob(date(2020, 4, 25), "The last day of the study window.")
    modalities: tuple[str, ...] = knob(("CT", "КТ", "РКТ"), "Modalities that count as CT.")
    body_parts: tuple[str, ...] = knob(
        ("chest", "thorax", "lung", "ОГК", "груд", "легк", "лёгк"),
        "Beginnings of words that say the chest was scanned.",
    )
    facilities: tuple[str, ...] = knob(
        ("ГП", "ДГП", "КДЦ", "ДЦ", "поликлиник", "polyclinic", "outpatient"),
        "Beginnings of words that say the facility is an outpatient one.",
    )
    referrers: tuple[str, ...] = knob(
        ("терапевт", "ВОП", "врач общей практики", "GP", "general practitioner"),
        "Beginnings of words that say a general practitioner referred the patient.",
    )
    payers: tuple[str, ...] = knob(
        ("ОМС", "OMS", "CHI", "compulsory"),
        "Beginnings of words that say compulsory health insurance paid.",
    )
    minimum_age_years: int = knob(18, "Younger patients are left out.", minimum=0)
    minimum_spo2_percent: float = knob(93.0, "Patients with a lower SpO2 are left out.", minimum=0)
    readings: tuple[Path, ...] = knob(
        (),
        "Tables of the readers' categories: accession_number, reader, category; or a column each.",
        enters=Enters.CONTENT,
    )
    experts: tuple[str, ...] = knob(
        ("expert", "эксперт"),
        "Beginnings of the names of readers whose word is final where the others differ.",
    )
    quota: Mapping[str, int] = knob(
        {}, 'How many of each category, e.g. { "CT-0" = 254 }; empty draws over all.'
    )
    columns: Mapping[str, str] = knob(
        {}, 'Names of columns that are not recognised, e.g. { accession_number = "№" }.'
    )

    def __post_init__(self) -> None:
        refuse_bad_address(self.ris, setting="[select] ris", variable="MOSMED_RIS_PASSWORD")
