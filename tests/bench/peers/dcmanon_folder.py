"""dcmanon as its documentation calls it, over a folder (it names no files itself): IN OUT."""

import sys
from pathlib import Path

from dcmanon import Anonymizer


def main(source: Path, out: Path) -> None:
    anonymizer = Anonymizer()
    out.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(sorted(source.iterdir())):
        (out / f"{number:05d}.dcm").write_bytes(anonymizer.anonymize(str(path)))


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
