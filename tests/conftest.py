"""What the tests share: where the real DICOM lies."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real DICOM that nobody here wrote; its tests are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real DICOM at {SHARED_DATA}")
    return SHARED_DATA
