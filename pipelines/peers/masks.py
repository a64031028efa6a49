"""Where the readers' masks of a study come from: a folder of files that are named like it.

`MH123.nii.gz` or `MH123_mask.nii.gz` is the one mask of study MH123 (or of its StudyInstanceUID);
`MH123__ivanova.nii.gz` and `MH123_mask__petrov.dcm` are those of several readers.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.core.errors import ItemError, SettingsError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.identity import Candidate
from pipelines.io.attributes import canonical_accession
from pipelines.io.mask_names import other_suffix_of, suffix_of

READER_MARK = "__"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMask:
    """A mask's file, and the name of who drew it; empty where the file does not tell."""

    path: Path
    reader: str


def find_masks(candidate: Candidate, settings: ExportSettings) -> tuple[FoundMask, ...]:
    """The masks of a study, by the accession number or StudyInstanceUID that the RIS gives.

    Raises ItemError MASK_AMBIGUOUS where a reader, or nobody, has several, UNREADABLE_MASK where
    all that one has is of a kind that is not read; SettingsError where the folder is not there.
    """
    if settings.masks is None:
        return ()
    if not settings.masks.is_dir():
        raise SettingsError(
            f"the folder of masks {settings.masks} is not there",
            hint="Mount it, or name another one as `masks` under [export]; empty for no masks.",
        )
    stems = _stems_of(candidate)
    found = sorted(_named_like(stems, settings.masks), key=lambda one: (one.reader, one.path))
    readers = {one.reader.casefold() for one in found}
    unread = {kind for kind, reader in _not_read(stems, settings.masks) if reader not in readers}
    if unread:
        kinds = " and ".join(sorted(unread))
        raise ItemError("UNREADABLE_MASK", f"it was saved as {kinds}, which is not read")
    if len(readers) < len(found) or (len(found) > 1 and "" in readers):
        raise ItemError("MASK_AMBIGUOUS", f"{len(found)} files are named like the study's mask")
    return tuple(found)


def unclaimed(candidates: Iterable[Candidate], settings: ExportSettings) -> int:
    """How many files may be masks, and are named like none of these studies.

    Nobody keeps their names: one may be that of a study that was withdrawn.
    """
    if settings.masks is None or not settings.masks.is_dir():
        return 0
    stems = set[str]().union(*map(_stems_of, candidates))
    endings = (
        (path.name, suffix_of(path) or other_suffix_of(path)) for path in settings.masks.iterdir()
    )
    return sum(
        end is not None and _reader_in(name[: -len(end)], stems) is None for name, end in endings
    )


def drawn_in_study(paths: Sequence[Path]) -> tuple[FoundMask, ...]:
    """The segmentations and structure sets among the objects of a study, each by who drew it.

    Raises ItemError MASK_AMBIGUOUS where nobody can tell several of them apart.
    """
    from pipelines.io.mask_files import creators_of

    found = [FoundMask(path=path, reader=reader) for path in paths for reader in creators_of(path)]
    if len(found) == 1:
        return (replace(found[0], reader=""),)
    readers = {one.reader.casefold() for one in found}
    if len(readers) < len(found) or "" in readers:
        raise ItemError("MASK_AMBIGUOUS", f"{len(found)} masks are in the study itself")
    return tuple(sorted(found, key=lambda one: one.reader))


def digest_of(masks: tuple[FoundMask, ...]) -> str:
    """A digest of the readers and bytes of masks; empty without any."""
    sha256 = hashlib.sha256()
    for mask in masks:
        sha256.update(f"{mask.reader}\0{suffix_of(mask.path)}\0".encode("utf-8", "surrogatepass"))
        with mask.path.open("rb") as stream:
            sha256.update(hashlib.file_digest(stream, "sha256").digest())
    return sha256.hexdigest() if masks else ""


def _stems_of(candidate: Candidate) -> set[str]:
    keys = [key for key in (candidate.accession_number, candidate.study_instance_uid) if key]
    return {canonical_accession(key + end) for key in keys for end in ("", "_mask")}


def _named_like(stems: set[str], folder: Path) -> Iterator[FoundMask]:
    """The names are compared, never joined: an accession number may hold a slash."""
    for path in folder.iterdir():
        suffix = suffix_of(path)
        reader = None if suffix is None else _reader_in(path.name[: -len(suffix)], stems)
        if reader is not None and path.is_file():
            yield FoundMask(path=path, reader=reader)


def _not_read(stems: set[str], folder: Path) -> Iterator[tuple[str, str]]:
    """What else is named like the study's mask and is none that is read: its kind, and its reader.

    A sub-folder, or a file without ending, has the name of the study and nothing else.
    """
    for path in folder.iterdir():
        suffix = other_suffix_of(path)
        if suffix is not None:
            reader = _reader_in(path.name[: -len(suffix)], stems)
            if reader is not None:
                yield suffix, reader.casefold()
        elif canonical_accession(path.name) in stems:
            yield "a folder" if path.is_dir() else "a file without ending", ""


def _reader_in(stem: str, stems: set[str]) -> str | None:
    """The reader whom the name of a study's mask names, "" for nobody; None if it is another's."""
    if canonical_accession(stem) in stems:
        return ""
    study, _, reader = stem.rpartition(READER_MARK)
    if not reader.strip() or canonical_accession(study) not in stems:
        return None
    # No record can hold what is no UTF-8: Windows may have written the name in cp1251
    return os.fsencode(reader).decode("utf-8", "backslashreplace").strip()
