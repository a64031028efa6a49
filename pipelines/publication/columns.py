"""The columns of `studies.csv`: what each holds, in which unit, and where it comes from."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import prod

from pipelines.core.anonymity import Quasi
from pipelines.core.model import RegistryRow, Thinned

Cell = str | int | float | None


class Kind(StrEnum):
    """What the cells of a column are, as the dictionary calls it."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A published study with all that its row may tell.

    `patient` numbers the patients of this dataset in the order of their first studies; `told` is
    what k-anonymity leaves of sex, age band and scanner.
    """

    row: RegistryRow
    study: Thinned
    split: str
    patient: int
    told: Quasi
    effective_dose_msv: float | None
    sha256: str
    mask_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its name, unit and meaning in both languages, and the cell of a study."""

    name: str
    kind: Kind
    unit: str
    meaning_en: str
    meaning_ru: str
    cell: Callable[[Listed], Cell]


def _column(
    name: str, kind: Kind, unit: str, meanings: tuple[str, str], cell: Callable[[Listed], Cell]
) -> Column:
    english, russian = meanings
    return Column(
        name=name, kind=kind, unit=unit, meaning_en=english, meaning_ru=russian, cell=cell
    )


def _path(name: str | None) -> str | None:
    """A path of the registry as one that can be joined to the folder of the dataset."""
    return name.removeprefix("/") if name else None


def _mask_volume_ml(one: Listed) -> float | None:
    voxels = one.study.marked_voxels
    return None if voxels is None else round(voxels * prod(one.study.spacing_ijk_mm) / 1000, 3)


def _readings(one: Listed) -> str:
    return " ".join(
        f"{reading.reader}:{reading.category}" + (":expert" if reading.is_expert else "")
        for reading in one.study.readings
    )


_INTEGER, _NUMBER, _TEXT = Kind

COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        _column(
            "study_id",
            _INTEGER,
            "",
            ("The number of the study in the registry", "Номер исследования в реестре"),
            lambda one: one.row.study_id,
        ),
        _column(
            "category",
            _TEXT,
            "",
            ("CT-0 .. CT-4, the severity (Class C)", "CT-0 .. CT-4, степень тяжести (класс C)"),
            lambda one: one.row.category,
        ),
        _column(
            "split",
            _TEXT,
            "",
            (
                "What the study is for; all studies of a patient are in one split",
                "Для чего исследование; все исследования пациента — в одной части",
            ),
            lambda one: one.split,
        ),
        _column(
            "patient",
            _INTEGER,
            "",
            (
                "The patient, numbered within this dataset only",
                "Пациент; нумерация действует только в этом наборе",
            ),
            lambda one: one.patient,
        ),
        _column(
            "sex",
            _TEXT,
            "",
            (
                "M male, F female, O other or unknown, * hidden",
                "M мужской, F женский, O другой или неизвестен, * скрыт",
            ),
            lambda one: one.told.sex,
        ),
        _column(
            "age_band",
            _TEXT,
            "years",
            ("Band of the age; * hidden", "Возрастная группа; * скрыта"),
            lambda one: one.told.age_band,
        ),
        _column(
            "scanner",
            _TEXT,
            "",
            (
                "Manufacturer (0008,0070) and ManufacturerModelName (0008,1090); * hidden",
                "Manufacturer (0008,0070) и ManufacturerModelName (0008,1090); * скрыты",
            ),
            lambda one: one.told.scanner,
        ),
        _column(
            "kernel",
            _TEXT,
            "",
            ("ConvolutionKernel (0018,1210)", "ConvolutionKernel (0018,1210)"),
            lambda one: one.study.acquisition.convolution_kernel,
        ),
        _column(
            "kvp",
            _NUMBER,
            "kV",
            ("KVP (0018,0060), the tube voltage", "KVP (0018,0060), напряжение на трубке"),
            lambda one: one.study.acquisition.kvp,
        ),
        _column(
            "reconstruction_diameter_mm",
            _NUMBER,
            "mm",
            (
                "ReconstructionDiameter (0018,1100), the field of view",
                "ReconstructionDiameter (0018,1100), поле обзора",
            ),
            lambda one: one.study.acquisition.reconstruction_diameter_mm,
        ),
        _column(
            "columns",
            _INTEGER,
            "",
            ("Voxels from right to left (i)", "Вокселей справа налево (i)"),
            lambda one: one.study.shape_ijk[0],
        ),
        _column(
            "rows",
            _INTEGER,
            "",
            ("Voxels from back to front (j)", "Вокселей сзади наперёд (j)"),
            lambda one: one.study.shape_ijk[1],
        ),
        _column(
            "slices",
            _INTEGER,
            "",
            ("Slices in the file (k)", "Срезов в файле (k)"),
            lambda one: one.study.shape_ijk[2],
        ),
        _column(
            "slices_before",
            _INTEGER,
            "",
            ("Slices of the series before thinning", "Срезов в серии до прореживания"),
            lambda one: one.study.slices_before,
        ),
        _column(
            "instance_numbers",
            _TEXT,
            "",
            (
                "What the kept slices were counted by, InstanceNumber (0020,0013) as a rule, "
                "from the feet up",
                "По чему отсчитаны сохранённые срезы, как правило InstanceNumber (0020,0013), "
                "снизу вверх",
            ),
            lambda one: " ".join(map(str, one.study.instance_numbers)),
        ),
        _column(
            "pixel_spacing_i_mm",
            _NUMBER,
            "mm",
            ("Size of a voxel along i", "Размер вокселя по оси i"),
            lambda one: one.study.spacing_ijk_mm[0],
        ),
        _column(
            "pixel_spacing_j_mm",
            _NUMBER,
            "mm",
            ("Size of a voxel along j", "Размер вокселя по оси j"),
            lambda one: one.study.spacing_ijk_mm[1],
        ),
        _column(
            "slice_step_mm",
            _NUMBER,
            "mm",
            ("Step between the slices in the file", "Шаг между срезами в файле"),
            lambda one: one.study.spacing_ijk_mm[2],
        ),
        _column(
            "source_step_mm",
            _NUMBER,
            "mm",
            ("Step between the slices before thinning", "Шаг между срезами до прореживания"),
            lambda one: one.study.acquisition.source_step_mm,
        ),
        _column(
            "slice_thickness_mm",
            _NUMBER,
            "mm",
            (
                "SliceThickness (0018,0050), what one slice averages",
                "SliceThickness (0018,0050), толщина среза",
            ),
            lambda one: one.study.acquisition.slice_thickness_mm,
        ),
        _column(
            "dose_length_product_mgy_cm",
            _NUMBER,
            "mGy·cm",
            (
                "Dose length product of the examination, from its dose report",
                "Произведение дозы на длину, из протокола дозы",
            ),
            lambda one: one.study.dose_length_product_mgy_cm,
        ),
        _column(
            "effective_dose_msv",
            _NUMBER,
            "mSv",
            (
                "Effective dose estimated from the dose length product",
                "Эффективная доза, оценённая по произведению дозы на длину",
            ),
            lambda one: one.effective_dose_msv,
        ),
        _column(
            "readings",
            _TEXT,
            "",
            (
                "Each reader's category; readers bear pseudonyms, the last word is the expert's",
                "Категории по мнению каждого врача (под псевдонимами); решающее слово — эксперта",
            ),
            _readings,
        ),
        _column(
            "mask_volume_ml",
            _NUMBER,
            "ml",
            ("Volume of what the mask marks", "Объём отмеченного маской"),
            _mask_volume_ml,
        ),
        _column(
            "study_file",
            _TEXT,
            "",
            ("Path of the volume below this folder", "Путь к объёму от этой папки"),
            lambda one: _path(one.row.study_file),
        ),
        _column(
            "mask_file",
            _TEXT,
            "",
            ("Path of the mask below this folder", "Путь к маске от этой папки"),
            lambda one: _path(one.row.mask_file),
        ),
        _column(
            "sha256",
            _TEXT,
            "",
            ("SHA-256 of the volume's file", "SHA-256 файла с объёмом"),
            lambda one: one.sha256,
        ),
        _column(
            "mask_sha256",
            _TEXT,
            "",
            ("SHA-256 of the mask's file", "SHA-256 файла с маской"),
            lambda one: one.mask_sha256,
        ),
    )
}
"""Every column there is, by its name, in the order of the table."""
