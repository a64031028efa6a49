"""Which software made a result."""

from functools import cache
from importlib.metadata import version

LIBRARIES = ("mosmed", "pydicom", "SimpleITK", "nibabel", "numpy", "imagecodecs", "isal", "deid")


@cache
def library_versions() -> dict[str, str]:
    """The versions of mosmed and of the libraries that touch voxels or headers."""
    return {name: version(name) for name in LIBRARIES}
