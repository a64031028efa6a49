"""The cases that are about which slices there are and where they lie; `pixel_cases` has the rest.

Each function changes good slices as its name says. `expected` is what mosmed has to come to: how
many right volumes, and which codes or rules of exclusion, no more and no less.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, radians, sin, tan

import numpy as np

from pipelines.phantom.spec import Syntax
from tests.edge.series import SLICES, STEP_MM, Base, Slice, TrueSlice, to_bytes, uid

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
DOSE_REPORT = "1.2.840.10008.5.1.4.1.1.88.67"


@dataclass(eq=False)
class Made:
    """What a case consists of: slices, other files by name, and the volumes that are right."""

    slices: Sequence[Slice]
    truths: Sequence[Sequence[TrueSlice]]
    others: dict[str, bytes]

    def files(self, case: str, base: Base) -> dict[str, bytes]:
        """Every file by name; the names say nothing of the order."""
        template, made = base.template, {}
        for k, one in enumerate(self.slices):
            name = f"IM{(k * 7919 + 13) % 100003:06d}.dcm"
            made[name] = to_bytes(one.dataset(case, template))
        return made | self.others


@dataclass(frozen=True, eq=False)
class Case:
    """A named trap. Where `in_league` is false, nobody's output can be called right or wrong."""

    name: str
    make: Callable[[Base], Made]
    volumes: int
    codes: frozenset[str]
    in_league: bool = True


CASES: dict[str, Case] = {}


def case(*expected: str, volumes: int = 0, in_league: bool = True):
    """Register a case: `expected` codes of failure or rules of exclusion, and right volumes."""

    def register(make: Callable[[Base], Made]) -> Callable[[Base], Made]:
        name = make.__name__
        CASES[name] = Case(name, make, volumes, frozenset(expected), in_league)
        return make

    return register


def made(slices: Sequence[Slice], *truths: Sequence[Slice], **others: bytes) -> Made:
    return Made(slices, [[one.truth() for one in truth] for truth in truths], others)


def right(slices: Sequence[Slice]) -> Made:
    return made(slices, slices)


def moved(one: Slice, by_mm: float) -> None:
    x, y, z = one.position_mm
    one.position_mm = (x, y, round(z + by_mm, 6))


# --- instance numbers


@case(volumes=1)
def instance_ascending(base):
    return right(base.slices())


@case(volumes=1)
def instance_descending(base):
    slices = base.slices()
    for one in slices:
        one.number = SLICES + 1 - one.number
    return right(slices)


@case(volumes=1)
def instance_missing(base):
    slices = base.slices()
    for one in slices:
        one.number, one.says = None, {"InstanceNumber": None}
    return right(slices)


@case(volumes=1)
def instance_constant(base):
    slices = base.slices()
    for one in slices:
        one.number = 1
    return right(slices)


@case(volumes=1)
def instance_shuffled(base):
    slices = base.slices()
    for k, one in enumerate(slices):
        one.number = (k * 7) % SLICES + 1
    return right(slices)


@case(volumes=1)
def instance_from_zero(base):
    slices = base.slices()
    for k, one in enumerate(slices):
        one.number = k
    return right(slices)


# --- copies, gaps and steps


@case(volumes=1)
def duplicate_file(base):
    slices = base.slices()
    return made([*slices, slices[5], slices[17]], slices)


@case(volumes=1)
def same_position_new_uid(base):
    slices = base.slices()
    copies = base.slices()[5:8]
    for one in copies:
        one.uid = uid(f"copy {one.number}")
    return made([*slices, *copies], slices)


@case("SAME_POSITION")
def same_position_other_pixels(base):
    slices = base.slices()
    other = base.slices()[5]
    other.hu, other.uid = other.hu + 100, uid("other pixels")
    return made([*slices, other])


@case("CONFLICTING_DUPLICATE")
def one_uid_for_two_images(base):
    slices = base.slices()
    slices[6].uid = slices[7].uid = uid("twice")
    return made(slices)


@case("SLICE_GAP")
def gap_middle(base):
    slices = base.slices()
    return made(slices[:11] + slices[12:])


@case("SLICE_GAP")
def gap_ten(base):
    slices = base.slices(48)
    return made(slices[:15] + slices[25:])


@case("UNEVEN_STEP")
def two_spacings(base):
    slices = base.slices()
    for k, one in enumerate(slices[12:]):
        moved(one, 0.45 * (k + 1))
    return made(slices)


@case("UNEVEN_STEP")
def first_gap_off(base):
    slices = base.slices()
    moved(slices[0], -0.1)
    moved(slices[-1], 0.1)
    return made(slices)


@case(volumes=1)
def short_at_end(base):
    return right(base.slices()[:-3])


@case(volumes=1)
def position_rounding(base):
    slices = base.slices()
    for k, one in enumerate(slices):
        moved(one, 0.004 * (-1) ** k)
    return right(slices)


@case("SAME_POSITION")
def two_acquisitions(base):
    slices, again = base.slices(), base.slices()
    for one in again:
        one.hu, one.number = one.hu + 5, one.number + SLICES
        one.says = {"AcquisitionNumber": 2, "AcquisitionTime": "101600.000"}
    return made([*slices, *again], slices, again)


@case("SAME_POSITION")
def perfusion_of_three_times(base):
    times = [base.slices() for _ in range(3)]
    for time, slices in enumerate(times):
        for one in slices:
            one.hu, one.number = one.hu + time, one.number + SLICES * time
            one.says = {"AcquisitionTime": f"10153{time}.000"}
    return made([one for slices in times for one in slices], *times)


# --- orientation


def _tilted(base, tilt_deg):
    slices = base.slices()
    for one in slices:
        one.cosines = ((1.0, 0.0, 0.0), (0.0, cos(radians(tilt_deg)), -sin(radians(tilt_deg))))
    return right(slices)


@case("GANTRY_TILT")
def gantry_tilt_15(base):
    return _tilted(base, 15)


@case("GANTRY_TILT")
def gantry_tilt_2(base):
    return _tilted(base, 2)


@case("GANTRY_TILT")
def sheared_without_tilted_rows(base):
    slices = base.slices()
    for k, one in enumerate(slices):
        x, y, z = one.position_mm
        one.position_mm = (x, round(y + k * STEP_MM * tan(radians(3)), 6), z)
    return right(slices)


@case("SLICE_DRIFT")
def two_fields_of_view(base):
    slices = base.slices()
    for one in slices[12:]:
        x, y, z = one.position_mm
        one.position_mm = (x + 12.5, y, z)
    return made(slices)


@case("MIXED_ORIENTATION")
def mixed_orientation(base):
    slices = base.slices()
    for one in slices[20:]:
        one.cosines = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
    return made(slices)


@case(volumes=1)
def iop_noise(base):
    slices = base.slices()
    for k, one in enumerate(slices):
        noise = ["1", "-0.0", "1e-9", "0", "1.000000", "-0"], ["1", "0", "0", "1E-9", "1", "0"]
        one.says = {"ImageOrientationPatient": noise[k % 2]}
    return right(slices)


@case(volumes=1)
def prone(base):
    slices = base.slices()
    for one in slices:
        one.cosines = ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
        one.says = {"PatientPosition": "HFP"}
    return right(slices)


@case(volumes=1)
def feet_first(base):
    slices = base.slices()
    for one in slices:
        one.cosines = ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
        one.says = {"PatientPosition": "FFS"}
    return right(slices)


@case("NOT_AXIAL")
def coronal_mpr(base):
    slices = base.slices()
    for k, one in enumerate(slices):
        one.cosines = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
        one.position_mm = (-33.6, round(-20 + k * STEP_MM, 6), 80.0)
        one.says = {"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED"]}
    return right(slices)


@case(volumes=1)
def derived(base):
    slices = base.slices()
    for one in slices:
        one.says = {"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]}
    return right(slices)


# --- neighbours


def _localizer(like: Slice) -> Slice:
    return Slice(
        hu=np.fliplr(like.hu),
        position_mm=(-33.6, 0.0, 50.0),
        number=99,
        cosines=((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
        says={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    )


@case(volumes=1)
def localizer_same_series(base):
    slices = base.slices()
    return made([_localizer(slices[0]), *slices], slices)


@case("localizer", volumes=1)
def localizer_other_series(base):
    slices = base.slices()
    scout = _localizer(slices[0])
    scout.series, scout.says["SeriesNumber"] = "scout", 1
    return made([scout, *slices], slices)


@case("not_ct", volumes=1)
def dose_report_and_sc(base):
    slices = base.slices()
    others = {}
    for name, sop_class in (("dose", DOSE_REPORT), ("sc", SECONDARY_CAPTURE)):
        page = base.slices(1)[0]
        page.series = name
        page.says = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
        dataset = page.dataset("dose_report_and_sc", base.template)
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = sop_class
        dataset.Modality = "SR" if name == "dose" else "OT"
        if name == "dose":
            del dataset.PixelData
        others[f"{name}.dcm"] = to_bytes(dataset)
    return made(slices, slices, **others)


@case(volumes=2)
def two_kernels_two_series(base):
    soft, lung = base.slices(), base.slices()
    for one in lung:
        one.hu, one.series = one.hu[::-1], "lung"
        one.says = {"ConvolutionKernel": "B70f", "SeriesNumber": 3}
    return made([*soft, *lung], soft, lung)


@case("MIXED_KERNEL")
def two_kernels_one_series_uid(base):
    soft, lung = base.slices(), base.slices()
    for one in lung:
        one.hu, one.number = one.hu[::-1], one.number + SLICES
        one.says = {"ConvolutionKernel": "B70f"}
    return made([*soft, *lung], soft, lung)


@case("MIXED_MATRIX")
def matrix_varies(base):
    slices = base.slices()
    for one in slices[12:]:
        one.hu = one.hu[:, :80]
    return made(slices)


@case("MIXED_MATRIX")
def pixel_spacing_varies(base):
    slices = base.slices()
    for one in slices[12:]:
        one.spacing_mm = (0.95, 0.75)
    return made(slices)


@case("MISSING_ATTRIBUTE")
def position_missing(base):
    slices = base.slices()
    for one in slices:
        one.says = {"ImagePositionPatient": None, "SliceLocation": str(one.position_mm[2])}
    return made(slices)


@case(volumes=1)
def lying_spacing_tags(base):
    slices = base.slices()
    for one in slices:
        one.says = {
            "SpacingBetweenSlices": "5",
            "SliceThickness": "5",
            "SliceLocation": str(one.number * 5),
            "GantryDetectorTilt": "12",
        }
    return right(slices)


@case("TOO_FEW_SLICES", in_league=False)
def uids_remapped_per_file(base):
    slices = base.slices()
    for one in slices:
        one.series = f"of {one.number}"
    return made(slices, slices)


@case("MIXED_FRAME", in_league=False)
def patient_laid_anew(base):
    slices = base.slices()
    for one in slices[12:]:
        one.says = {"FrameOfReferenceUID": uid("laid anew")}
    return made(slices)


@case("MIXED_SERIES", in_league=False)
def two_patients_one_series_uid(base):
    slices = base.slices()
    for one in slices[1::2]:
        one.says = {"PatientID": "EDGE2", "StudyInstanceUID": uid("another study")}
    return made(slices)


@case(volumes=1)
def study_told_by_some_alone(base):
    slices = base.slices()
    for one in slices[::3]:
        one.says = {"StudyInstanceUID": None}
    return right(slices)


@case("MIXED_KERNEL", in_league=False)
def kernel_told_by_some_alone(base):
    slices = base.slices()
    for one in slices[::3]:
        one.says = {"ConvolutionKernel": None}
    return made(slices)


# --- how many


@case("TOO_FEW_SLICES", in_league=False)
def one_slice(base):
    return right(base.slices(1))


@case(volumes=1)
def nine_slices(base):
    return right(base.slices(9))


@case(volumes=1)
def twenty_slices(base):
    return right(base.slices(20))


@case(volumes=1)
def twenty_one_slices(base):
    return right(base.slices(21))


@case(volumes=1)
def not_square(base):
    return right(base.slices())


# --- transfer syntaxes


def _in_syntax(base, *syntaxes):
    slices = base.slices()
    for k, one in enumerate(slices):
        one.syntax = syntaxes[k % len(syntaxes)]
    return right(slices)


for _syntax in Syntax:

    def _make(base, syntax=_syntax):
        return _in_syntax(base, syntax)

    _make.__name__ = f"syntax_{_syntax.name.lower()}"
    case(volumes=1)(_make)


@case(volumes=1)
def mixed_syntaxes(base):
    return _in_syntax(base, *Syntax)
