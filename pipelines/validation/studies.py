"""One study of a published folder: its volume and its mask, by two readers and voxel by voxel."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.core.checks import Finding
from pipelines.core.convert_settings import ThinSettings
from pipelines.core.errors import ItemError
from pipelines.core.grids import Mask, Volume, las_storage
from pipelines.core.leaks import tells_time
from pipelines.io.disk import sha256_of
from pipelines.io.nifti import read_mask, read_volume
from pipelines.io.nifti_facts import (
    INT16,
    MILLIMETRES,
    NiftiFacts,
    gzip_tells,
    read_facts,
)
from pipelines.io.read_back import check_readers

STEP_LEAST_MM, STEP_MOST_MM = 0.1, 20.0
PIXEL_LEAST_MM, PIXEL_MOST_MM = 0.1, 5.0
"""What a chest CT can have: bodies are 300 to 700 mm wide, matrices 128 to 2048."""

SIZE_TOLERANCE_MM = 1e-3
PLACE_TOLERANCE_MM = 0.01
"""Masks drawn elsewhere have an affine of single precision."""

LOWEST_HU, HIGHEST_HU = -4096, 31743
"""Twelve bits below, with padding; above, the metal of an extended scale."""

AIR_HU, TISSUE_HU, DENSE_HU = (-1100, -700), (-200, 200), 700
LEAST_SHARE, MOST_DENSE_SHARE = 0.01, 0.2
"""Of a chest at least a hundredth is air and a hundredth tissue, and bones are a few hundredths.

Where the rescale is lost, air looks like tissue and tissue denser than bone.
"""

MASK_DENSITY_HU = (ThinSettings.mask_least_hu, ThinSettings.mask_most_hu)
"""What the paper expects of a lesion of COVID-19."""

SCANNER = 1
CODES_OF_ERRORS = {"READERS_DISAGREE": "READERS_DIFFER", "MASK_NOT_BINARY": "MASK_VALUES"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFiles:
    """The files of a study, as paths below the dataset; None for one that is not there."""

    volume: str | None
    mask: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyVerdict:
    """What was found in a study; `step_mm` is None where the volume cannot be read."""

    findings: tuple[Finding, ...]
    step_mm: float | None
    digests: dict[str, str]


def check_study(files: StudyFiles, root: Path, is_summed: bool, _folder: Path) -> StudyVerdict:
    """Everything that can be found in the files of one study; the digests only if asked for."""
    findings: list[Finding] = []
    step_mm, volume = None, None
    if files.volume is not None:
        path = root / files.volume
        facts, volume = facts_of(path), _volume(path)
        step_mm = None if facts is None else round(facts.pixdim_mm[2], 3)
        findings += _named(_volume_codes(path, facts, volume), files.volume)
    if files.mask is not None:
        findings += _named(_mask_codes(root / files.mask, volume), files.mask)
    there = [name for name in (files.volume, files.mask) if name is not None]
    digests = {name: sha256_of(root / name) for name in there} if is_summed else {}
    return StudyVerdict(findings=tuple(findings), step_mm=step_mm, digests=digests)


def _named(codes: Iterator[tuple[str, str]], file: str) -> list[Finding]:
    return [Finding(code=code, file=file, place=place) for code, place in dict.fromkeys(codes)]


def facts_of(path: Path) -> NiftiFacts | None:
    """The header's fields; None where it is no NIfTI."""
    try:
        return read_facts(path)
    except (ValueError, OSError):
        return None


def _volume(path: Path) -> Volume | str:
    """The volume, or the code of why there is none."""
    try:
        volume = read_volume(path, by_sform=True)
    except ItemError as error:
        return "VOLUME_TYPE" if error.code == "HU_OUT_OF_RANGE" else "VOLUME_UNREADABLE"
    except OSError:
        return "VOLUME_UNREADABLE"
    return volume


def _volume_codes(
    path: Path, facts: NiftiFacts | None, volume: Volume | str
) -> Iterator[tuple[str, str]]:
    """Codes and places of all that is wrong with a volume."""
    yield from header_leaks(path, facts)
    if facts is not None:
        yield from _header_codes(facts)
    if isinstance(volume, str):
        yield volume, "voxels" if volume == "VOLUME_TYPE" else "file"
        return
    if facts is not None and facts.datatype == INT16:
        yield from _readers_codes(path, volume)
    if not _is_chest(volume.voxels_hu):
        yield "HU_IMPLAUSIBLE", "voxels"


def _is_chest(voxels_hu: NDArray[np.int16]) -> bool:
    """Whether the values can be the Hounsfield units of a chest."""
    if int(voxels_hu.min()) < LOWEST_HU or int(voxels_hu.max()) > HIGHEST_HU:
        return False
    air, tissue = (
        np.count_nonzero((voxels_hu >= low) & (voxels_hu <= high))
        for low, high in (AIR_HU, TISSUE_HU)
    )
    dense = np.count_nonzero(voxels_hu > DENSE_HU)
    least = LEAST_SHARE * voxels_hu.size
    return bool(air >= least and tissue >= least and dense <= MOST_DENSE_SHARE * voxels_hu.size)


def _readers_codes(path: Path, volume: Volume) -> Iterator[tuple[str, str]]:
    try:
        check_readers(path, volume)
    except ItemError as error:
        yield "READERS_DIFFER", error.message
    except Exception as error:  # noqa: BLE001  a library's own error on a foreign file is a finding
        yield "READERS_DIFFER", f"a reader fails: {type(error).__name__}"


def _header_codes(facts: NiftiFacts) -> Iterator[tuple[str, str]]:
    if facts.sform_code > 0 and not facts.is_las:
        yield "VOLUME_AXES", "sform"
    if facts.sform_code > 0 and facts.is_sheared:
        yield "VOLUME_SHEARED", "sform"
    if facts.datatype != INT16:
        yield "VOLUME_TYPE", "datatype"
    # 0 means no scaling (nifti1.h)
    if facts.slope not in {0.0, 1.0} or (facts.slope and facts.intercept):
        yield "VOLUME_TYPE", "scl_slope and scl_inter"
    if (facts.qform_code, facts.sform_code) != (SCANNER, SCANNER):
        yield "VOLUME_CODES", "qform_code and sform_code"
    if facts.spatial_units != MILLIMETRES:
        yield "VOLUME_CODES", "xyzt_units"
    sizes_mm = np.abs(facts.pixdim_mm)
    is_right = np.abs(sizes_mm - facts.spacing_mm).max() <= SIZE_TOLERANCE_MM
    i_mm, j_mm, k_mm = sizes_mm.tolist()
    in_plane = min(i_mm, j_mm) >= PIXEL_LEAST_MM and max(i_mm, j_mm) <= PIXEL_MOST_MM
    if not (is_right and in_plane and STEP_LEAST_MM <= k_mm <= STEP_MOST_MM):
        yield "VOLUME_STEP", "pixdim"


def header_leaks(path: Path, facts: NiftiFacts | None) -> Iterator[tuple[str, str]]:
    """Codes and places of what a file's headers tell beside the geometry."""
    if told := gzip_tells(path):
        yield "GZIP_TELLS", f"gzip header: {told}"
    if facts is None:
        return
    for name, text in facts.texts.items():
        yield ("HEADER_TIME" if tells_time(text) else "HEADER_TEXT"), name
        if b"^" in text:
            yield "NAME_OF_PERSON", name
    if facts.has_extension:
        yield "HEADER_EXTENSION", "after the header"


def _mask_codes(path: Path, volume: Volume | str | None) -> Iterator[tuple[str, str]]:
    yield from header_leaks(path, facts_of(path))
    try:
        mask = read_mask(path)
    except ItemError as error:
        yield CODES_OF_ERRORS.get(error.code, "MASK_UNREADABLE"), "voxels"
        return
    except OSError:
        yield "MASK_UNREADABLE", "file"
        return
    if not mask.marked.any():
        yield "MASK_EMPTY", "voxels"
    if isinstance(volume, Volume):
        yield from _on_image(mask, volume)


def _on_image(mask: Mask, volume: Volume) -> Iterator[tuple[str, str]]:
    storage = las_storage(volume.affine_ras)
    affine_ras = storage.apply_affine(volume.affine_ras, volume.shape_ijk)
    voxels_hu = storage.apply(volume.voxels_hu)
    if mask.marked.shape != voxels_hu.shape:
        yield "MASK_GRID", "shape"
        return
    away_mm = np.abs(mask.affine_ras - affine_ras)[:3] * (*mask.marked.shape, 1)
    if away_mm.sum(axis=1).max() > PLACE_TOLERANCE_MM:
        yield "MASK_GRID", "affine"
        return
    if mask.marked.any():
        mean_hu = float(voxels_hu[mask.marked != 0].mean())
        if not MASK_DENSITY_HU[0] <= mean_hu <= MASK_DENSITY_HU[1]:
            yield "MASK_DENSITY", "voxels"
