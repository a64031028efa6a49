"""Reading DICOM that nobody vouches for: any fault becomes a DicomError, never a traceback."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pipelines.core.errors import DicomError

if TYPE_CHECKING:  # most files are rewritten without pydicom, which takes long to load
    from pydicom import FileDataset

PREAMBLE_BYTES = 128
MAGIC = b"DICM"


def has_magic(head: bytes) -> bool:
    """Whether the first 132 bytes are a DICOM preamble and magic word (PS3.10 7.1)."""
    return head[PREAMBLE_BYTES : PREAMBLE_BYTES + len(MAGIC)] == MAGIC


@contextmanager
def faults_of(name: str) -> Iterator[None]:
    """Turn whatever pydicom raises on hostile bytes into a DicomError that names the file.

    pydicom has no common base for its errors: a lying length ends in struct.error, a lying
    character set in LookupError, deep nesting in RecursionError, a sequence that is cut off in an
    OSError without a number. It logs what it warns of, the patient's values included: here it is
    silent. What the disk refuses stays an OSError.
    """
    import logging

    from pydicom.errors import InvalidDicomError

    logger = logging.getLogger("pydicom")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DicomError:
        raise
    except InvalidDicomError as error:
        raise DicomError("UNREADABLE_DICOM", f"{name}: not a DICOM file") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        what = f"{type(error).__name__} while reading"
        raise DicomError("UNREADABLE_DICOM", f"{name}: {what}") from error
    finally:
        logger.disabled = was_disabled


def read_dataset(
    source: Path | BinaryIO, *, pixels: bool = True, tags: list[int] | None = None, name: str = ""
) -> "FileDataset":
    """The data set of a DICOM file, all of it or only `tags`.

    Raises DicomError UNREADABLE_DICOM for anything that is not DICOM or not whole.
    """
    import pydicom

    with faults_of(name or Path(str(source)).name):
        return pydicom.dcmread(
            source, stop_before_pixels=not pixels, specific_tags=tags, force=False
        )
