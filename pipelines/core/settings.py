"""Every knob of every stage: default, unit and meaning.

The commented `mosmed.toml`, the environment variables and the command-line defaults are all made
from these classes, so that none of them can drift.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path

from pipelines.core.addresses import refuse_secret
from pipelines.core.knobs import Enters, knob
from pipelines.core.model import Fusion, ThinBy, Verify
from pipelines.core.node_settings import NodeSettings

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


STUDY_COLUMNS = (
    "study_id",
    "category",
    "split",
    "patient",
    "sex",
    "age_band",
    "scanner",
    "kernel",
    "kvp",
    "reconstruction_diameter_mm",
    "columns",
    "rows",
    "slices",
    "slices_before",
    "instance_numbers",
    "pixel_spacing_i_mm",
    "pixel_spacing_j_mm",
    "slice_step_mm",
    "source_step_mm",
    "slice_thickness_mm",
    "dose_length_product_mgy_cm",
    "effective_dose_msv",
    "readings",
    "mask_volume_ml",
    "mask_mean_hu",
    "lesion_share_percent",
    "mask_dice",
    "study_file",
    "mask_file",
    "sha256",
    "mask_sha256",
)
"""The columns of `studies.csv` in order; what they mean stands in `pipelines.publication`."""


@dataclass(frozen=True, kw_only=True)
class SelectSettings:
    """Who is drawn from the RIS (paper, figure 1 step 1, and the criteria of inclusion)."""

    ris: Path | str | None = knob(
        None,
        "The RIS: a .xlsx or .csv, or an address like postgresql://reader@host/ris.",
        enters=Enters.CONTENT,
    )
    same_patients: Path | None = knob(
        None,
        "A .csv of numbers that are one patient's: patient_id, same_as_patient_id, and issuers.",
        enters=Enters.CONTENT,
    )
    sheet: str = knob("", "The sheet of the .xlsx to read; empty for the first one.")
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
        refuse_secret(self.ris, setting="[select] ris", variable="MOSMED_RIS_PASSWORD")


@dataclass(frozen=True, kw_only=True)
class ExportSettings(NodeSettings):
    """Where the DICOM lies, and which one series of a study is reconstructed from (README [R])."""

    pacs: Path | str | None = knob(
        None,
        "The folder of the PACS export: nested, zipped, with junk; or the address of a PACS.",
        enters=Enters.NEVER,
    )
    masks: Path | None = knob(
        None,
        "A folder of masks, NIfTI, SEG or RTSTRUCT: MH123_mask.nii.gz, or MH123__reader.nii.gz.",
        enters=Enters.NEVER,
    )
    study_masks: bool = knob(
        False, "Where the folder has no mask: take SEG and RTSTRUCT of the study itself."
    )
    mask_labels: tuple[str, ...] = knob(
        (), "Which labels mark the lesion, by number or name (% any text); empty for the only one."
    )
    mask_threshold: float = knob(
        0.5, "What share of the maximum is marked in a FRACTIONAL segmentation.", minimum=0
    )
    whole_study: bool = knob(
        True,
        "Export the other objects of the study, too, as the paper did; else only dose reports.",
    )
    in_memory: bool = knob(
        False,
        "Keep what is fetched in memory until it is anonymized: no identity comes to the disk.",
        enters=Enters.NEVER,
    )
    modality: str = knob("CT", "The modality of the series.")
    descriptions: tuple[str, ...] = knob(
        ("%BODY%",), "Patterns of SeriesDescription as in SQL LIKE: % any text, _ one character."
    )
    kernels: tuple[str, ...] = knob(
        (), "ConvolutionKernels that are allowed, the preferred one first; empty for any."
    )
    minimum_slice_thickness_mm: float = knob(0.0, "Thinner series are not taken.", minimum=0)
    maximum_slice_thickness_mm: float = knob(10.0, "Thicker series are not taken.", minimum=0)
    minimum_instances: int = knob(20, "Series with fewer images are not taken.", minimum=1)
    prefer: tuple[str, ...] = knob(
        ("kernel", "thickness", "instances"),
        "What decides when several series match: kernel order, thinner slices, more images.",
    )
    thin_early: bool = knob(
        False, "Bring only those slices of the chosen series that thinning will keep."
    )


@dataclass(frozen=True, kw_only=True)
class EarlyExportSettings(ExportSettings):
    """The settings of an export that thins: what it needs of those of the stages behind it."""

    minimum_slices: int = knob(2, "As under [convert].")
    thin: "ThinSettings" = knob(None, "As under [thin].")


@dataclass(frozen=True, kw_only=True)
class AnonymizeSettings:
    """Which rules take the identity away (PS3.15 Annex E)."""

    key: Path | None = knob(
        None, "The secret key of the pseudonyms; empty for private/key.", enters=Enters.CONTENT
    )
    retain_patient_characteristics: bool = knob(
        True, "Keep sex, age, size and weight (PS3.15 E.3.7); ages above 89 become 90."
    )
    retain_device_identity: bool = knob(
        False, "Keep serial numbers and names of the scanner (PS3.15 E.3.8)."
    )
    retain_modified_dates: bool = knob(
        False,
        "Keep the days of the scans, moved back by the patient's keyed shift (PS3.15 E.3.6).",
    )
    maximum_shift_days: int = knob(
        3650,
        "The longest such shift: years, so that a known study window tells little.",
        minimum=365,
    )
    descriptor_words: Path | None = knob(
        None,
        "A file of words, one a line, that may stay in descriptions (PS3.15 E.3.5).",
        enters=Enters.CONTENT,
    )
    retain_safe_private: bool = knob(
        False, "Keep the numbers of a scan in private elements known as safe (PS3.15 E.3.10)."
    )
    same_patients: Path | None = knob(
        None,
        "The same list as in [select], for plain folders; a workspace follows that of [select].",
        enters=Enters.CONTENT,
    )
    recipes: tuple[Path, ...] = knob(
        (), "Recipes of your own in deid's language, after the shipped one.", enters=Enters.CONTENT
    )


@dataclass(frozen=True, kw_only=True)
class ConvertSettings:
    """What becomes a volume."""

    minimum_slices: int = knob(2, "Fewer slices are refused.", minimum=1)
    allow_lossy: bool = knob(False, "Accept pixels that were compressed with loss.")
    fusion: Fusion = knob(
        Fusion.STAPLE, "How the masks of several readers become one: staple or majority."
    )
    padding_hu: int | None = knob(
        None,
        "HU outside the field of view (PixelPaddingValue), e.g. -2048; empty leaves what is there.",
        minimum=-32768,
        maximum=32767,
    )
    clip_hu: bool = knob(False, "Clip HU beyond 16 bits (metal) and count them, not refuse them.")
    verify: Verify = knob(
        Verify.HEADER, "Check the header only, or have nibabel and SimpleITK read all of it."
    )
    gzip_level: int = knob(
        2,
        "How hard `mosmed convert IN OUT` packs: from 1, quickest, to 12, smallest.",
        enters=Enters.NEVER,
        minimum=1,
        maximum=12,
    )


@dataclass(frozen=True, kw_only=True)
class ThinSettings:
    """Which slices are kept (paper, figure 1 step 5; README: InstanceNumber % 10 = 0)."""

    every: int = knob(10, "Keep one slice of so many.", minimum=1)
    offset: int = knob(0, "Keep the numbers that leave this remainder.", minimum=0)
    by: ThinBy = knob(ThinBy.INSTANCE, "Count by InstanceNumber, or by position along the axis.")
    mask_least_hu: float = knob(-700.0, "The least mean density of what a mask marks (paper).")
    mask_most_hu: float = knob(-130.0, "The greatest mean density of what a mask marks (paper).")
    refuse_masks: tuple[str, ...] = knob(
        (), "Of MASK_EMPTY, MASK_DENSITY, MASK_SHARE those that stop a study; else they are told."
    )
    verify: Verify = knob(
        Verify.READERS, "Check the header only, or have nibabel and SimpleITK read all of it."
    )
    gzip_level: int = knob(
        1,
        "How hard volumes are packed: from 1, quickest, to 12, smallest (by a twentieth).",
        minimum=1,
        maximum=12,
    )


@dataclass(frozen=True, kw_only=True)
class RegistrySettings:
    """What the dataset is called and under which licence it is published."""

    name: str = knob("MosMedData COVID19_1110", "The name of the registry's sheet.")
    title: str = knob(
        "MosMedData: Chest CT Scans with COVID-19 Related Findings", "The title in the README."
    )
    version: str = knob("1.0", "The version of the dataset.")
    licence: str = knob("CC-BY-NC-ND-3.0", "The SPDX name of the licence.")
    holder: str = knob("", "Who holds the rights; stands in LICENSE and README.")
    creators: tuple[str, ...] = knob(
        (), 'Who made the dataset, people as "Family name, given name"; the holder if empty.'
    )
    publisher: str = knob("", "Who publishes the dataset; the holder if empty.")
    funding: str = knob("", "Who paid for it.")
    contact: str = knob("", "Where users can write to.")
    link: str = knob("", "The permanent link, e.g. https://mosmed.ai/datasets/covid19_1110.")
    doi: str = knob("", "The DOI, e.g. 10.17816/DD46826, if it has one.")
    release_date: str = knob("", "The day of the release, as 2020-04-28.")
    changelog: Mapping[str, str] = knob(
        {}, 'What each version changed, for CHANGELOG.md, e.g. { "1.1" = "12 studies more." }.'
    )
    answers: Mapping[str, str] = knob(
        {}, 'Answers to questions that DATASHEET.md lists as open, e.g. { ethics = "..." }.'
    )
    effective_dose_msv_per_mgy_cm: float = knob(
        0.017,
        "Effective dose of a dose length product of 1 mGy.cm (0.017 for the chest).",
        minimum=0,
    )
    columns: tuple[str, ...] = knob(
        STUDY_COLUMNS, "The columns of studies.csv in order; take one out to keep it back."
    )
    k_anonymity: int = knob(
        5,
        "Each combination of sex, age band and scanner in studies.csv is shared by so many people.",
        minimum=1,
    )
    age_band_years: int = knob(10, "How many years one age band in studies.csv holds.", minimum=1)
    splits: Mapping[str, float] = knob(
        {"train": 0.7, "validation": 0.1, "test": 0.2},
        "The splits by patient, balanced by category, and their shares; {} makes none.",
    )
    split_seed: str = knob("mosmed", "Any text: the same seed puts a patient into the same split.")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a workspace; the names are the tables of `mosmed.toml`."""

    select: SelectSettings = field(default_factory=SelectSettings)
    export: ExportSettings = field(default_factory=ExportSettings)
    anonymize: AnonymizeSettings = field(default_factory=AnonymizeSettings)
    convert: ConvertSettings = field(default_factory=ConvertSettings)
    thin: ThinSettings = field(default_factory=ThinSettings)
    registry: RegistrySettings = field(default_factory=RegistrySettings)


def export_settings(settings: Settings) -> ExportSettings:
    """What `export` is told; if it thins early, the rules by which."""
    if not settings.export.thin_early:
        return settings.export
    thin = ThinSettings(every=settings.thin.every, offset=settings.thin.offset, by=settings.thin.by)
    return EarlyExportSettings(
        **{one.name: getattr(settings.export, one.name) for one in fields(settings.export)},
        minimum_slices=settings.convert.minimum_slices,
        thin=thin,
    )
