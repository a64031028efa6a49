"""What tells of a person in any document, whoever that may be: patterns over bytes.

Nothing is known here of the patients; `proof` looks for their own values. A pattern stands for
something that no published file has by right, so that a hit means something: names in DICOM's
notation, UIDs of hospitals, attributes with values, paths of a machine, authors of documents.
"""

import re
from collections.abc import Iterator

PERSON_KEYWORDS = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientAddress", "OtherPatientIDs"),
    *("AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
    *("StudyDate", "StudyTime", "SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime"),
    *("AcquisitionDateTime", "ContentDate", "ContentTime", "InstitutionName", "OperatorsName"),
    *("ReferringPhysicianName", "PerformingPhysicianName", "StationName", "DeviceSerialNumber"),
)
"""Attributes that a BIDS sidecar or a table of headers has, and no published file may."""

_LETTERS = rb"(?:[A-Za-z]|[\xc3-\xc5\xd0-\xd2][\x80-\xbf])"
_NAME = re.compile(_LETTERS + rb"{2,32}\^" + _LETTERS + rb"{2,32}")
_UID = re.compile(rb"(?<![\d.])[0-2](?:\.(?:0|[1-9]\d{0,38})){5,}(?![\d.]*\d)")
_OWN_UID = re.compile(rb"2\.25\.\d+|1\.2\.840\.10008\.[\d.]+")
_SHORTEST_UID = 18
_CHANCELESS_NAME = 10
"""So many bytes of a name are not in a font or in packed bytes by chance; text needs fewer."""

_PATH = re.compile(
    rb"/(?:home|Users)/[\w.-]+/|[A-Za-z]:\\\\?(?:Users|Documents and Settings)\\|file:///\w"
    rb"|(?<![\\\w])\\\\[\w.-]+\\[\w$.-]+\\",
    re.IGNORECASE,
)
_KEYWORDS = "|".join(PERSON_KEYWORDS).encode()
_FIELD = re.compile(rb"\"(?:" + _KEYWORDS + rb")\"\s*:\s*[\[{]?\s*(?:\"[^\"\s]|[1-9])")
_RUSSIAN_LABELS = ("пациент", "фамилия", "дата рождения", "номер карты", "полис")
_LABELS = b"|".join(
    form.encode() for label in _RUSSIAN_LABELS for form in (label, label.capitalize())
)  # IGNORECASE knows ASCII only in bytes
_LABEL = re.compile(
    rb"(?:patient'?s?[ _]?(?:name|id|number)|accession[ _]?(?:number|no\.?)?|mrn"
    rb"|date of birth|birth[ _]?date|" + _LABELS + rb")\W{0,3}\s*[:=#]\s*[\"']?"
    rb"(?:[\w/-]{0,12}\d{4}|\d{1,4}[-./]\d{1,2}[-./]\d{1,4})",
    re.IGNORECASE,
)
_COLUMN = re.compile(
    rb"\s*(?:" + _KEYWORDS + rb"|patient[ _]?(?:name|id)|accession[ _]?number|birth[ _]?date)\s*",
    re.IGNORECASE,
)
_AUTHOR = re.compile(
    rb"<(?:dc:creator|cp:lastModifiedBy|Manager|Company)>(?!openpyxl<)[^<\s]"
    rb"|/Author\s*(?:\((?!\))|<(?!>)(?![fF][eE][fF][fF]>))"
    rb"|<meta[^>]{0,40}name=[\"']author[\"'][^>]{0,40}content=[\"'][^\"']",
    re.IGNORECASE,
)
_MADE = re.compile(
    rb"<dcterms:(?:created|modified)[^>]*>\s*\d"
    rb"|/(?:CreationDate|ModDate)\s*[(<](?!D:19[78]0|D:2000)",
)
_CONNECTION = re.compile(rb"<connections[\s>]|<externalLink[\s>]|<webPr[\s>]|<textPr[\s>]")

_PATTERNS = (
    ("LOCAL_PATH", _PATH),
    ("IDENTITY_LABEL", _FIELD),
    ("IDENTITY_LABEL", _LABEL),
    ("AUTHOR", _AUTHOR),
    ("MAKING_TIME", _MADE),
    ("DATA_CONNECTION", _CONNECTION),
)

_CLOCK = re.compile(rb"(?<!\d)(?:[01]?\d|2[0-3])[:.]?[0-5]\d[:.]?[0-5]\d(?:\.\d+)?(?!\d)")
_DAY = re.compile(rb"(?:19|20)\d\d[-./]?[01]\d[-./]?[0-3]\d|[0-3]\d[-./][01]\d[-./](?:19|20)\d\d")

DELIMITERS = (b",", b";", b"\t")


def leaks_in(content: bytes) -> Iterator[str]:
    """The codes of what a text or a part of a document tells, each once."""
    found = {code: None for code, pattern in _PATTERNS if pattern.search(content)}
    if has_foreign_uid(content):
        found["FOREIGN_UID"] = None
    if _has_name(content):
        found["NAME_OF_PERSON"] = None
    yield from found


def _has_name(content: bytes) -> bool:
    shortest = 0 if _is_text(content) else _CHANCELESS_NAME
    return any(len(match[0]) >= shortest for match in _NAME.finditer(content))


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in content


def has_foreign_uid(content: bytes) -> bool:
    """Whether there is a UID of somebody's own: not the standard's, not one made of a number."""
    return any(
        len(match[0]) >= _SHORTEST_UID and not _OWN_UID.fullmatch(match[0])
        for match in _UID.finditer(content)
    )


def tells_time(text: bytes) -> bool:
    """Whether a header's text may be a day or a time: `Time=92921.000` is one."""
    return bool(_CLOCK.search(text) or _DAY.search(text))


def has_identity_column(header: bytes) -> bool:
    """Whether the first line of a table has a column of identity."""
    line = header.removeprefix(b"\xef\xbb\xbf")
    delimiter = max(DELIMITERS, key=line.count)
    cells = (cell.strip().strip(b'"') for cell in line.split(delimiter))
    return any(_COLUMN.fullmatch(cell) for cell in cells)
