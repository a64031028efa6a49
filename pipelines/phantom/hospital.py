"""One study as the PACS holds it: its series, its documents, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from pydicom.dataset import Dataset

from pipelines.phantom.documents import dose_report_sr, localizer, secondary_capture
from pipelines.phantom.instances import write_dataset, write_series
from pipelines.phantom.masks import MaskGrid, write_mask
from pipelines.phantom.ris import RisRow
from pipelines.phantom.spec import SeriesSpec
from pipelines.phantom.thorax import Kernel, Thorax, ThoraxSpec, make_thorax

TRUNCATED_NUMBER, MISSING_NUMBER, DUPLICATED_NUMBER = 20, 17, 12
"""The InstanceNumber of the file that is cut, of the one that is gone, of the one that is twice."""

INCOMPLETE_BY = 3
"""How many images of an incomplete study never reached the PACS."""


class Fault(Enum):
    """What is wrong with a study that the RIS calls eligible."""

    TRUNCATED = "one file ends in the middle of its pixels"
    GAP = "one slice is missing, and the RIS does not say how many there should be"
    ABSENT = "the PACS does not have it"
    LUNG_ONLY = "only the lung kernel was stored"
    INCOMPLETE = "the RIS expects more images than the PACS has"


class Extra(Enum):
    """What a study holds beside its soft-tissue series."""

    LUNG = "lung-kernel series"
    LOCALIZER = "localizer"
    DOSE_SR = "dose report"
    DOSE_PAGE = "dose page"
    DUPLICATE = "one file twice, under another name"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """All there is to know about a study before a voxel is made."""

    row: RisRow
    spec: SeriesSpec
    thorax: ThoraxSpec
    extras: frozenset[Extra] = frozenset()
    fault: Fault | None = None
    mask: MaskGrid | None = None
    dlp_mgy_cm: float = 250.0

    @property
    def images(self) -> int:
        """How many instances the scanner made."""
        lung = self.thorax.slices if Extra.LUNG in self.extras else 0
        return self.thorax.slices + lung + len(self.extras - {Extra.LUNG, Extra.DUPLICATE})


def patient_spec(row: RisRow, spec: SeriesSpec) -> SeriesSpec:
    """The series with the patient and the study of a row."""
    person = row.person
    street = "Призрачная ул." if spec.specific_character_set == ("ISO_IR 192",) else "Phantom Lane"
    return replace(
        spec,
        patient_name=person.name,
        patient_id=person.patient_id,
        patient_birth_date=f"{person.birth_date:%Y%m%d}",
        patient_sex=person.sex,
        patient_age=f"{person.age_years(row.study_date):03d}Y",
        patient_address=f"{street} {int(person.patient_id[-4:]) % 90 + 1}",
        accession_number=row.accession_number or "",
        study_date=f"{row.study_date:%Y%m%d}",
    )


def write_study(folder: Path, plan: StudyPlan, body: Thorax | None = None) -> None:
    """Write what the PACS has of the study into `folder`; `body` saves making its voxels."""
    if plan.fault is Fault.ABSENT:
        return
    if plan.fault is Fault.LUNG_ONLY:
        _write_lung(folder, plan)
        return
    body = body or make_thorax(plan.thorax)
    _write_body(folder / "SE0002", plan, body)
    if Extra.LUNG in plan.extras:
        _write_lung(folder, plan)
    _write_documents(folder, plan, body)


def _write_body(folder: Path, plan: StudyPlan, body: Thorax) -> None:
    spec = plan.spec
    numbers = [spec.instance_numbers[k] for k in range(plan.thorax.slices)]
    kept = list(range(len(numbers)))
    if plan.fault is Fault.GAP:
        kept.remove(numbers.index(MISSING_NUMBER))
    if plan.fault is Fault.INCOMPLETE:
        kept = kept[INCOMPLETE_BY:]
    write_series(folder, spec, body.voxels_hu, only=kept)
    if plan.fault is Fault.TRUNCATED:
        broken = folder / spec.file_name_of(numbers.index(TRUNCATED_NUMBER))
        data = broken.read_bytes()
        broken.write_bytes(data[: len(data) * 3 // 4])
    if Extra.DUPLICATE in plan.extras:
        twice = folder / spec.file_name_of(numbers.index(DUPLICATED_NUMBER))
        twice.with_name("copy_of_" + twice.name).write_bytes(twice.read_bytes())


def _write_lung(folder: Path, plan: StudyPlan) -> None:
    thorax = replace(plan.thorax, kernel=Kernel.LUNG)
    spec = replace(
        plan.spec,
        series_instance_uid=None,
        series_number=3,
        series_description="LUNG 1.0",
        convolution_kernel=Kernel.LUNG.value,
    )
    write_series(folder / "SE0003", spec, make_thorax(thorax).voxels_hu)


def _write_documents(folder: Path, plan: StudyPlan, body: Thorax) -> None:
    spec, dlp = plan.spec, plan.dlp_mgy_cm
    documents: dict[str, Dataset] = {}
    if Extra.LOCALIZER in plan.extras:
        documents["SE0001"] = localizer(spec, body.voxels_hu)
    if Extra.DOSE_SR in plan.extras:
        documents["SE9000"] = dose_report_sr(spec, dlp_mgy_cm=dlp)
    if Extra.DOSE_PAGE in plan.extras:
        who = plan.row.person.latin_name
        documents["SE9001"] = secondary_capture(spec, dlp_mgy_cm=dlp, who=who)
    for series, document in documents.items():
        (folder / series).mkdir(parents=True, exist_ok=True)
        name = spec.file_name.format(k=0, number=1, uid=document.SOPInstanceUID)
        write_dataset(folder / series / name, document)


def write_study_mask(folder: Path, plan: StudyPlan, body: Thorax) -> None:
    """Write the experts' mask of the study, if it has one, into `folder`."""
    if plan.mask is not None:
        name = f"{plan.row.accession_number}_mask.nii.gz"
        write_mask(folder / name, plan.spec, body.lesion_mask, plan.mask)
