"""What the records and the settings answer of a datasheet; what they do not know is left out."""

from collections import Counter
from collections.abc import Iterable

from pipelines.core.published import Provenance
from pipelines.core.registry_settings import RegistrySettings
from pipelines.publication.imprint import Imprint
from pipelines.publication.licences import licence_of
from pipelines.publication.markdown import escaped
from pipelines.publication.readme import Described
from pipelines.publication.study_section import anonymity_sentence, splits_sentence
from pipelines.publication.wording import ENGLISH


def answers_of(
    described: Described, imprint: Imprint, settings: RegistrySettings
) -> dict[str, str]:
    """The answers by the keys of their questions, as Markdown; empty where nothing is known."""
    return {
        **_standing(),
        **_of_the_imprint(imprint, settings),
        **_of_the_records(described, settings),
        **(_of_the_ledgers(described.provenance) if described.provenance else {}),
    }


RESPONSIBLE = {
    "dataCollection": ("acquisition", "mechanisms", "sampling"),
    "dataPreprocessingProtocol": ("preprocessing",),
    "dataAnnotationProtocol": ("labels",),
    "dataUseCases": ("purpose", "tasks"),
    "dataLimitations": ("limits", "errors", "misuses"),
    "dataBiases": ("subpopulations",),
    "personalSensitiveInformation": ("sensitive", "confidential", "identifiable"),
    "dataReleaseMaintenancePlan": ("erratum", "updates"),
}
"""Properties of Croissant RAI 1.0, and the questions of the datasheet whose answers they hold."""


def responsible_of(
    described: Described, imprint: Imprint, settings: RegistrySettings
) -> dict[str, str]:
    """What Croissant RAI asks, answered as in the datasheet."""
    answers = answers_of(described, imprint, settings) | dict(settings.answers)
    told = {
        name: " ".join(answers[key] for key in keys if answers.get(key))
        for name, keys in RESPONSIBLE.items()
    }
    return {name: text for name, text in told.items() if text}


def _standing() -> dict[str, str]:
    """What holds for every dataset that is made this way."""
    return {
        "purpose": "Research, and training, calibrating and independently testing algorithms that "
        "find and grade lung changes on chest CT. It is not meant for diagnosis.",
        "instances": "An instance is one chest CT study: one reconstruction of one examination.",
        "sample": "A sample. The studies were drawn by a keyed hash of their numbers from those in "
        "the radiology information system (RIS) that met the criteria of inclusion.",
        "labels": "Yes: the category of severity, CT-0 to CT-4, the final reading of the "
        "radiologists in the RIS. Some studies have a binary mask of the lesions as well. No "
        "laboratory test confirms or rules out a disease.",
        "self_contained": "It is self-contained.",
        "confidential": "The examinations were under medical confidentiality. What is published is "
        "free of identity under the Basic Application Confidentiality Profile of DICOM PS3.15 "
        "Annex E, and searched for the patients' own values before it is published.",
        "offensive": "No. The images show the inside of the body.",
        "identifiable": "Not from what is published. Whoever holds the original images can match "
        "their pixels with those published (PS3.15 E.3.9).",
        "sensitive": "Yes: data on the health of people who are not named.",
        "acquisition": "By computed tomography in routine care; the categories by radiologists who "
        "read the examinations.",
        "mechanisms": "Export from the picture archive, by the software mosmed: select, export, "
        "anonymize, convert, thin, build-registry, in that order.",
        "sampling": "Each eligible study has a place given by a keyed hash of its number; the "
        "first so many were taken, of each category or of all. A study that could not be used was "
        "replaced by the next one.",
        "source": "From the hospital's information system and archive, not from the individuals.",
        "revocation": "The owner of the dataset can remove a study from it for good and publish "
        "anew; copies already given away have to be called back by the owner.",
        "preprocessing": "Yes: anonymization, conversion from DICOM to NIfTI without resampling, "
        "and thinning of the slices. The README tells each step.",
        "raw": "The originals stay in the hospital's archive and are not published.",
        "software": "mosmed, under the Apache License 2.0.",
        "tasks": "Reconstruction, registration and segmentation of thick-step CT; the effect of "
        "scanner, kernel and dose on algorithms.",
        "misuses": "Diagnosis and treatment of patients, and any attempt to find out who the "
        "patients are.",
        "errors": "Bounds of the categories meet at 25, 50 and 75 % of the lung, where readers may "
        "differ. Lesions between the slices that were kept are not in the volumes.",
        "limits": "The step between slices is larger than in clinical use, which hides small "
        "lesions; categories are unevenly frequent, and those of some hospitals only.",
    }


def _of_the_imprint(imprint: Imprint, settings: RegistrySettings) -> dict[str, str]:
    licence, day = licence_of(settings.licence), imprint.release_date
    address = f"<{imprint.address}>" if imprint.address else ""
    doi = f"Its DOI is {escaped(imprint.doi)}." if imprint.doi else ""
    return {
        "creators": escaped("; ".join(imprint.creators)),
        "funding": escaped(imprint.funding),
        "distribution": f"From {address}. {doi}".strip() if address else "",
        "when": f"Released on {day.isoformat()}." if day else "",
        "licence": f"[{licence.title_en}]({licence.link}); the text is in `LICENSE`.",
        "maintainer": escaped(imprint.publisher),
        "contact": escaped(imprint.contact),
        "erratum": "`CHANGELOG.md` says what each version changed.",
    }


def _of_the_records(described: Described, settings: RegistrySettings) -> dict[str, str]:
    facts, listed = described.facts, described.listed
    patients = "" if facts.patients is None else f" of {facts.patients} patients"
    categories = ", ".join(f"{one.category}: {one.studies}" for one in facts.categories)
    readings = sum(bool(one.study.readings) for one in listed)
    doses = sum(one.study.dose_length_product_mgy_cm is not None for one in listed)
    unknown = {
        "age": facts.unknown_ages,
        "dose": len(listed) - doses,
        "readings of single readers": len(listed) - readings,
        "masks": facts.studies - facts.masks,
    }
    return {
        "counts": f"{facts.studies} studies{patients} ({categories}); {facts.masks} masks.",
        "data": "A volume in Hounsfield units as NIfTI, a mask where there is one, and a row of "
        "`studies.csv`.",
        "missing": f"Not known or not there, in studies: {_counts(unknown.items())}. "
        + anonymity_sentence(described.told, settings, ENGLISH),
        "relations": "The column `patient` says which studies are of one patient."
        if "patient" in settings.columns
        else "",
        "splits": splits_sentence(listed, settings, ENGLISH),
        "subpopulations": _subpopulations(described),
    }


def _of_the_ledgers(provenance: Provenance) -> dict[str, str]:
    flow, removed = provenance.flow, provenance.deidentification
    profile = "; ".join(f"{meaning} ({code})" for code, meaning in removed.profile)
    versions = ", ".join(f"{name} {version}" for name, version in provenance.versions)
    return {
        "sample": f"A sample. Of {flow.rows} rows of the radiology information system (RIS) "
        f"{flow.eligible} met the criteria of inclusion; {flow.opened} of these were opened, in an "
        f"order drawn by a keyed hash of their numbers, and {flow.came_through} came through. "
        "`report.html` shows where the others fell out.",
        "confidential": "The examinations were under medical confidentiality. Their identity was "
        f"taken away under DICOM PS3.15 Annex E: {profile}. {removed.values_sought} values of the "
        "patients were searched for in every byte of the dataset, which is published only where "
        "none is found.",
        "software": f"mosmed, under the Apache License 2.0. Made with {versions}.",
    }


def _subpopulations(described: Described) -> str:
    """Counts of what the table tells, so that no more is told here than there."""
    by_sex = Counter(one.told.sex for one in described.listed)
    by_age = Counter(one.told.age_band or "unknown" for one in described.listed)
    if not described.listed:
        return ""
    return f"By sex: {_counts(by_sex.items())}. By age band: {_counts(by_age.items())}.".replace(
        "*", "hidden"
    )


def _counts(counted: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counted))
