"""What the tests share: where the real DICOM lies, and how hypothesis looks for examples.

In CI the examples are the same for the same code, so that what fails there fails again at home;
elsewhere they are new at every run. No test has a deadline: a busy machine is no bug.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

import pipelines  # noqa: F401  before a test imports openpyxl, which is told here how to write

settings.register_profile("home", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "home")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real DICOM that nobody here wrote; its tests are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no real DICOM at {SHARED_DATA}")
    return SHARED_DATA
