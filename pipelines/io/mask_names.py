"""Which files may be masks, by their names alone."""

from pathlib import Path

NIFTI_SUFFIXES = (".nii.gz", ".nii")
DICOM_SUFFIXES = (".dcm", ".seg")


def suffix_of(path: Path) -> str | None:
    """The ending by which a file may be a mask; None where it is none."""
    endings = (*NIFTI_SUFFIXES, *DICOM_SUFFIXES)
    return next((end for end in endings if path.name.lower().endswith(end)), None)
