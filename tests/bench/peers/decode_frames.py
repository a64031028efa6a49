"""Nothing but decoding: every frame in a folder, by the codec that mosmed uses: IN CODEC."""

import sys
from pathlib import Path

import imagecodecs


def main(folder: str, codec: str) -> None:
    decode = getattr(imagecodecs, codec)
    for path in sorted(Path(folder).iterdir()):
        decode(path.read_bytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
