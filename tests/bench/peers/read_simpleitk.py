"""SimpleITK's series reader: IN OUT [thin]."""

import sys
from pathlib import Path

import SimpleITK


def main(source: str, out: str, mode: str = "full") -> None:
    Path(out).mkdir(parents=True, exist_ok=True)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(source))
    image = reader.Execute()
    if mode == "thin":
        image = image[:, :, 9::10]
    SimpleITK.WriteImage(image, str(Path(out) / "volume.nii.gz"), useCompression=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
