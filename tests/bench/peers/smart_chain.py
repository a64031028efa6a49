"""What a careful user writes: headers by pydicom, pick, dcm2niix on the picked: IN OUT LEVEL."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pydicom


def main(source: str, out: str, level: str) -> None:
    Path(out).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as picked:
        for path in sorted(Path(source).iterdir()):
            header = pydicom.dcmread(
                path, stop_before_pixels=True, specific_tags=["InstanceNumber"]
            )
            if header.InstanceNumber % 10 == 0:
                (Path(picked) / path.name).symlink_to(path.absolute())
        program = Path(sys.executable).with_name("dcm2niix")
        command = [program, "-b", "n", "-z", "i", f"-{level}", "-f", "thinned", "-o", out, picked]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
