"""Stage 4: one series without identity becomes one volume in Hounsfield units.

Slices are ordered by their positions along the normal, never by name or number; what is not one
even stack is refused with a code that names the fault. Voxels are moved, never changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipelines.core.convert_settings import ConvertSettings
from pipelines.core.errors import DicomError, ItemError
from pipelines.core.geometry import Stack, stack_slices
from pipelines.core.grids import (
    Affine,
    Volume,
    affine_of_slices,
    as_stored,
    spacing_of,
)
from pipelines.core.model import (
    Decision,
    Deidentified,
    Excluded,
    FolderItem,
    MaskAgreement,
    Sex,
    Verify,
    passed_on,
)
from pipelines.core.survey import Survey, counted, refuse_several_frames, survey
from pipelines.core.volumes import Converted
from pipelines.io.acquisition import read_acquisition
from pipelines.io.headers import InstanceHeader, read_headers
from pipelines.io.nifti import read_mask, write_mask, write_volume
from pipelines.io.one_mask import one_mask
from pipelines.io.packing import SCRATCH_LEVEL
from pipelines.io.pixels import Rescue, decode, refuse_by_header
from pipelines.io.read_back import check_readers
from pipelines.io.series_files import Kind, SeriesItem, find_series, glance, tell
from pipelines.io.sidecar import Sidecar, kernel_name, sidecar_content, write_sidecar
from pipelines.io.slice_table import TABLE_NAME, SliceRow, read_table

VERSION: int = 6

TABLES = (ConvertSettings,)
"""The settings it is told on plain folders."""

VOLUME_NAME, SIDECAR_NAME, MASK_NAME = "volume.nii", "volume.json", "mask.nii.gz"
"""The volume is not packed: whoever thins it reads but the slices that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conversion:
    """What a series has become, its lowest slice, and the decisions taken on the way."""

    volume: Volume
    lowest_slice: Path
    sidecar: Sidecar
    decisions: tuple[Decision, ...]


def work(
    deidentified: Deidentified, settings: ConvertSettings, source: Path, folder: Path
) -> Converted | Excluded:
    """Write the volume of one study, its sidecar and its mask into `folder`."""
    headers = [header for path in source.glob("*.dcm") for header in read_headers(path)]
    rows = read_table(source / TABLE_NAME)
    conversion = (
        convert(headers, settings) if rows is None else convert_part(headers, rows, settings)
    )
    if conversion is None:
        return only_localizers(deidentified.public_id)
    volume, decisions = conversion.volume, conversion.decisions
    agreements: tuple[MaskAgreement, ...] = ()
    if deidentified.masks:
        read = {one.reader: read_mask(source / one.file) for one in deidentified.masks}
        mask, agreements, told = one_mask(read, volume, settings.fusion)
        write_mask(folder / MASK_NAME, mask, gzip_level=SCRATCH_LEVEL)
        decisions += told
    write_volume(folder / VOLUME_NAME, volume, gzip_level=None)
    if settings.verify is Verify.READERS:
        check_readers(folder / VOLUME_NAME, volume)
    write_sidecar(folder / SIDECAR_NAME, sidecar_content(conversion.sidecar))
    return Converted(
        **{**passed_on(deidentified), "mask_agreements": agreements},
        decisions=decisions,
        volume=VOLUME_NAME,
        sidecar=SIDECAR_NAME,
        mask=MASK_NAME if deidentified.masks else None,
        shape_ijk=volume.shape_ijk,
        spacing_ijk_mm=spacing_of(volume.affine_ras),
        acquisition=read_acquisition(conversion.lowest_slice, conversion.sidecar),
    )


def find(in_folder: Path) -> tuple[FolderItem, ...]:
    """One item for each CT series below a folder, and the other files, so that none is lost."""
    return find_series(in_folder)


def work_plain(item: FolderItem, settings: ConvertSettings, folder: Path) -> Converted | Excluded:
    """Write `folder/<name>.nii.gz` and `.json` of one series that `find` has found.

    Files that are no CT are excluded; what claims to be DICOM and is not readable fails.
    """
    headers = headers_of(item)
    if isinstance(headers, Excluded):
        return headers
    conversion = convert(headers, settings)
    if conversion is None:
        return only_localizers(item.name)
    names = f"{item.name}.nii.gz", f"{item.name}.json"
    volume_path, sidecar_path = (folder / name for name in names)
    volume_path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(volume_path, conversion.volume, gzip_level=settings.gzip_level)
    if settings.verify is Verify.READERS:
        check_readers(volume_path, conversion.volume)
    write_sidecar(sidecar_path, sidecar_content(conversion.sidecar))
    return Converted(
        public_id=item.name,
        category=None,
        patient_age_years=None,
        patient_sex=Sex.OTHER,
        decisions=conversion.decisions,
        volume=names[0],
        sidecar=names[1],
        mask=None,
        shape_ijk=conversion.volume.shape_ijk,
        spacing_ijk_mm=spacing_of(conversion.volume.affine_ras),
    )


def headers_of(item: FolderItem) -> Sequence[InstanceHeader] | Excluded:
    """The headers of the files of an item that `find` has found; Excluded if they are no CT.

    What was read when it was found is not read again. Raises DicomError.
    """
    held = item.glances if isinstance(item, SeriesItem) else ()
    glances = held or [glance(path) for path in item.files]
    unreadable = [each for each in glances if each.kind is Kind.UNREADABLE]
    if unreadable:
        raise DicomError("UNREADABLE_DICOM", tell(unreadable))
    if any(each.kind is Kind.OTHER for each in glances):
        reason = f"{len(glances)} files: {tell(glances)}"
        return Excluded(public_id=item.name, rule="not_ct", reason=reason)
    headers: list[InstanceHeader] = []
    for each in glances:
        headers += (each.header,) if each.header else read_headers(each.path)
    return headers


def convert(headers: Sequence[InstanceHeader], settings: ConvertSettings) -> Conversion | None:
    """The volume of the one series that the headers are of; None if all of them are localizers.

    Raises DicomError or GeometryError; the order of the headers does not matter.
    """
    found = survey_of(headers, settings)
    if found is None:
        return None
    affine_ras = as_stored(found.stack.affine_ras)
    volume, decisions = read_slices(found.slices, found.stack, affine_ras, settings)
    return Conversion(
        volume=volume,
        lowest_slice=found.slices[0].path,
        sidecar=_sidecar(found.slices, found.stack, found.slices[0].convolution_kernel),
        decisions=(*found.decisions, *decisions, _told(volume, found.stack)),
    )


def survey_of(
    headers: Sequence[InstanceHeader], settings: ConvertSettings
) -> Survey[InstanceHeader] | None:
    """The one even stack of the headers, every slice of which is whole and may be used.

    None if all of them are localizers. Raises DicomError or GeometryError.
    """
    found = survey(headers, minimum_slices=settings.minimum_slices, is_same=_has_same_pixels)
    if found is not None:
        for header in found.slices:
            refuse_by_header(header, allow_lossy=settings.allow_lossy)
    return found


def convert_part(
    headers: Sequence[InstanceHeader], rows: Sequence[SliceRow], settings: ConvertSettings
) -> Conversion:
    """The volume of the slices that were brought of a series, which `rows` tell in full.

    Raises ItemError INCOMPLETE_STUDY where the slices are not those of the table, and as `convert`.
    """
    by_uid = {header.sop_instance_uid: header for header in headers}
    wanted = [row.sop_instance_uid for row in rows if row.is_here]
    if sorted(by_uid) != sorted(wanted) or len(headers) != len(wanted):
        message = f"{len(headers)} slices are here, not the {len(wanted)} that were brought"
        raise ItemError("INCOMPLETE_STUDY", message)
    stack = stack_slices([row.plane for row in rows], minimum_slices=settings.minimum_slices)
    ordered = [rows[index] for index in stack.order]
    ks = [k for k, row in enumerate(ordered) if row.is_here]
    brought = [by_uid[ordered[k].sop_instance_uid] for k in ks]
    for k, header in zip(ks, brought, strict=True):
        if not ordered[k].is_of(header):
            message = f"{header.name}: its header is not what the table of all slices says"
            raise ItemError("INCOMPLETE_STUDY", message)
        refuse_by_header(header, allow_lossy=settings.allow_lossy)
    refuse_several_frames(brought)
    every = ks[1] - ks[0] if len(ks) > 1 else len(ordered)
    affine_ras = affine_of_slices(as_stored(stack.affine_ras), ks, every=every)
    volume, decisions = read_slices(brought, stack, affine_ras, settings)
    return Conversion(
        volume=volume,
        lowest_slice=brought[0].path,
        sidecar=replace(
            _sidecar(ordered, stack, brought[0].convolution_kernel),
            kept_ranks=tuple(k + 1 for k in ks),
        ),
        decisions=(*decisions, _told(volume, stack)),
    )


def read_slices(
    headers: Sequence[InstanceHeader], stack: Stack, affine_ras: Affine, settings: ConvertSettings
) -> tuple[Volume, tuple[Decision, ...]]:
    """The volume of some slices of a stack, in its order and at the place that is given.

    Its one copy of the voxels lies in memory as it will lie in the file. Also what was done to
    them. Raises DicomError.
    """
    columns, rows, _ = stack.shape_ijk
    voxels_kji = np.empty((len(headers), rows, columns), dtype=np.int16)
    rescue = Rescue(padding_hu=settings.padding_hu, clip=settings.clip_hu)
    lossy = cut = padded = clipped = 0
    for place, header in enumerate(headers):
        decoded = decode(header, allow_lossy=settings.allow_lossy, rescue=rescue)
        voxels_kji[place] = stack.storage.apply_slice(decoded.voxels_hu)
        lossy += decoded.is_lossy
        cut += decoded.is_cut
        padded += decoded.padded
        clipped += decoded.clipped
    return Volume(voxels_hu=voxels_kji.T, affine_ras=affine_ras), (
        *counted("lossy_slices", lossy, "accepted by allow_lossy"),
        *counted("unused_bits_slices", cut, "bits beside BitsStored were set: taken for no values"),
        *counted("padding_voxels", padded, f"set to {settings.padding_hu} HU by padding_hu"),
        *counted("clipped_voxels", clipped, "beyond 16 bits, clipped by clip_hu"),
    )


def _has_same_pixels(one: InstanceHeader, other: InstanceHeader) -> bool:
    """Whether two slices hold the same Hounsfield units."""
    first, second = (decode(header, allow_lossy=True) for header in (one, other))
    return np.array_equal(first.voxels_hu, second.voxels_hu)


def only_localizers(public_id: str) -> Excluded:
    """What becomes of a series without any slice of a volume."""
    return Excluded(
        public_id=public_id,
        rule="localizer",
        reason="the series holds nothing but localizers",
    )


def _sidecar(
    ordered: Sequence[InstanceHeader | SliceRow], stack: Stack, convolution_kernel: str | None
) -> Sidecar:
    thicknesses = {slice_.slice_thickness_mm for slice_ in ordered}
    return Sidecar(
        instance_numbers=tuple(slice_.instance_number for slice_ in ordered),
        positions_mm=stack.positions_mm,
        slice_thickness_mm=thicknesses.pop() if len(thicknesses) == 1 else None,
        source_step_mm=stack.step_mm,
        convolution_kernel=kernel_name(convolution_kernel),
    )


def _told(volume: Volume, stack: Stack) -> Decision:
    i, j, k = volume.shape_ijk
    low_hu, high_hu = int(volume.voxels_hu.min()), int(volume.voxels_hu.max())
    return Decision(
        rule="volume",
        value=f"{k} slices of {i} x {j}, step {stack.step_mm:g} mm",
        outcome=f"HU from {low_hu} to {high_hu}, stored as LAS",
    )
