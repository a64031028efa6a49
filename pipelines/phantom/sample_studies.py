"""The studies of the sample that have, or should have, DICOM."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType

from pipelines.phantom.hospital import Extra, Fault, StudyPlan, patient_spec
from pipelines.phantom.masks import MaskGrid
from pipelines.phantom.noise import Dice, made_uid
from pipelines.phantom.people import Person, birth_date, invented_name
from pipelines.phantom.ris import RisRow
from pipelines.phantom.spec import SeriesSpec, Syntax
from pipelines.phantom.thorax import PADDING_HU, Kernel, ThoraxSpec

_CYRILLIC, _UNICODE, _LATIN_1 = ("ISO_IR 144",), ("ISO_IR 192",), ("ISO_IR 100",)
_EXTENDED = ("", "ISO 2022 IR 144")
_ALL_DOCUMENTS = frozenset({Extra.LOCALIZER, Extra.DOSE_SR, Extra.DOSE_PAGE})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One line of the table below."""

    number: int
    category: str
    purpose: str
    day: date
    age_years: int
    sex: str | None
    place: str
    syntax: Syntax = Syntax.JPEG_LS
    pixels: int = 96
    charset: tuple[str, ...] = _CYRILLIC
    name: str | None = None
    descending: bool = False
    kernel: Kernel = Kernel.SOFT
    description: str = "BODY 1.0 CE"
    extras: frozenset[Extra] = frozenset()
    mask: MaskGrid | None = None
    fault: Fault | None = None
    file_name: str = "IM{number:04d}.dcm"
    knows_uid: bool = False
    knows_count: bool = True
    facility: str = "ГП № 5"
    referrer: str = "Врач-терапевт"
    spo2_percent: int | None = 97
    pregnancy: str | None = None
    body_part: str = "ОГК"
    modality: str = "КТ"


_CASES = (
    _Case(number=417, category="CT-0", day=date(2020, 3, 4), age_years=18, sex="F",
          place="2020-03/{latin}_{id}/{accession}", syntax=Syntax.IMPLICIT_LITTLE, pixels=80,
          extras=frozenset({Extra.DOSE_SR}), pregnancy="нет", knows_uid=True,
          purpose="Implicit VR, ISO_IR 144, age exactly 18, a dose report"),
    _Case(number=529, category="CT-0", day=date(2020, 4, 9), age_years=33, sex="M",
          place="2020-04/{accession}_{latin}.zip", descending=True, charset=_UNICODE,
          referrer="ВОП", facility="ГП № 109", modality="CT",
          purpose="a whole study as .zip, numbered from the head down"),
    _Case(number=538, category="CT-0", day=date(2020, 3, 1), age_years=71, sex="F",
          place="AGFA/DIR000/{id}/{accession}", syntax=Syntax.RLE, charset=_LATIN_1, pixels=80,
          name="Fantôme^Renée", file_name="{number:08d}", spo2_percent=None,
          body_part="Органы грудной клетки", facility="ГП № 67",
          purpose="RLE, a Latin-1 name, files without extension, the window's first day"),
    _Case(number=1043, category="CT-1", day=date(2020, 4, 12), age_years=47, sex="M",
          place="2020-04/{latin}_{id}/{accession}", syntax=Syntax.JPEG_LOSSLESS, descending=True,
          kernel=Kernel.SOFT_BODY, description="Body 1.0", mask=MaskGrid.THINNED,
          extras=_ALL_DOCUMENTS | {Extra.LUNG}, knows_uid=True,
          purpose="lung series, localizer, dose report and dose page beside the soft series; "
                  "mask on the thinned grid; JPEG lossless; numbered from the head down"),
    _Case(number=1107, category="CT-1", day=date(2020, 4, 2), age_years=39, sex="F",
          place="2020-04/{latin}_{id}/{accession}", syntax=Syntax.JPEG_2000, charset=_UNICODE,
          mask=MaskGrid.THINNED, pregnancy="нет", facility="КДЦ № 2",
          purpose="mask on the thinned grid; JPEG 2000, names in UTF-8"),
    _Case(number=1219, category="CT-1", day=date(2020, 3, 30), age_years=55, sex="M",
          place="2020-03/{name} {id}/{accession} ОГК", syntax=Syntax.EXPLICIT_LITTLE,
          descending=True, mask=MaskGrid.FULL, extras=frozenset({Extra.LOCALIZER}), knows_uid=True,
          pixels=80,
          purpose="mask on every slice; uncompressed; Cyrillic folder names with spaces"),
    _Case(number=1334, category="CT-1", day=date(2020, 3, 25), age_years=64, sex=None,
          place="2020-03/{latin}_{id}/{accession}", referrer="Врач общей практики",
          charset=_UNICODE, knows_count=False, body_part="Органы грудной клетки",
          purpose="sex unknown; this patient has a later study, too, which may not enter"),
    _Case(number=2018, category="CT-2", day=date(2020, 4, 18), age_years=58, sex="F",
          place="2020-04/{latin}_{id}/{accession}", descending=True, mask=MaskGrid.FULL,
          extras=frozenset({Extra.LUNG, Extra.DOSE_SR}), knows_uid=True, spo2_percent=94,
          purpose="mask on every slice; lung series and dose report; JPEG-LS"),
    _Case(number=2125, category="CT-2", day=date(2020, 4, 20), age_years=44, sex="M",
          place="AGFA/DIR001/{id}/{accession}", syntax=Syntax.JPEG_2000, kernel=Kernel.SOFT_BODY,
          extras=frozenset({Extra.DUPLICATE}), description="BODY 1.0", file_name="{uid}",
          purpose="one file lies there twice under another name: harmless"),
    _Case(number=3006, category="CT-3", day=date(2020, 4, 23), age_years=69, sex="F",
          place="cd_20200423/DICOM", spo2_percent=93, knows_uid=True,
          purpose="a folder with a DICOMDIR; SpO2 exactly 93 %"),
    _Case(number=3011, category="CT-3", day=date(2020, 4, 25), age_years=92, sex="M",
          place="2020-04/{latin}_{id}/{accession}", syntax=Syntax.RLE, charset=_EXTENDED, pixels=80,
          descending=True, referrer="ВОП", spo2_percent=95,
          purpose=r"\ISO 2022 IR 144, age over 89, RLE, the window's last day"),
    _Case(number=4001, category="CT-4", day=date(2020, 4, 16), age_years=76, sex="M",
          place="2020-04/{latin}_{id}/{accession}", syntax=Syntax.DEFLATED,
          extras=_ALL_DOCUMENTS, descending=True, spo2_percent=93,
          purpose="the one critical study; deflated; localizer, dose report and dose page"),
    _Case(number=1401, category="CT-1", day=date(2020, 4, 6), age_years=51, sex="F",
          place="2020-04/{latin}_{id}/{accession}", fault=Fault.TRUNCATED,
          purpose="fails: one file ends in the middle of its pixels"),
    _Case(number=1402, category="CT-1", day=date(2020, 4, 7), age_years=29, sex="M",
          place="2020-04/{latin}_{id}/{accession}", fault=Fault.GAP, knows_count=False,
          purpose="fails: slice 17 is missing, and the RIS does not say how many there were"),
    _Case(number=2303, category="CT-2", day=date(2020, 4, 8), age_years=60, sex="M",
          place="absent", fault=Fault.ABSENT, purpose="fails: the PACS does not have it"),
    _Case(number=604, category="CT-0", day=date(2020, 3, 18), age_years=35, sex="F",
          place="2020-03/{latin}_{id}/{accession}", fault=Fault.LUNG_ONLY,
          purpose="fails: only the lung kernel was stored, no %BODY% series"),
    _Case(number=3205, category="CT-3", day=date(2020, 4, 21), age_years=66, sex="F",
          place="2020-04/{latin}_{id}/{accession}", fault=Fault.INCOMPLETE, knows_uid=True,
          purpose="fails: the RIS expects 3 images more than the PACS has"),
)  # fmt: skip


def _planned(case: _Case) -> StudyPlan:
    dice = Dice("sample", case.number)
    faulty = case.fault is not None
    slices, pixels = (24, 64) if faulty else (40 + dice.integer(0, 3), case.pixels)
    pixel_mm = dice.uniform(345.0, 390.0) / pixels
    thorax = ThoraxSpec(
        slices=slices,
        rows=pixels,
        columns=pixels,
        pixel_spacing_mm=(round(pixel_mm, 3), round(pixel_mm, 3)),
        centre_mm=(dice.uniform(-9.0, 9.0), dice.uniform(-2.0, 8.0)),
        category=case.category,
        is_female=case.sex == "F",
        kernel=case.kernel,
        seed=case.number,
    )
    row = _row(case, dice)
    plan = StudyPlan(
        row=row,
        spec=patient_spec(row, _series(case, thorax, dice)),
        thorax=thorax,
        extras=case.extras,
        fault=case.fault,
        mask=case.mask,
        dlp_mgy_cm=round(dice.uniform(120.0, 480.0), 1),
    )
    images = plan.images if case.knows_count else None
    return replace(plan, row=replace(row, images=images))


def _row(case: _Case, dice: Dice) -> RisRow:
    accession = f"MH20-{case.number:05d}"
    person = Person(
        patient_id=f"PID-{700_000 + 37 * case.number}",
        name=case.name or invented_name(case.sex, dice),
        sex=case.sex,
        birth_date=birth_date(case.age_years, case.day, dice),
    )
    return RisRow(
        accession_number=accession,
        person=person,
        study_date=case.day,
        category=case.category,
        study_instance_uid=made_uid("study", accession) if case.knows_uid else None,
        modality=case.modality,
        body_part=case.body_part,
        pregnancy=case.pregnancy,
        spo2_percent=case.spo2_percent,
        referrer=case.referrer,
        facility=case.facility,
    )


def _series(case: _Case, thorax: ThoraxSpec, dice: Dice) -> SeriesSpec:
    first, last = (thorax.slices, 0) if case.descending else (1, thorax.slices + 1)
    corner = round(-thorax.pixel_spacing_mm[0] * (thorax.columns - 1) / 2, 3)
    is_latin = case.charset == _LATIN_1
    return SeriesSpec(
        specific_character_set=case.charset,
        institution_name="Polyclinic 67" if is_latin else f"{case.facility} ДЗМ (фантом)",
        physician_name="Referrer^Rosa" if is_latin else "Направляев^Пров",
        operator_name="Operator^Olga" if is_latin else "Снимков^Пахом",
        study_time=f"{dice.integer(8, 20):02d}{dice.integer(10, 59)}{dice.integer(10, 59)}.850",
        series_description=case.description,
        convolution_kernel=case.kernel.value,
        pixel_spacing_mm=thorax.pixel_spacing_mm,
        first_position_lps_mm=(corner, corner, round(dice.uniform(-900.0, 900.0), 1)),
        instance_numbers=range(first, last, -1 if case.descending else 1),
        padding_hu=PADDING_HU,
        syntax=case.syntax,
        file_name=case.file_name,
    )


def _place(case: _Case, plan: StudyPlan) -> str:
    person = plan.row.person
    return case.place.format(
        latin=person.latin_name.replace(" ", "_"),
        name=person.full_name,
        id=person.patient_id,
        accession=plan.row.accession_number,
    )


_PLANS = tuple(_planned(case) for case in _CASES)
PLACES = MappingProxyType(
    {
        plan.spec.accession_number: _place(case, plan)
        for case, plan in zip(_CASES, _PLANS, strict=True)
    }
)
"""Where each study lies under `pacs/`, by accession number."""

PURPOSES = MappingProxyType(
    {plan.spec.accession_number: case.purpose for case, plan in zip(_CASES, _PLANS, strict=True)}
)
"""What each study shows, by accession number."""


def sample_studies() -> tuple[StudyPlan, ...]:
    """All studies of the sample that have, or should have, DICOM; the good ones first."""
    return _PLANS
