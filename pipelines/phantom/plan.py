"""Who is in a synthetic cohort, in the proportions of the paper; nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import Enum
from itertools import cycle
from types import MappingProxyType

from pipelines.phantom.hospital import Fault
from pipelines.phantom.noise import Dice, made_uid
from pipelines.phantom.people import Person, birth_date, invented_name
from pipelines.phantom.ris import RisRow

CATEGORY_COUNTS: Mapping[str, int] = MappingProxyType(
    {"CT-0": 254, "CT-1": 684, "CT-2": 125, "CT-3": 45, "CT-4": 2}
)
"""The categories of the 1110 published studies (paper, table 1)."""

SEX_PERCENT: Mapping[str, int] = MappingProxyType({"M": 42, "F": 56, "unknown": 2})
YOUNGEST_YEARS, MEDIAN_YEARS, OLDEST_YEARS = 18, 47, 97
WINDOW_START, WINDOW_END = date(2020, 3, 1), date(2020, 4, 25)
MASKS_PER_CT_1 = 50 / 684
FAULTY_SHARE, INELIGIBLE_SHARE = 0.02, 0.30


class Ineligible(Enum):
    """Why a row of the RIS may not enter."""

    PREGNANT = "pregnancy"
    CHILD = "age 17"
    LOW_SPO2 = "SpO2 91 %"
    EARLY = "before the window"
    LATE = "after the window"
    HEAD = "head, not chest"
    VOLUNTARY = "voluntary insurance"
    AMBULANCE = "brought by ambulance"
    HOSPITAL = "hospital, not outpatient"
    UNREAD = "no final category"
    UNNUMBERED = "no accession number"
    MRI = "MRI"
    REPEATED = "a later study of a patient who is in"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRow:
    """A row of the RIS and what became of its study; a good one has no fault and no reason."""

    row: RisRow
    fault: Fault | None = None
    ineligible: Ineligible | None = None
    has_mask: bool = False
    seed: int = 0

    @property
    def is_good(self) -> bool:
        """Whether the study must end in the dataset."""
        return self.fault is None and self.ineligible is None


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortPlan:
    """All rows of a cohort in the order of the RIS export."""

    rows: tuple[PlannedRow, ...]
    quota: Mapping[str, int]

    @property
    def with_dicom(self) -> tuple[PlannedRow, ...]:
        """The rows whose studies the PACS has, in whatever state."""
        return tuple(
            row for row in self.rows if row.ineligible is None and row.fault is not Fault.ABSENT
        )


def plan_cohort(studies: int, *, seed: int = 0, slices: int = 40) -> CohortPlan:
    """A cohort of `studies` good studies, faulty ones that look eligible, and ineligible rows.

    Where quotas by category are filled with every failure replaced, just the good ones remain.
    """
    dice = Dice("cohort", seed, studies)
    quota = shared_out(studies, CATEGORY_COUNTS)
    good = _good_rows(studies, quota, slices, dice)
    faulty = _faulty_rows(max(1, round(FAULTY_SHARE * studies)), quota, slices, dice)
    others = _ineligible_rows(round(INELIGIBLE_SHARE * studies), good, dice)
    return CohortPlan(rows=tuple(dice.shuffled(good + faulty + others)), quota=quota)


def shared_out(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """`total` in parts as the weights, whole numbers by largest remainder."""
    everything = sum(weights.values())
    parts = {name: total * weight // everything for name, weight in weights.items()}
    left = total - sum(parts.values())
    by_remainder = sorted(weights, key=lambda name: (-(total * weights[name] % everything), name))
    for name in by_remainder[:left]:
        parts[name] += 1
    return parts


def ages_years(count: int, dice: Dice) -> list[int]:
    """Ages with the paper's youngest, oldest and median, in a random order.

    One age is the median; two are the youngest and the median; with three the median is exact.
    """
    centre = [MEDIAN_YEARS] * (2 - count % 2)
    half = (count - len(centre)) // 2
    young = [_skewed(YOUNGEST_YEARS, MEDIAN_YEARS, dice) for _ in range(half)]
    old = [_skewed(OLDEST_YEARS, MEDIAN_YEARS, dice) for _ in range(half)]
    if half:
        young[0], old[0] = YOUNGEST_YEARS, OLDEST_YEARS
    return dice.shuffled(young + centre + old)


def _skewed(far: int, near: int, dice: Dice) -> int:
    part = min(dice.uniform(0.0, 1.0), dice.uniform(0.0, 1.0))
    return near + int(part * (far - near))


def _good_rows(studies: int, quota: Mapping[str, int], slices: int, dice: Dice) -> list[PlannedRow]:
    sexes = shared_out(studies, SEX_PERCENT)
    each_sex = dice.shuffled([sex for sex, count in sexes.items() for _ in range(count)])
    each_category = [category for category, count in quota.items() for _ in range(count)]
    masked = round(MASKS_PER_CT_1 * quota["CT-1"])
    first = quota["CT-0"]
    rows = []
    for index, age in enumerate(ages_years(studies, dice)):
        sex = None if each_sex[index] == "unknown" else each_sex[index]
        row = _eligible_row(index, age, sex, each_category[index], dice)
        has_mask = first <= index < first + masked
        images = None if dice.integer(0, 9) == 0 else slices
        rows.append(PlannedRow(row=replace(row, images=images), has_mask=has_mask, seed=index))
    return rows


def _faulty_rows(count: int, quota: Mapping[str, int], slices: int, dice: Dice) -> list[PlannedRow]:
    categories = cycle([category for category, wanted in quota.items() if wanted])
    rows = []
    for number, fault in zip(range(count), cycle(Fault), strict=False):
        index = 500_000 + number
        age, sex = dice.integer(20, 80), "MF"[dice.integer(0, 1)]
        row = _eligible_row(index, age, sex, next(categories), dice)
        images = None if fault is Fault.GAP else slices
        rows.append(PlannedRow(row=replace(row, images=images), fault=fault, seed=index))
    return rows


def _eligible_row(index: int, age: int, sex: str | None, category: str, dice: Dice) -> RisRow:
    day = WINDOW_START + timedelta(days=dice.integer(0, (WINDOW_END - WINDOW_START).days))
    accession = f"MH{2_000_000 + index}"
    person = Person(
        patient_id=f"PID-{3_000_000 + 7 * index}",
        name=invented_name(sex, dice),
        sex=sex,
        birth_date=birth_date(age, day, dice),
    )
    return RisRow(
        accession_number=accession,
        person=person,
        study_date=day,
        category=category,
        study_instance_uid=made_uid("study", accession) if dice.integer(0, 2) == 0 else None,
        pregnancy="нет" if sex == "F" and dice.integer(0, 1) else None,
        spo2_percent=dice.integer(93, 99) if dice.integer(0, 7) else None,
        referrer=("Врач-терапевт", "ВОП", "Врач общей практики")[dice.integer(0, 2)],
        facility=f"ГП № {5 * dice.integer(0, 41) + 2}",
        body_part=("ОГК", "Органы грудной клетки")[dice.integer(0, 1)],
        modality=("КТ", "CT")[dice.integer(0, 1)],
    )


_CHANGES: Mapping[Ineligible, Mapping[str, object]] = MappingProxyType(
    {
        Ineligible.PREGNANT: {"pregnancy": "да"},
        Ineligible.LOW_SPO2: {"spo2_percent": 91},
        Ineligible.EARLY: {"study_date": WINDOW_START - timedelta(days=2)},
        Ineligible.LATE: {"study_date": WINDOW_END + timedelta(days=1)},
        Ineligible.HEAD: {"body_part": "Головной мозг", "category": None},
        Ineligible.VOLUNTARY: {"payer": "ДМС"},
        Ineligible.AMBULANCE: {"referrer": "Скорая помощь"},
        Ineligible.HOSPITAL: {"facility": "Стационар ГКБ № 15"},
        Ineligible.UNREAD: {"category": None},
        Ineligible.UNNUMBERED: {"accession_number": None, "study_instance_uid": None},
        Ineligible.MRI: {"modality": "МРТ", "category": None},
    }
)


def _ineligible_rows(count: int, good: list[PlannedRow], dice: Dice) -> list[PlannedRow]:
    categories = list(CATEGORY_COUNTS)
    rows = []
    for number, reason in zip(range(count), cycle(Ineligible), strict=False):
        age = 17 if reason is Ineligible.CHILD else dice.integer(20, 44)
        sex = "F" if reason is Ineligible.PREGNANT else "MF"[number % 2]
        category = categories[dice.integer(0, 3)]
        row = _eligible_row(700_000 + number, age, sex, category, dice)
        row = replace(row, images=dice.integer(300, 500))
        if reason is Ineligible.REPEATED:
            row = _later(row, good[dice.integer(0, len(good) - 1)].row)
        changes: dict[str, object] = dict(_CHANGES.get(reason, {}))
        rows.append(PlannedRow(row=_changed(row, changes), ineligible=reason))
    return rows


def _changed(row: RisRow, changes: Mapping[str, object]) -> RisRow:
    fields = {name: getattr(row, name) for name in RisRow.__dataclass_fields__}
    return RisRow(**(fields | dict(changes)))


def _later(row: RisRow, first: RisRow) -> RisRow:
    """The row as a study of another row's patient, later than that and within the window."""
    return replace(
        row,
        person=first.person,
        study_date=min(first.study_date + timedelta(days=10), WINDOW_END + timedelta(days=1)),
    )
