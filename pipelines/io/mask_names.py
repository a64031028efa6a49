"""Which files may be masks, by their names alone."""

from pathlib import Path

NIFTI_SUFFIXES = (".nii.gz", ".nii")
DICOM_SUFFIXES = (".dcm", ".seg")
OTHER_SUFFIXES = (".seg.nrrd", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".img", ".mgz", ".mgh")
"""What other programs save masks as by themselves, 3D Slicer first of all: it is not read."""


def suffix_of(path: Path) -> str | None:
    """The ending by which a file may be a mask; None where it is none."""
    return _ending(path, (*NIFTI_SUFFIXES, *DICOM_SUFFIXES))


def other_suffix_of(path: Path) -> str | None:
    """The ending of a mask of a kind that is not read; None where it is none."""
    return _ending(path, OTHER_SUFFIXES)


def _ending(path: Path, endings: tuple[str, ...]) -> str | None:
    return next((end for end in endings if path.name.lower().endswith(end)), None)
