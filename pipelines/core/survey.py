"""From the claims of a series' slices to one even stack, before a single pixel is read."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipelines.core.convert_settings import ThinSettings
from pipelines.core.errors import DicomError, GeometryError, ItemError
from pipelines.core.geometry import Stack, stack_slices
from pipelines.core.model import Decision
from pipelines.core.slices import SliceClaim
from pipelines.core.thinning import Kept, choose_slices

SLICES_LIMIT = 32767
"""NIfTI-1 counts slices in 16 bits."""

C = TypeVar("C", bound=SliceClaim)
IsSame = Callable[[C, C], bool]
"""Whether two slices that lie at one place hold the same pixels."""


class NeedsPixelsError(Exception):
    """Claims alone cannot tell: two slices lie at one place, and may be copies or not."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Survey(Generic[C]):
    """The slices of a stack from the feet up, its grid, and what was left out on the way."""

    slices: tuple[C, ...]
    stack: Stack
    decisions: tuple[Decision, ...]

    @property
    def instance_numbers(self) -> tuple[int | None, ...]:
        """The InstanceNumber of each k."""
        return tuple(claim.instance_number for claim in self.slices)


def survey(claims: Sequence[C], *, minimum_slices: int, is_same: IsSame[C]) -> Survey[C] | None:
    """The one even stack of the one series of these slices; None if all of them are localizers.

    The order in which they come does not matter. Raises DicomError MIXED_SERIES, MISSING_PART or
    CONFLICTING_DUPLICATE, or GeometryError by the name of the fault.
    """
    ordered = sorted(claims, key=lambda claim: claim.rank)
    refuse_several_series(ordered)
    refuse_missing_parts(ordered)
    slices = [claim for claim in ordered if not claim.is_localizer]
    if ordered and not slices:
        return None
    refuse_several_frames(slices)
    distinct = drop_copies(slices, is_same)
    _refuse_several_kernels(distinct)
    if len(distinct) > SLICES_LIMIT:
        raise GeometryError("UNSUPPORTED_OBJECT", f"{len(distinct)} slices are too many for NIfTI")
    stack = stack_slices([claim.plane for claim in distinct], minimum_slices=minimum_slices)
    return Survey(
        slices=tuple(distinct[index] for index in stack.order),
        stack=stack,
        decisions=(
            *counted("localizers", len(ordered) - len(slices), "left out"),
            *counted("copies_of_slices", len(slices) - len(distinct), "used once"),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Foreseen(Generic[C]):
    """What thinning will keep of a series of which only the headers are known."""

    survey: Survey[C]
    kept: Kept

    @property
    def slices(self) -> tuple[C, ...]:
        """The slices that are kept, from the feet up: no other has to be fetched."""
        return tuple(self.survey.slices[k] for k in self.kept.ks)


def foresee(claims: Sequence[C], *, minimum_slices: int, thin: ThinSettings) -> Foreseen[C] | None:
    """What thinning will keep of a series, by the headers of all its slices.

    None where anything speaks against it: a fault, which the whole series has to show by its code,
    or a question that only pixels answer. Then the whole series is to be fetched.
    """
    try:
        found = survey(claims, minimum_slices=minimum_slices, is_same=_cannot_tell)
        if found is None or found.decisions:
            return None
        return Foreseen(survey=found, kept=choose_slices(found.instance_numbers, thin))
    except (ItemError, NeedsPixelsError):
        return None


def refuse_several_series(claims: Sequence[SliceClaim]) -> None:
    """Raise DicomError MIXED_SERIES unless all slices are of one series."""
    series = {claim.series_instance_uid for claim in claims}
    if len(series) > 1:
        message = f"{len(claims)} slices of {len(series)} series lie together"
        raise DicomError("MIXED_SERIES", message)
    studies = {claim.study_instance_uid for claim in claims} - {None}
    if len(studies) > 1:
        message = f"{len(claims)} slices of {len(studies)} studies bear one SeriesInstanceUID"
        raise DicomError("MIXED_SERIES", message)


def refuse_missing_parts(claims: Sequence[SliceClaim]) -> None:
    """Raise DicomError MISSING_PART unless every image that was split is here from end to end.

    Without its first or last part it would be one even stack, and too short.
    """
    here: dict[str, set[int]] = defaultdict(set)
    totals: dict[str, int] = {}
    for part in {claim.part for claim in claims if claim.part}:
        here[part.image].add(part.number)
        totals[part.image] = max(totals.get(part.image, 0), part.number, part.total or 0)
    for image, numbers in sorted(here.items()):
        if len(numbers) < totals[image]:
            message = f"{len(numbers)} of {totals[image]} parts of a multi-frame image are here"
            raise DicomError("MISSING_PART", message)


def refuse_several_frames(claims: Sequence[SliceClaim]) -> None:
    """Raise GeometryError MIXED_FRAME unless all slices that name a frame of reference name one.

    Positions in different frames are not comparable (PS3.3 C.7.4.1.1.1), however well they fit.
    """
    frames = {claim.frame_of_reference_uid for claim in claims} - {None}
    if len(frames) > 1:
        message = f"{len(claims)} slices have {len(frames)} FrameOfReferenceUIDs"
        raise GeometryError("MIXED_FRAME", message)


def drop_copies(claims: Sequence[C], is_same: IsSame[C]) -> list[C]:
    """The slices without those that are there already, pixel for pixel.

    Raises DicomError CONFLICTING_DUPLICATE for one SOPInstanceUID on two images, and GeometryError
    SAME_POSITION for two images at exactly one place.
    """
    by_place: dict[object, C] = {}
    by_image: dict[object, C] = {}
    for claim in claims:
        namesake = by_image.setdefault(claim.image, claim)
        neighbour = by_place.setdefault(claim.place, claim)
        if namesake is not claim and not (
            namesake.place == claim.place and is_same(namesake, claim)
        ):
            message = (
                f"{claim.name} and {namesake.name} are different images with one SOPInstanceUID"
            )
            raise DicomError("CONFLICTING_DUPLICATE", message)
        if neighbour is not claim and not is_same(neighbour, claim):
            places = len({each.place for each in claims})
            message = (
                f"{claim.name} and {neighbour.name} lie at the same place: "
                f"{len(claims)} slices at {places}"
            )
            raise GeometryError("SAME_POSITION", message)
    return list(by_place.values())


def counted(rule: str, count: int, outcome: str) -> tuple[Decision, ...]:
    """A decision on `count` slices, if there are any."""
    return (Decision(rule=rule, value=str(count), outcome=outcome),) if count else ()


def _cannot_tell(one: SliceClaim, other: SliceClaim) -> bool:
    raise NeedsPixelsError(one.name, other.name)


def _refuse_several_kernels(claims: Sequence[SliceClaim]) -> None:
    kernels = {claim.convolution_kernel for claim in claims}
    if len(kernels) > 1:
        silent = sum(claim.convolution_kernel is None for claim in claims)
        message = f"{len(kernels - {None})} ConvolutionKernels in one series"
        raise GeometryError(
            "MIXED_KERNEL", message + (f", {silent} slices have none" * bool(silent))
        )
