"""Nothing but reading: the first 8 KiB of every file, or all of it: IN head|whole."""

import os
import sys


def main(folder: str, how: str) -> None:
    for entry in os.scandir(folder):
        with open(entry.path, "rb", buffering=0) as file:  # noqa: PTH123 - pathlib costs as much
            file.read(8192 if how == "head" else -1)


if __name__ == "__main__":
    main(*sys.argv[1:])
