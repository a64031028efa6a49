"""Stage 5: of the slices of a volume one in ten is kept (paper, figure 1 step 5).

As published, the slices are kept whose InstanceNumber (0020,0013) is a multiple of ten. A kept
voxel stays where it was in the patient, and its Hounsfield units are not touched: the affine's
step along k grows, and its origin moves to the first kept slice.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.core.convert_settings import ThinSettings
from pipelines.core.errors import ItemError, PrivacyError
from pipelines.core.field_of_view import field_of_view
from pipelines.core.grids import (
    Grid,
    Mask,
    Volume,
    affine_of_slices,
    las_storage,
    positions_of,
    slices_on_grid,
    spacing_of,
)
from pipelines.core.lesions import Lesions, judge, measure
from pipelines.core.model import Decision, Excluded, FolderItem, Ocr, Sex, ThinBy, Verify, passed_on
from pipelines.core.pictures import preview_of
from pipelines.core.thinning import Kept, choose_slices
from pipelines.core.volumes import Converted, Thinned
from pipelines.io.burned_in import shows_text
from pipelines.io.nifti import read_grid, read_mask, read_part, read_volume, write_volume
from pipelines.io.previews import write_preview
from pipelines.io.read_back import check_readers
from pipelines.io.sidecar import read_instance_numbers, read_kept_ranks, write_sidecar
from pipelines.io.volume_files import VolumeFiles, files_of, find_volumes

VERSION: int = 5

TABLES = (ThinSettings,)
"""The settings it is told on plain folders."""

MAY_SHOW_A_FACE = "may show a face: look at it before it is published"

VOLUME_NAME, MASK_NAME, PREVIEW_NAME = "volume.nii.gz", "mask.nii.gz", "preview.svg"


def work(
    converted: Converted, settings: ThinSettings, source: Path, folder: Path
) -> Thinned | Excluded:
    """Write the thinned volume of one study and its mask into `folder`."""
    volume = read_volume(source / converted.volume)
    sidecar = source / converted.sidecar
    ranks = read_kept_ranks(sidecar)
    numbers = read_instance_numbers(sidecar, None if ranks else volume.shape_ijk[2])
    kept = choose_slices(numbers, settings)
    thinned = volume if ranks else thin(volume, kept.ks, every=settings.every)
    if ranks not in {None, tuple(k + 1 for k in kept.ks)} or thinned.shape_ijk[2] != len(kept.ks):
        raise ItemError(
            "THINNED_OTHERWISE", f"{len(ranks or ())} of {len(numbers)} slices are here"
        )
    decisions: tuple[Decision, ...] = (kept.decision, look_at(thinned, settings.ocr))
    _publish_volume(folder / VOLUME_NAME, thinned, settings)
    mask: Mask | None = None
    lesions: Lesions | None = None
    if converted.mask is not None:
        drawn = read_mask(source / converted.mask)
        mask, told = _publish_mask(folder / MASK_NAME, drawn, volume.grid, kept, thinned, settings)
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
        **_slices(thinned, kept),
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
    stored = read_grid(files.volume)
    storage = las_storage(stored.affine_ras)
    grid = stored.stored_by(storage)
    slices = grid.shape_ijk[2]
    numbers = _plain_numbers(files, slices, settings, was_las=storage.is_identity)
    kept = choose_slices(numbers, settings)
    thinned = _read_thinned(files.volume, stored, kept, settings)
    record = leave(folder, item.name, thinned, kept, settings)
    if files.mask is None:
        return record
    name = f"{item.name}_mask.nii.gz"
    mask = read_mask(files.mask)
    result, decision = _publish_mask(folder / name, mask, grid, kept, thinned, settings)
    return replace(
        record,
        mask=name,
        decisions=(*record.decisions, decision),
        marked_voxels=int(np.count_nonzero(result.marked)),
    )


def leave(folder: Path, name: str, thinned: Volume, kept: Kept, settings: ThinSettings) -> Thinned:
    """Write `folder/<name>.nii.gz` and its `.json`, once every slice of it has been looked at.

    Raises PrivacyError BURNED_IN_TEXT.
    """
    names = f"{name}.nii.gz", f"{name}.json"
    (folder / names[0]).parent.mkdir(parents=True, exist_ok=True)
    looked_at = look_at(thinned, settings.ocr)
    _publish_volume(folder / names[0], thinned, settings)
    record = Thinned(
        public_id=name,
        category=None,
        patient_age_years=None,
        patient_sex=Sex.OTHER,
        decisions=(kept.decision, looked_at),
        volume=names[0],
        mask=None,
        shape_ijk=thinned.shape_ijk,
        spacing_ijk_mm=spacing_of(thinned.affine_ras),
        **_slices(thinned, kept),
    )
    write_sidecar(folder / names[1], _plain_sidecar(record, kept, settings))
    return record


def _slices(thinned: Volume, kept: Kept) -> dict[str, Any]:
    """What a record says of the slices that are kept: which of how many they are, and where."""
    voxels_kji = thinned.voxels_hu.T
    return {
        "instance_numbers": kept.numbers,
        "slices_before": len(kept.all_numbers),
        "positions_mm": positions_of(thinned.affine_ras, len(kept.ks)),
        "slices_sha256": tuple(
            sha256(np.ascontiguousarray(plane, dtype="<i2").data).hexdigest()
            for plane in voxels_kji
        ),
    }


def thin(volume: Volume, ks: Sequence[int], *, every: int) -> Volume:
    """The slices `ks` of a volume, which are `every` slices apart."""
    return Volume(
        voxels_hu=volume.voxels_hu.T[list(ks)].T,
        affine_ras=affine_of_slices(volume.affine_ras, ks, every=every),
    )


def look_at(thinned: Volume, ocr: Ocr = Ocr.OFF) -> Decision:
    """Look at every slice that will be published: for drawn text, and for a face.

    Text stops the study; that the field of view may reach the face is told, since only a person
    can say whether it does. Raises PrivacyError BURNED_IN_TEXT, and SettingsError where an OCR
    is to look that is not installed.
    """
    slices = thinned.shape_ijk[2]
    texts = [k for k in range(slices) if shows_text(thinned.voxels_hu[:, :, k].T, ocr)]
    if texts:
        raise PrivacyError("BURNED_IN_TEXT", f"{len(texts)} of {slices} slices show text")
    view = field_of_view(thinned.voxels_hu, thinned.affine_ras)
    above_mm = view.above_lungs_mm
    return Decision(
        rule="looked_at",
        value="no lungs" if above_mm is None else f"{above_mm:.0f} mm above the lungs",
        outcome=MAY_SHOW_A_FACE if view.may_show_a_face else "no text, no face",
    )


def thin_mask(mask: Mask, grid: Grid, ks: Sequence[int], thinned: Volume) -> Mask:
    """The mask on the thinned grid: thinned by the same slices, or as it is if it lies there.

    Raises ItemError MASK_OFF_GRID where it lies on neither grid.
    """
    on = slices_on_grid(grid.affine_ras, grid.shape_ijk, mask.affine_ras, mask.marked.shape)
    if on is not None and len(on) == grid.shape_ijk[2]:
        return Mask(marked=mask.marked[:, :, ks], affine_ras=thinned.affine_ras)
    if on != tuple(ks):
        raise ItemError("MASK_OFF_GRID", "the mask lies neither on all slices nor on those kept")
    return Mask(marked=mask.marked, affine_ras=thinned.affine_ras)


def _publish_volume(path: Path, thinned: Volume, settings: ThinSettings) -> None:
    write_volume(path, thinned, gzip_level=settings.gzip_level)
    if settings.verify is Verify.READERS:
        check_readers(path, thinned)


def _publish_mask(
    path: Path, mask: Mask, grid: Grid, kept: Kept, thinned: Volume, settings: ThinSettings
) -> tuple[Mask, Decision]:
    """Write the thinned mask and give it; what thinning does to it is told."""
    result = thin_mask(mask, grid, kept.ks, thinned)
    marked = Volume(voxels_hu=result.marked.astype(np.int16), affine_ras=result.affine_ras)
    _publish_volume(path, marked, settings)
    before, after = int(np.count_nonzero(mask.marked)), int(np.count_nonzero(result.marked))
    outcome = "lost all its voxels by thinning" if before and not after else "thinned"
    value = f"{before} voxels on {mask.marked.shape[2]} slices, {after} on {len(kept.ks)}"
    return result, Decision(rule="thin_mask", value=value, outcome=outcome)


def _read_thinned(path: Path, stored: Grid, kept: Kept, settings: ThinSettings) -> Volume:
    """The slices that are kept of a volume, brought to LAS by swaps and flips."""
    storage = las_storage(stored.affine_ras)
    slices = slice(kept.ks[0], kept.ks[-1] + 1, settings.every)
    voxels_hu, _ = read_part(path, storage.part_of(slices, stored.shape_ijk))
    affine_ras = stored.stored_by(storage).affine_ras
    return Volume(
        voxels_hu=np.asfortranarray(storage.apply(voxels_hu)),
        affine_ras=affine_of_slices(affine_ras, kept.ks, every=settings.every),
    )


def _plain_numbers(
    files: VolumeFiles, slices: int, settings: ThinSettings, *, was_las: bool
) -> tuple[int | None, ...]:
    """The instance numbers of a volume on its own; by position it needs none."""
    is_needed = settings.by is ThinBy.INSTANCE
    if files.sidecar is None or not was_las:
        if not is_needed:
            return (None,) * slices
        why = "has no .json beside it"
        if files.sidecar is not None:
            why = "is not stored as mosmed stores volumes (LAS)"
        raise ItemError("NO_INSTANCE_NUMBERS", f"{files.volume.name} {why}")
    try:
        return read_instance_numbers(files.sidecar, slices)
    except ItemError:
        if is_needed:
            raise
        return (None,) * slices


def _plain_sidecar(record: Thinned, kept: Kept, settings: ThinSettings) -> dict[str, object]:
    """What is said beside a thinned volume: which of how many slices it holds, and where."""
    return {
        "instance_numbers": [kept.all_numbers[k] for k in kept.ks],
        "kept_ranks": [k + 1 for k in kept.ks],
        "positions_mm": list(record.positions_mm),
        "slices_before": record.slices_before,
        "slices_sha256": list(record.slices_sha256),
        "thinned_every": settings.every,
    }
