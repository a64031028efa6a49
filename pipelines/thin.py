"""Stage 5: of the slices of a volume one in ten is kept (paper, figure 1 step 5).

As published, the slices are kept whose InstanceNumber (0020,0013) is a multiple of ten. A kept
voxel stays where it was in the patient, and its Hounsfield units are not touched: the affine's
step along k grows, and its origin moves to the first kept slice.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipelines.core.errors import ItemError, PrivacyError
from pipelines.core.field_of_view import field_of_view
from pipelines.core.grids import (
    Mask,
    Volume,
    affine_of_slices,
    las_storage,
    slices_on_grid,
    spacing_of,
)
from pipelines.core.lesions import Lesions, judge, measure
from pipelines.core.model import (
    Converted,
    Decision,
    Excluded,
    FolderItem,
    Sex,
    ThinBy,
    Thinned,
    passed_on,
)
from pipelines.core.pictures import preview_of
from pipelines.core.settings import ThinSettings
from pipelines.core.thinning import Kept, choose_slices
from pipelines.io.burned_in import has_text
from pipelines.io.nifti import check_readers, read_mask, read_volume, write_mask, write_volume
from pipelines.io.packing import PUBLISHED_LEVEL
from pipelines.io.previews import write_preview
from pipelines.io.sidecar import read_instance_numbers, write_sidecar
from pipelines.io.volume_files import VolumeFiles, files_of, find_volumes

VERSION: int = 3

MAY_SHOW_A_FACE = "may show a face: look at it before it is published"

VOLUME_NAME, MASK_NAME, PREVIEW_NAME = "volume.nii.gz", "mask.nii.gz", "preview.svg"


def work(
    converted: Converted, settings: ThinSettings, source: Path, folder: Path
) -> Thinned | Excluded:
    """Write the thinned volume of one study and its mask into `folder`."""
    volume = read_volume(source / converted.volume)
    slices = volume.shape_ijk[2]
    numbers = read_instance_numbers(source / converted.sidecar, slices)
    kept = choose_slices(numbers, settings)
    thinned = thin(volume, kept.ks, every=settings.every)
    decisions: tuple[Decision, ...] = (kept.decision, look_at(thinned))
    _publish_volume(folder / VOLUME_NAME, thinned)
    mask: Mask | None = None
    lesions: Lesions | None = None
    if converted.mask is not None:
        drawn = read_mask(source / converted.mask)
        mask, told = _publish_mask(folder / MASK_NAME, drawn, volume, kept, thinned)
        lesions = measure(thinned, mask)
        decisions += (told, *judge(lesions, converted.category, settings))
    preview = preview_of(thinned, mask)
    write_preview(folder / PREVIEW_NAME, preview)
    return Thinned(
        **passed_on(converted),
        decisions=decisions,
        volume=VOLUME_NAME,
        mask=MASK_NAME if converted.mask is not None else None,
        shape_ijk=thinned.shape_ijk,
        spacing_ijk_mm=spacing_of(thinned.affine_ras),
        instance_numbers=kept.numbers,
        slices_before=slices,
        marked_voxels=lesions.voxels if lesions else None,
        mask_mean_hu=lesions.mean_hu if lesions else None,
        lesion_share_percent=lesions.share_percent if lesions else None,
        acquisition=converted.acquisition,
        preview=PREVIEW_NAME,
        lung_mean_hu=preview.lung_mean_hu,
    )


def find(in_folder: Path) -> tuple[FolderItem, ...]:
    """One item for each volume below a folder, and the other files, so that none is lost."""
    return find_volumes(in_folder)


def work_plain(item: FolderItem, settings: ThinSettings, folder: Path) -> Thinned | Excluded:
    """Write `folder/<name>.nii.gz`, its `.json`, and its `_mask.nii.gz` if there is a mask."""
    files = files_of(item)
    if isinstance(files, Excluded):
        return files
    volume, was_las = _read_as_las(files.volume)
    slices = volume.shape_ijk[2]
    numbers = _plain_numbers(files, slices, settings, was_las=was_las)
    kept = choose_slices(numbers, settings)
    thinned = thin(volume, kept.ks, every=settings.every)
    names = f"{item.name}.nii.gz", f"{item.name}_mask.nii.gz", f"{item.name}.json"
    (folder / names[0]).parent.mkdir(parents=True, exist_ok=True)
    decisions: tuple[Decision, ...] = (kept.decision, look_at(thinned))
    _publish_volume(folder / names[0], thinned)
    marked_voxels = None
    if files.mask is not None:
        mask = read_mask(files.mask)
        result, decision = _publish_mask(folder / names[1], mask, volume, kept, thinned)
        decisions += (decision,)
        marked_voxels = int(np.count_nonzero(result.marked))
    write_sidecar(folder / names[2], _plain_sidecar(numbers, kept, settings))
    return Thinned(
        public_id=item.name,
        category=None,
        patient_age_years=None,
        patient_sex=Sex.OTHER,
        decisions=decisions,
        volume=names[0],
        mask=names[1] if files.mask is not None else None,
        shape_ijk=thinned.shape_ijk,
        spacing_ijk_mm=spacing_of(thinned.affine_ras),
        instance_numbers=kept.numbers,
        slices_before=slices,
        marked_voxels=marked_voxels,
    )


def thin(volume: Volume, ks: Sequence[int], *, every: int) -> Volume:
    """The slices `ks` of a volume, which are `every` slices apart."""
    return Volume(
        voxels_hu=volume.voxels_hu[:, :, ks],
        affine_ras=affine_of_slices(volume.affine_ras, ks, every=every),
    )


def look_at(thinned: Volume) -> Decision:
    """Look at every slice that will be published: for drawn text, and for a face.

    Text stops the study; that the field of view may reach the face is told, since only a person
    can say whether it does. Raises PrivacyError BURNED_IN_TEXT.
    """
    slices = thinned.shape_ijk[2]
    texts = [k for k in range(slices) if has_text(thinned.voxels_hu[:, :, k].T)]
    if texts:
        raise PrivacyError("BURNED_IN_TEXT", f"{len(texts)} of {slices} slices show drawn text")
    view = field_of_view(thinned.voxels_hu, thinned.affine_ras)
    above_mm = view.above_lungs_mm
    return Decision(
        rule="looked_at",
        value="no lungs" if above_mm is None else f"{above_mm:.0f} mm above the lungs",
        outcome=MAY_SHOW_A_FACE if view.may_show_a_face else "no text, no face",
    )


def thin_mask(mask: Mask, volume: Volume, ks: Sequence[int], thinned: Volume) -> Mask:
    """The mask on the thinned grid: thinned by the same slices, or as it is if it lies there.

    Raises ItemError MASK_OFF_GRID where it lies on neither grid.
    """
    on = slices_on_grid(volume.affine_ras, volume.shape_ijk, mask.affine_ras, mask.marked.shape)
    if on is not None and len(on) == volume.shape_ijk[2]:
        return Mask(marked=mask.marked[:, :, ks], affine_ras=thinned.affine_ras)
    if on != tuple(ks):
        raise ItemError("MASK_OFF_GRID", "the mask lies neither on all slices nor on those kept")
    return Mask(marked=mask.marked, affine_ras=thinned.affine_ras)


def _publish_volume(path: Path, thinned: Volume) -> None:
    write_volume(path, thinned, gzip_level=PUBLISHED_LEVEL)
    check_readers(path, thinned)


def _publish_mask(
    path: Path, mask: Mask, volume: Volume, kept: Kept, thinned: Volume
) -> tuple[Mask, Decision]:
    """Write the thinned mask and give it; what thinning does to it is told."""
    result = thin_mask(mask, volume, kept.ks, thinned)
    write_mask(path, result, gzip_level=PUBLISHED_LEVEL)
    check_readers(
        path, Volume(voxels_hu=result.marked.astype(np.int16), affine_ras=result.affine_ras)
    )
    before, after = int(np.count_nonzero(mask.marked)), int(np.count_nonzero(result.marked))
    outcome = "lost all its voxels by thinning" if before and not after else "thinned"
    value = f"{before} voxels on {mask.marked.shape[2]} slices, {after} on {len(kept.ks)}"
    return result, Decision(rule="thin_mask", value=value, outcome=outcome)


def _read_as_las(path: Path) -> tuple[Volume, bool]:
    """A volume brought to LAS by swaps and flips, and whether it was so already."""
    stored = read_volume(path)
    storage = las_storage(stored.affine_ras)
    affine_ras = storage.apply_affine(stored.affine_ras, stored.shape_ijk)
    volume = Volume(voxels_hu=storage.apply(stored.voxels_hu), affine_ras=affine_ras)
    return volume, storage.is_identity


def _plain_numbers(
    files: VolumeFiles, slices: int, settings: ThinSettings, *, was_las: bool
) -> tuple[int | None, ...]:
    """The instance numbers of a volume on its own; by position it needs none."""
    if settings.by is ThinBy.POSITION:
        return (None,) * slices
    if files.sidecar is None:
        message = f"{files.volume.name} has no .json beside it"
        raise ItemError("NO_INSTANCE_NUMBERS", message)
    if not was_las:
        message = f"{files.volume.name} is not stored as mosmed stores volumes (LAS)"
        raise ItemError("NO_INSTANCE_NUMBERS", message)
    return read_instance_numbers(files.sidecar, slices)


def _plain_sidecar(
    numbers: Sequence[int | None], kept: Kept, settings: ThinSettings
) -> dict[str, object]:
    """What is said beside a thinned volume: which of how many slices it holds."""
    return {
        "instance_numbers": [numbers[k] for k in kept.ks],
        "kept_ranks": [k + 1 for k in kept.ks],
        "slices_before": len(numbers),
        "thinned_every": settings.every,
    }
