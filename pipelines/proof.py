"""The proof over a whole folder: no identifying value is in any byte, name or path of it.

Run over the new tree before it is published, and by `mosmed prove` over any folder. What mosmed
would write for no study at all (README, LICENSE, an empty registry) is nobody's identity: a value
that stands there, such as the name of an author of the paper, cannot betray a patient.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines import build_registry
from pipelines.core.checks import Finding
from pipelines.core.errors import PrivacyError, SettingsError
from pipelines.core.identity import Exported
from pipelines.core.needles import Needles
from pipelines.core.registry_settings import RegistrySettings
from pipelines.core.traces import traces_of
from pipelines.io.insides import kind_of, parts_of
from pipelines.io.parts import UnreadableError
from pipelines.io.tree import folders_below
from pipelines.standing import Standing

FINDINGS_SHOWN = 5
HIDDEN = "[…]"


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for, and how many values are not, as they stand in every dataset."""

    needles: Needles
    by_right: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was looked at, for how many values, and what was found.

    No finding holds the value: a part of a path that does is hidden.
    """

    files: dict[str, int]
    values: int
    by_right: int
    findings: tuple[Finding, ...]

    @property
    def exit_status(self) -> int:
        """0 nothing was found, 4 something was."""
        return 4 if self.findings else 0


def prove(folder: Path, sought: Sought) -> Proof:
    """Look for values in every name and every byte below a folder, voxels apart.

    Raises SettingsError where there is no such folder, or nothing in it: that proves nothing.
    """
    if not folder.is_dir():
        raise SettingsError(f"{folder} is no folder", hint="Publish first: mosmed run")
    needles, numbers = sought.needles, sought.needles.only_long()
    kinds: Counter[str] = Counter()
    findings: list[Finding] = []
    for path in _entries(folder):
        name = path.relative_to(folder)
        kind, found = _examined(path, needles, numbers)
        kinds[kind] += 1
        shown = _shown(name, needles)
        if shown != name.as_posix():
            found = [("IDENTITY_LEFT", "the name of the file"), *found]
        findings += (Finding(code=code, file=shown, place=place) for code, place in found)
    if not kinds:
        raise SettingsError(
            f"{folder} is empty: nothing is proven", hint="Name the folder that is given away."
        )
    return Proof(
        files=dict(sorted(kinds.items())),
        values=len(needles.texts),
        by_right=sought.by_right,
        findings=tuple(findings),
    )


def refuse(proof: Proof, name: str) -> None:
    """Raise PrivacyError, naming files and places, where a proof has found anything."""
    if not proof.findings:
        return
    shown = "; ".join(f"{one.file}: {one.place}" for one in proof.findings[:FINDINGS_SHOWN])
    more = len(proof.findings) - FINDINGS_SHOWN
    message = f"{name} is not published: {shown}" + (f"; and {more} more" if more > 0 else "")
    codes = {finding.code for finding in proof.findings}
    if "IDENTITY_LEFT" in codes:
        raise PrivacyError("IDENTITY_LEFT", message, hint="Ask `mosmed why` and mend the rule.")
    raise PrivacyError("NOT_PROVEN", message)


def sought_of(trails: Iterable[list[Standing]], settings: RegistrySettings) -> Sought:
    """What is known of everybody whose study was opened, but for what every dataset holds."""
    values = {value for trail in trails for value in _values(trail)}
    everything = Needles(traces_of(values))
    by_right = _found_in_an_empty_dataset(everything, settings)
    return Sought(everything.without(by_right), len(by_right))


def _values(trail: list[Standing]) -> Iterator[str]:
    """What the RIS says of the patient, and the headers if the study was exported."""
    yield from trail[0].candidate.identifying_values
    for standing in trail:
        if isinstance(standing.record, Exported):
            yield from standing.record.identifying_values


def _found_in_an_empty_dataset(needles: Needles, settings: RegistrySettings) -> frozenset[str]:
    found: set[str] = set()
    with TemporaryDirectory(prefix="mosmed-") as scratch:
        folder = Path(scratch) / "empty"
        folder.mkdir()
        build_registry.build([], settings, folder)
        for path in (folder, *_entries(folder)):
            found |= needles.found_in_bytes(os.fsencode(path.relative_to(folder)))
            if path.is_file():
                for part in parts_of(path, kind_of(path)):
                    found |= frozenset() if part.is_numbers else needles.found_in(part.content)
    return frozenset(found)


def _examined(path: Path, needles: Needles, numbers: Needles) -> tuple[str, list[tuple[str, str]]]:
    """The kind of a file, and what was found in it: code and place, each place once."""
    if path.is_dir() and not path.is_symlink() and os.access(path, os.R_OK | os.X_OK):
        return "empty folder", []
    if path.is_symlink() or not path.is_file():
        return "no file", [("NOT_PROVEN", "a link, or nothing that can be read")]
    found: dict[tuple[str, str], None] = {}
    kind = "other"
    try:
        kind = kind_of(path)
        for part in parts_of(path, kind):
            if (numbers if part.is_numbers else needles).found_in(part.content):
                found["IDENTITY_LEFT", part.place] = None
    except UnreadableError as error:
        found["NOT_PROVEN", str(error)] = None
    except OSError as error:
        found["NOT_PROVEN", error.strerror or "it cannot be read"] = None
    return kind, list(found)


def _shown(name: Path, needles: Needles) -> str:
    """A path as it may be shown: without the parts that hold a value."""
    parts = [HIDDEN if needles.found_in_bytes(os.fsencode(part)) else part for part in name.parts]
    is_left = HIDDEN not in parts and needles.found_in_bytes(os.fsencode(name))
    text = HIDDEN if is_left else "/".join(parts)
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def _entries(folder: Path) -> Iterator[Path]:
    """Every file and link below a folder, and the folders that are empty or cannot be listed."""
    refused: list[Path] = []
    for place, folders, names in folders_below(folder, lambda e: refused.append(Path(e.filename))):
        yield from (place / name for name in names)
        if not folders and not names and place != folder:
            yield place
    yield from refused
