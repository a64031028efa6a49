"""dicom2nifti's one call for a series: IN OUT."""

import sys
from pathlib import Path

import dicom2nifti


def main(source: str, out: str) -> None:
    Path(out).mkdir(parents=True, exist_ok=True)
    dicom2nifti.dicom_series_to_nifti(source, str(Path(out) / "volume.nii.gz"))


if __name__ == "__main__":
    main(*sys.argv[1:])
