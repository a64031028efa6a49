"""The records of a study as a volume, which `convert` and `thin` leave."""

from dataclasses import dataclass

from pipelines.core.model import PublicStudy


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """How a series was scanned and reconstructed, as its header without identity says.

    None is unknown, or text that is no name of a scanner or kernel. `source_step_mm` is the step
    between the slices before thinning, measured from their positions.
    """

    manufacturer: str | None = None
    manufacturer_model_name: str | None = None
    convolution_kernel: str | None = None
    kvp: float | None = None
    reconstruction_diameter_mm: float | None = None
    slice_thickness_mm: float | None = None
    source_step_mm: float | None = None


NOT_KNOWN = Acquisition()
"""What is known of a series that came without its headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted(PublicStudy):
    """One volume in HU: `volume` is NIfTI, `sidecar` its .json; the mask is on one of its grids."""

    volume: str
    sidecar: str
    mask: str | None
    shape_ijk: tuple[int, int, int]
    spacing_ijk_mm: tuple[float, float, float]
    acquisition: Acquisition = NOT_KNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinned(PublicStudy):
    """The volume that will be published, and its mask, on the thinned grid.

    `marked_voxels` is how many voxels of that mask are marked; None without a mask.
    `mask_mean_hu` is their mean density and `lesion_share_percent` their share of the lungs as
    they are estimated.
    Of each slice that is kept, `instance_numbers` has the number by which it was counted,
    `positions_mm` the place along the normal, and `slices_sha256` the digest of its voxels as they
    lie in the file, 16 bits each. `preview` is the picture of it (.svg); `lung_mean_hu` the mean of
    its aerated lung, None where it shows none.
    """

    volume: str
    mask: str | None
    shape_ijk: tuple[int, int, int]
    spacing_ijk_mm: tuple[float, float, float]
    instance_numbers: tuple[int, ...]
    slices_before: int
    positions_mm: tuple[float, ...] = ()
    slices_sha256: tuple[str, ...] = ()
    marked_voxels: int | None = None
    mask_mean_hu: float | None = None
    lesion_share_percent: float | None = None
    acquisition: Acquisition = NOT_KNOWN
    preview: str | None = None
    lung_mean_hu: float | None = None
