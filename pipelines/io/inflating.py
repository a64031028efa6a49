"""The one way in which a deflated data set is unpacked (PS3.5 A.5): in memory, under a limit."""

import zlib

from pipelines.core.errors import DicomError

INFLATED_LIMIT_BYTES = 1 << 28
"""What grows beyond this is refused: a deflated scan of five hundred slices fits."""


def inflated(packed: bytes) -> tuple[bytes, bool]:
    """A data set that was deflated, without header, and whether it is there to its end.

    Raises DicomError UNREADABLE_DICOM for what is corrupt, or grows without end.
    """
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = engine.decompress(packed, INFLATED_LIMIT_BYTES)
    except zlib.error as error:
        raise DicomError("UNREADABLE_DICOM", "the deflated data set is corrupt") from error
    if engine.unconsumed_tail:
        raise DicomError("UNREADABLE_DICOM", "the deflated data set inflates without end")
    return content, engine.eof
