"""The volumes below a plain folder, each with its `.json` and its mask: every file is in one item.

A volume is `<name>.nii.gz` or `<name>.nii`; beside it `<name>.json` holds its instance numbers and
`<name>_mask.nii.gz` is its mask, unless that has a `.json` of its own. The rest is gathered into
one item a folder, `<folder>/other-files`.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from pipelines.core.errors import ItemError
from pipelines.core.model import Excluded, FolderItem
from pipelines.io.series_files import NAMED_AT_MOST, OTHER_FILES, UniqueNames
from pipelines.io.tree import walk_files

VOLUME_SUFFIXES = (".nii.gz", ".nii")
MASK_ENDING = "_mask"
SIDECAR_SUFFIX = ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFiles:
    """A volume and what lies beside it."""

    volume: Path
    sidecar: Path | None
    mask: Path | None


def find_volumes(in_folder: Path) -> tuple[FolderItem, ...]:
    """One item for each volume below `in_folder`, named by its path, and one a folder of the rest.

    Symbolic links are not followed.
    """
    paths = list(walk_files(in_folder))
    there = {path for path in paths if path.is_file() and not path.is_symlink()}
    left = set(there)
    items = []
    names = UniqueNames(in_folder)
    # Of <name>.nii.gz and <name>.nii the first has the name, the sidecar and the mask
    for path in sorted(paths, key=lambda path: not path.name.endswith(VOLUME_SUFFIXES[0])):
        stem = _stem(path) if path in there else None
        if stem is None or path not in left or _is_mask(path, stem, there):
            continue
        beside = _beside(path, stem, left)
        left.difference_update((path, *beside))
        items.append(FolderItem(name=names.of(path.with_name(stem)), files=(path, *beside)))
    rest: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        if path in left or path not in there:
            rest[path.parent].append(path)
    for folder, others in sorted(rest.items()):
        items.append(FolderItem(name=names.of(folder / OTHER_FILES), files=tuple(others)))
    return tuple(items)


def files_of(item: FolderItem) -> VolumeFiles | Excluded:
    """The files of an item by what they are; Excluded if it is one of other files.

    Raises ItemError DISK where a folder among them cannot be listed.
    """
    for path in item.files:
        if path.is_dir() and not path.is_symlink():
            raise ItemError("DISK", f"the folder {path.name} cannot be listed")
    volume = item.files[0]
    if _stem(volume) is None or item.name.rpartition("/")[2] == OTHER_FILES:
        named = ", ".join(path.name for path in item.files[:NAMED_AT_MOST])
        reason = f"{len(item.files)} files beside the volumes: {named}"
        return Excluded(public_id=item.name, rule="not_a_volume", reason=reason)
    beside = item.files[1:]
    sidecars = [path for path in beside if path.name.endswith(SIDECAR_SUFFIX)]
    masks = [path for path in beside if not path.name.endswith(SIDECAR_SUFFIX)]
    return VolumeFiles(
        volume=volume,
        sidecar=sidecars[0] if sidecars else None,
        mask=masks[0] if masks else None,
    )


def _stem(path: Path) -> str | None:
    """The name without the suffix of a volume; None for other files."""
    for suffix in VOLUME_SUFFIXES:
        if path.name.endswith(suffix) and path.name != suffix:
            return path.name.removesuffix(suffix)
    return None


def _is_mask(path: Path, stem: str, there: set[Path]) -> bool:
    if not stem.endswith(MASK_ENDING) or path.with_name(stem + SIDECAR_SUFFIX) in there:
        return False
    owner = stem.removesuffix(MASK_ENDING)
    return any(path.with_name(owner + suffix) in there for suffix in VOLUME_SUFFIXES)


def _beside(path: Path, stem: str, there: set[Path]) -> tuple[Path, ...]:
    """The sidecar and the mask of a volume, as far as they are there."""
    sidecars = [path.with_name(stem + SIDECAR_SUFFIX)]
    masks = [path.with_name(stem + MASK_ENDING + suffix) for suffix in VOLUME_SUFFIXES]
    if path.with_name(stem + MASK_ENDING + SIDECAR_SUFFIX) in there:
        masks = []
    found = ([one for one in kind if one in there][:1] for kind in (sidecars, masks))
    return tuple(path for paths in found for path in paths)
