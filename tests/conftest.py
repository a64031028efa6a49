"""What the tests share: where the real DICOM lies, and how hypothesis looks for examples.

In CI the examples are the same for the same code, so that what fails there fails again at home;
elsewhere they are new at every run. No test has a deadline: a busy machine is no bug.
"""

import gc
import os
import warnings
from collections.abc import Iterator
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


@pytest.fixture
def pacs(tmp_path: Path) -> Path:
    """An archive in a folder, of a study to export and a bit of another."""
    from tests.export_studies import make_pacs

    return make_pacs(tmp_path / "pacs")


TALKS = ("test_peers_", "test_export_", "test_ris_", "test_audit", "test_thin_early")
"""The tests that talk over sockets, also with peers that hang up in the middle of a handshake."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A socket that Python itself leaves open where a peer hangs up is nobody's fault here."""
    socket_left = "ignore:Exception ignored in. <(ssl.SSLS|socket.s)ocket"
    mark = pytest.mark.filterwarnings(f"{socket_left}:pytest.PytestUnraisableExceptionWarning")
    for item in items:
        if item.path.name.startswith(TALKS):
            item.add_marker(mark)


@pytest.fixture(autouse=True, scope="module")
def sockets_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let go of such sockets before the tests of another module, which would be blamed for them."""
    yield
    if request.path.name.startswith(TALKS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
