"""One reader over many folders, a case each; what it refuses is left out: TOOL CASES OUT."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def _reader(tool: str) -> Callable[[str, str], None]:
    if tool == "SimpleITK":
        from read_simpleitk import main
    elif tool == "dicom2nifti":
        from read_dicom2nifti import main
    else:
        return _by_dcm2niix
    return main


def _by_dcm2niix(source: str, out: str) -> None:
    Path(out).mkdir(parents=True)
    program = Path(sys.executable).with_name("dcm2niix")
    command = [program, "-b", "n", "-z", "n", "-f", "%j_%s", "-o", out, source]
    subprocess.run(command, check=True, capture_output=True)


def main(tool: str, cases: str, out: str) -> None:
    read = _reader(tool)
    for folder in sorted(Path(cases).iterdir()):
        with suppress(Exception):
            read(str(folder), str(Path(out) / folder.name))


if __name__ == "__main__":
    main(*sys.argv[1:])
