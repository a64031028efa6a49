"""What the headers of a series say of where all its slices lie, though only some are here.

Numbers, and the UID by which a slice is known: nothing else has a place in it, so that it may cross
`anonymize` with its UIDs replaced. `convert` proves from it that the slices are one even volume.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.core.codec import from_jsonable, to_jsonable
from pipelines.core.errors import ItemError
from pipelines.core.geometry import SlicePlane
from pipelines.core.slices import SliceClaim

TABLE_NAME = "slices.json"
SIZE_LIMIT_BYTES = 1 << 26


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceRow:
    """One slice: its numbers as SlicePlane has them, and whether its file is here."""

    sop_instance_uid: str
    instance_number: int | None
    image_position_lps_mm: tuple[float, float, float]
    row_cosines: tuple[float, float, float]
    column_cosines: tuple[float, float, float]
    pixel_spacing_mm: tuple[float, float]
    rows: int
    columns: int
    slice_thickness_mm: float | None
    is_here: bool

    @property
    def plane(self) -> SlicePlane:
        """Where the slice lies."""
        number = self.instance_number
        return SlicePlane(
            label="a slice without number" if number is None else f"instance {number}",
            image_position_lps_mm=self.image_position_lps_mm,
            row_cosines=self.row_cosines,
            column_cosines=self.column_cosines,
            pixel_spacing_mm=self.pixel_spacing_mm,
            rows=self.rows,
            columns=self.columns,
        )

    def is_of(self, claim: SliceClaim) -> bool:
        """Whether a slice's own header says what the table says of it."""
        return self == row_of(claim, is_here=self.is_here)


def row_of(claim: SliceClaim, *, is_here: bool) -> SliceRow:
    """What the table says of a slice."""
    plane = claim.plane
    return SliceRow(
        sop_instance_uid=claim.sop_instance_uid,
        instance_number=claim.instance_number,
        image_position_lps_mm=plane.image_position_lps_mm,
        row_cosines=plane.row_cosines,
        column_cosines=plane.column_cosines,
        pixel_spacing_mm=plane.pixel_spacing_mm,
        rows=plane.rows,
        columns=plane.columns,
        slice_thickness_mm=claim.slice_thickness_mm,
        is_here=is_here,
    )


def table_bytes(rows: Sequence[SliceRow]) -> bytes:
    """The table as its file has it; equal rows give equal bytes."""
    text = json.dumps([to_jsonable(row) for row in rows], sort_keys=True, indent=0)
    return text.encode("ascii") + b"\n"


def read_table(path: Path) -> tuple[SliceRow, ...] | None:
    """The rows of a table; None where there is none, since all slices are here.

    Raises ItemError INCOMPLETE_STUDY for one that cannot be read.
    """
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(SIZE_LIMIT_BYTES))
        return tuple(from_jsonable(SliceRow, row) for row in content)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        message = "the table of all slices cannot be read"
        raise ItemError("INCOMPLETE_STUDY", message) from error
