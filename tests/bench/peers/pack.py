"""Nothing but gzip, by the codec that mosmed uses: FILE LEVEL OUT."""

import sys
from pathlib import Path

import imagecodecs


def main(source: str, level: str, out: str) -> None:
    packed = imagecodecs.deflate_encode(Path(source).read_bytes(), level=int(level), raw=True)
    Path(out).mkdir()
    (Path(out) / "volume.nii.gz").write_bytes(packed)


if __name__ == "__main__":
    main(*sys.argv[1:])
