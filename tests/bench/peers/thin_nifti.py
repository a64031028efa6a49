"""Every tenth slice of the NIfTI volumes in a folder, as nibabel's users thin them: IN OUT [START].

`slicer` and `save`: where a volume has a slope or an intercept, nibabel scales the values anew.
"""

import sys
from pathlib import Path

import nibabel


def main(source: str, out: str, start: str = "9") -> None:
    Path(out).mkdir(parents=True, exist_ok=True)
    for path in sorted(Path(source).glob("*.nii*")):
        image = nibabel.load(path)
        nibabel.save(image.slicer[:, :, int(start) :: 10], Path(out) / "thinned.nii.gz")


if __name__ == "__main__":
    main(*sys.argv[1:])
