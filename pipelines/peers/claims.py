"""What a slice in an archive claims, by file or answer, if nothing but its pixels may be wrong."""

from pathlib import Path

from pipelines.core.errors import DicomError
from pipelines.core.slices import SliceClaim
from pipelines.core.syntaxes import KNOWN_SYNTAXES, may_be_lossy
from pipelines.io.answers import Answer, claim_of
from pipelines.io.headers import read_header
from pipelines.io.pixels import refuse_by_header


def claim_in(path: Path) -> SliceClaim | None:
    """What the header of a file claims; None where it speaks against the slice."""
    try:
        header = read_header(path)
        refuse_by_header(header)
    except DicomError:
        return None
    return None if header.has_overlays or not _is_original(header) else header


def claim_answered(answer: Answer) -> SliceClaim | None:
    """What a PACS answers of a slice; None where that is not all, or speaks against it."""
    claim = claim_of(answer, "a slice")
    if claim is None or not _is_original(claim) or may_be_lossy(claim):
        return None
    syntax = claim.transfer_syntax_uid
    return claim if not syntax or set(syntax.split("\\")) <= KNOWN_SYNTAXES else None


def _is_original(claim: SliceClaim) -> bool:
    return claim.image_type[:1] == ("ORIGINAL",)
