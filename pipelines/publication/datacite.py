"""`datacite.json`: what a registration agency asks about the dataset (DataCite schema 4.5).

What is mandatory and not known is left out or bears the schema's own `:unkn` (appendix 3), never
something invented; the datasheet lists what is missing.
"""

from pipelines.core.codec import readable_json
from pipelines.publication.facts import Facts
from pipelines.publication.imprint import Imprint
from pipelines.publication.licences import Licence

DATACITE_NAME = "datacite.json"
SCHEMA = "http://datacite.org/schema/kernel-4"
UNKNOWN = ":unkn"
PAPER_DOI = "10.17816/DD46826"
SUBJECTS = ("computed tomography", "chest", "lung", "COVID-19", "pneumonia", "severity")


def datacite_bytes(imprint: Imprint, facts: Facts, licence: Licence) -> bytes:
    """The metadata as JSON, in UTF-8 with LF line ends."""
    content: dict[str, object] = {
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Chest CT volumes (NIfTI)"},
        "creators": [_person(name, imprint) for name in imprint.creators] or [{"name": UNKNOWN}],
        "titles": [{"title": imprint.title, "lang": "en"}, *_code_title(imprint)],
        "publisher": {"name": imprint.publisher or UNKNOWN},
        "subjects": [{"subject": subject, "lang": "en"} for subject in SUBJECTS],
        "language": "en",
        "version": imprint.version,
        "formats": ["application/gzip", "text/csv", "text/markdown", "application/pdf"],
        "sizes": [f"{facts.studies} studies", f"{facts.masks} masks"],
        "rightsList": [_rights(licence)],
        "descriptions": [{"description": _abstract(facts), "descriptionType": "Abstract",
                          "lang": "en"}],
        "relatedIdentifiers": [
            {"relatedIdentifier": PAPER_DOI, "relatedIdentifierType": "DOI",
             "relationType": "References"},
        ],
        "schemaVersion": SCHEMA,
    }  # fmt: skip
    content |= _where(imprint) | _when(imprint) | _who_paid(imprint)
    return (readable_json(content) + "\n").encode("utf-8")


def _person(name: str, imprint: Imprint) -> dict[str, object]:
    """A creator: "Family, given" is a person, other names are organizations."""
    family, comma, given = name.partition(", ")
    if not comma:
        return {"name": name, "nameType": "Organizational"}
    affiliation = [{"name": imprint.holder}] if imprint.holder else []
    person = {"name": name, "nameType": "Personal", "givenName": given, "familyName": family}
    return {**person, "affiliation": affiliation}


def _code_title(imprint: Imprint) -> list[dict[str, str]]:
    return [{"title": imprint.code, "titleType": "AlternativeTitle"}] if imprint.code else []


def _rights(licence: Licence) -> dict[str, str]:
    return {
        "rights": licence.title_en,
        "rightsUri": licence.link,
        "rightsIdentifier": licence.spdx,
        "rightsIdentifierScheme": "SPDX",
        "schemeUri": "https://spdx.org/licenses/",
    }


def _abstract(facts: Facts) -> str:
    categories = ", ".join(f"{one.category} {one.studies}" for one in facts.categories)
    return (
        f"Anonymized computed tomography of the chest: {facts.studies} studies as NIfTI volumes, "
        f"each with a category of severity from CT-0 to CT-4 ({categories}), {facts.masks} of them "
        "with a binary pixel mask."
    )


def _where(imprint: Imprint) -> dict[str, object]:
    doi = {"doi": imprint.doi} if imprint.doi else {}
    return {**doi, **({"url": imprint.link} if imprint.link else {})}


def _when(imprint: Imprint) -> dict[str, object]:
    day = imprint.release_date
    if day is None:
        return {}
    issued = [{"date": day.isoformat(), "dateType": "Issued"}]
    return {"publicationYear": f"{day.year:04d}", "dates": issued}


def _who_paid(imprint: Imprint) -> dict[str, object]:
    return {"fundingReferences": [{"funderName": imprint.funding}]} if imprint.funding else {}
