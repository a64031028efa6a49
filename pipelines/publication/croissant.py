"""`croissant.json`: the dataset for machine-learning tools (MLCommons Croissant 1.0, JSON-LD).

Every record comes from `studies.csv`; volumes and masks are declared as sets of files, which the
format can name but its readers cannot yet open. The same text describes how the data came about
(Croissant RAI 1.0).
"""

import hashlib
from collections.abc import Mapping, Sequence

from pipelines.core.codec import readable_json
from pipelines.publication.columns import Column, Kind
from pipelines.publication.imprint import Imprint
from pipelines.publication.licences import Licence

CROISSANT_NAME = "croissant.json"
CONFORMS_TO = ("http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0")
DATA_TYPES = {Kind.INTEGER: "sc:Integer", Kind.NUMBER: "sc:Float", Kind.TEXT: "sc:Text"}
JSON_TERM, VOCABULARY_TERM = "@json", "@vocab"
TERMS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty",
    "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField",
    "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
    "separator", "source", "subField", "transform",
)  # fmt: skip
CONTEXT: dict[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": JSON_TERM},
    "examples": {"@id": "cr:examples", "@type": JSON_TERM},
    "dataType": {"@id": "cr:dataType", "@type": VOCABULARY_TERM},
    **{term: f"cr:{term}" for term in TERMS},
}
"""The context every Croissant 1.0 file begins with (specification, appendix 1)."""


def croissant_bytes(
    imprint: Imprint,
    licence: Licence,
    columns: Sequence[Column],
    texts: Mapping[str, bytes],
    *,
    responsible: Mapping[str, str],
) -> bytes:
    """The metadata as JSON-LD in UTF-8 with LF line ends.

    `texts` are the .csv files by name, the first of them the table the records come from;
    `responsible` are the RAI properties without their prefix.
    """
    table = next(iter(texts))
    content = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": imprint.full_title,
        "conformsTo": list(CONFORMS_TO),
        "license": licence.link,
        "version": imprint.version,
        "isLiveDataset": False,
        **_origin(imprint),
        **{f"rai:{name}": text for name, text in responsible.items()},
        "distribution": [
            *(_file(name, text) for name, text in texts.items()),
            _file_set("volumes", "studies/*/*.nii.gz", "The volumes, one a study"),
            _file_set("masks", "masks/*.nii.gz", "The binary pixel masks"),
        ],
        "recordSet": [_records(table, columns)],
    }
    return (readable_json(content) + "\n").encode("utf-8")


def _origin(imprint: Imprint) -> dict[str, object]:
    """Who, where and when; what is not known is left out."""
    day = imprint.release_date
    origin: dict[str, object] = {
        "url": imprint.address,
        "datePublished": day.isoformat() if day else "",
        "creator": [_agent(name) for name in imprint.creators],
        "publisher": [_agent(name) for name in (imprint.publisher,) if name],
        "citeAs": imprint.full_title,
    }
    return {name: value for name, value in origin.items() if value}


def _agent(name: str) -> dict[str, str]:
    """A person if the name is one of the form "Family, given", else an organization."""
    return {"@type": "sc:Person" if ", " in name else "sc:Organization", "name": name}


def _file(name: str, content: bytes) -> dict[str, str]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{len(content)} B",
        "encodingFormat": "text/csv",
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _file_set(name: str, includes: str, description: str) -> dict[str, str]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": description,
        "encodingFormat": "application/gzip",
        "includes": includes,
    }


def _records(table: str, columns: Sequence[Column]) -> dict[str, object]:
    keys = [column.name for column in columns if column.name == "study_id"]
    return {
        "@type": "cr:RecordSet",
        "@id": "studies",
        "name": "studies",
        "description": "One record a study",
        **({"key": {"@id": f"studies/{keys[0]}"}} if keys else {}),
        "field": [_field(table, column) for column in columns],
    }


def _field(table: str, column: Column) -> dict[str, object]:
    unit = f", in {column.unit}" if column.unit else ""
    return {
        "@type": "cr:Field",
        "@id": f"studies/{column.name}",
        "name": column.name,
        "description": column.meaning_en + unit,
        "dataType": DATA_TYPES[column.kind],
        "source": {"fileObject": {"@id": table}, "extract": {"column": column.name}},
    }
