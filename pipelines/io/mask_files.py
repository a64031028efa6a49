"""Masks as readers save them, NIfTI or DICOM, brought onto the slices of the series they mark.

It is done where the images still have their own UIDs: a segmentation or structure set refers to
its slices by them. What comes out is NIfTI, without a trace of who drew it and when.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.tag import Tag

from pipelines.core.drawing import Target
from pipelines.core.errors import DicomError, ItemError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.grids import Mask
from pipelines.core.model import Decision
from pipelines.core.survey import survey
from pipelines.io.contours import STRUCTURE_SET_STORAGE, mask_of_structures
from pipelines.io.dicom import faults_of, read_dataset
from pipelines.io.headers import read_headers
from pipelines.io.mask_names import NIFTI_SUFFIXES, suffix_of
from pipelines.io.nifti import read_mask, write_mask
from pipelines.io.packing import SCRATCH_LEVEL
from pipelines.io.segmentation import (
    LABEL_MAP_STORAGE,
    SEGMENTATION_STORAGE,
    mask_of_segmentation,
)

DRAWN_CLASSES = (SEGMENTATION_STORAGE, LABEL_MAP_STORAGE, STRUCTURE_SET_STORAGE)
FILE_LIMIT_BYTES = 1 << 30
CREATORS = ("ContentCreatorName", "OperatorsName")
"""Who drew a segmentation (PS3.3 C.8.20.2), and a structure set (C.8.8.5, C.7.3.1)."""

NAME = "the mask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A mask that was brought over: the name of its file, and what was decided on the way."""

    file: str
    decisions: tuple[Decision, ...]


def bring_mask(path: Path, series: Path, settings: ExportSettings, to: Path) -> Brought:
    """Bring a mask to `to` (a name without ending): as it is if NIfTI, else drawn onto `series`.

    Raises ItemError or DicomError by the name of the fault.
    """
    suffix = suffix_of(path)
    notes: tuple[Decision, ...] = ()
    if suffix in NIFTI_SUFFIXES:
        if not any(want.strip().isdecimal() for want in settings.mask_labels):
            shutil.copyfile(path, to.with_name(to.name + suffix))
            return Brought(file=to.name + suffix, decisions=())
        mask = read_mask(path, labels=settings.mask_labels)
    else:
        mask, notes = _drawn(path, series, settings)
    name = f"{to.name}.nii.gz"
    write_mask(to.with_name(name), mask, gzip_level=SCRATCH_LEVEL)
    return Brought(file=name, decisions=notes)


def _drawn(path: Path, series: Path, settings: ExportSettings) -> tuple[Mask, tuple[Decision, ...]]:
    if path.stat().st_size > FILE_LIMIT_BYTES:
        raise ItemError("UNREADABLE_MASK", f"it is larger than {FILE_LIMIT_BYTES >> 30} GiB")
    dataset = read_dataset(path, name=NAME)
    with faults_of(NAME):
        kind = str(dataset.get("SOPClassUID", ""))
    if kind not in DRAWN_CLASSES:
        raise ItemError("UNREADABLE_MASK", "it is DICOM, but no segmentation and no structure set")
    target = target_of(series)
    if kind == STRUCTURE_SET_STORAGE:
        mask, notes = mask_of_structures(dataset, target, labels=settings.mask_labels)
        what = "structure set"
    else:
        mask = mask_of_segmentation(
            dataset, target, labels=settings.mask_labels, threshold=settings.mask_threshold
        )
        what, notes = "segmentation", ()
    return mask, (*notes, _told(what, mask, dataset))


def _told(what: str, mask: Mask, dataset: Dataset) -> Decision:
    slices = int(mask.marked.any(axis=(0, 1)).sum())
    frames = dataset.get("NumberOfFrames")
    return Decision(
        rule="mask_source",
        value=what if frames is None else f"{what} of {int(frames)} frames",
        outcome=f"{int(mask.marked.sum())} voxels on {slices} of {mask.marked.shape[2]} slices",
    )


def creators_of(path: Path) -> tuple[str, ...]:
    """Who drew the segmentation or structure set in `path`; nothing where it is neither."""
    tags = [int(Tag(word)) for word in ("SOPClassUID", *CREATORS)]
    try:
        dataset = read_dataset(path, pixels=False, tags=tags, name=NAME)
        with faults_of(NAME):
            if str(dataset.get("SOPClassUID", "")) not in DRAWN_CLASSES:
                return ()
            return (next((name for word in CREATORS if (name := str(dataset.get(word, "")))), ""),)
    except DicomError:
        return ()


def target_of(series: Path) -> Target:
    """The grid of the slices, or frames, in a folder.

    Raises GeometryError where they do not make one.
    """
    headers = [header for path in sorted(series.glob("*.dcm")) for header in read_headers(path)]
    found = survey(headers, minimum_slices=2, is_same=lambda _one, _other: True)
    if found is None:
        raise ItemError("MASK_OTHER_IMAGE", "the image it belongs to is a localizer")
    return Target(
        affine_ras=found.stack.affine_ras,
        shape_ijk=found.stack.shape_ijk,
        uids=frozenset(one.sop_instance_uid for one in found.slices),
        frame_of_reference_uid=found.slices[0].frame_of_reference_uid or "",
    )
