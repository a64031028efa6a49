"""What a mask marks, against what it should: density, and share of the lungs. Pure numpy.

The experts of the paper marked ground glass and consolidation, of -700 to -130 HU in the mean, and
graded a study by the share of the lungs involved (table 1). A mask that says otherwise is told, or
refused where the settings say so; a category is never changed by it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipelines.core.convert_settings import ThinSettings
from pipelines.core.errors import ItemError
from pipelines.core.field_of_view import LUNG_SHARE, aerated
from pipelines.core.grids import Mask, Volume, spacing_of
from pipelines.core.model import Category, Decision

SHARES_PERCENT = {
    Category.CT_0: (0.0, 0.0),
    Category.CT_1: (0.0, 25.0),
    Category.CT_2: (25.0, 50.0),
    Category.CT_3: (50.0, 75.0),
    Category.CT_4: (75.0, 100.0),
}
"""The paper's table 1; its bounds overlap, and so both count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesions:
    """What is marked: `mean_hu` and `share_percent` are None where nothing is, or no lung is seen.

    The lungs are estimated: aerated voxels within the body, in slices that show lung, and all that
    is marked. Vessels and dense lung that nobody marked are not counted, so the share is high
    rather than low.
    """

    voxels: int
    volume_ml: float
    mean_hu: float | None
    share_percent: float | None


def measure(volume: Volume, mask: Mask) -> Lesions:
    """Volume, mean density and share of the lungs of what is marked on the grid of its image."""
    marked = mask.marked != 0
    voxels = int(np.count_nonzero(marked))
    lung = 0
    for k in range(volume.shape_ijk[2]):
        air, section = aerated(volume.voxels_hu[:, :, k])
        if section and np.count_nonzero(air) >= LUNG_SHARE * section:
            lung += int(np.count_nonzero(air & ~marked[:, :, k]))
    mean_hu = float(volume.voxels_hu[marked].mean(dtype=np.float64)) if voxels else None
    return Lesions(
        voxels=voxels,
        volume_ml=round(voxels * float(np.prod(spacing_of(volume.affine_ras))) / 1000, 3),
        mean_hu=None if mean_hu is None else round(mean_hu, 1),
        share_percent=round(100 * voxels / (lung + voxels), 2) if lung else None,
    )


def judge(
    lesions: Lesions, category: Category | None, settings: ThinSettings
) -> tuple[Decision, ...]:
    """What is odd about a mask, and what is known of it.

    Raises ItemError MASK_EMPTY, MASK_DENSITY or MASK_SHARE where the settings refuse it.
    """
    faults = dict(_faults(lesions, category, settings))
    for code, what in faults.items():
        if code in settings.refuse_masks:
            raise ItemError(code, what)
    share = "unknown" if lesions.share_percent is None else f"{lesions.share_percent:g} %"
    density = "no density" if lesions.mean_hu is None else f"{lesions.mean_hu:g} HU"
    return (
        Decision(
            rule="mask_checked",
            value=f"{lesions.volume_ml:g} ml, {density}, {share} of the lungs",
            outcome="; ".join(f"{code}: {what}" for code, what in faults.items()) or "as expected",
        ),
    )


def _faults(
    lesions: Lesions, category: Category | None, settings: ThinSettings
) -> Iterator[tuple[str, str]]:
    if not lesions.voxels:
        yield "MASK_EMPTY", "nothing is marked in any slice that is published"
    low_hu, high_hu = settings.mask_least_hu, settings.mask_most_hu
    if lesions.mean_hu is not None and not low_hu <= lesions.mean_hu <= high_hu:
        yield "MASK_DENSITY", f"the mean is {lesions.mean_hu:g} HU, not {low_hu:g} to {high_hu:g}"
    if category is not None and lesions.share_percent is not None:
        low, high = SHARES_PERCENT[category]
        if not low <= lesions.share_percent <= high:
            what = f"{lesions.share_percent:g} % of the lungs are marked"
            yield "MASK_SHARE", f"{what}, and {category} is {low:g} to {high:g} %"
