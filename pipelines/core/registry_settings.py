"""The knobs of `build-registry`: what the dataset is called, and what is told of its studies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pipelines.core.knobs import knob

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
class RegistrySettings:
    """What the dataset is called and under which licence it is published."""

    TABLE: ClassVar[str] = "registry"
    EXPECTED: ClassVar[tuple[str, ...]] = ("holder", "contact", "release_date")
    """What no dataset should be given away without; DataCite demands the year of its release."""

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

    @property
    def untold(self) -> tuple[str, ...]:
        """Which of those that are expected are empty."""
        return tuple(name for name in self.EXPECTED if not getattr(self, name))
