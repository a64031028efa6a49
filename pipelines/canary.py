"""Canaries: invented identities in copies of the user's own files, under the user's own rules.

The oracle knows nothing of the rules: it looks for what was planted in the bytes and names of what
came out. Removed is what is not there; caught is what came with a file that was refused or left
out; anything else is left, and the rules are not good enough.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pipelines import anonymize
from pipelines.certificate import rules_digest, write_canary
from pipelines.chain import EXPORT
from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.codec import to_jsonable
from pipelines.core.errors import WorkspaceError
from pipelines.core.identity import Exported
from pipelines.core.model import Excluded, Failed, FolderItem
from pipelines.core.ocr_settings import OcrSettings
from pipelines.core.patient_settings import PatientSettings
from pipelines.io.planting import PLACES, Kind, echo, echo_privately, encoded, make_capture, planted
from pipelines.run import Run
from pipelines.runner import Task, attempt

FILE_NAME, FOLDER_NAME = "name of the file", "name of the folder"
ECHO, PRIVATE_ECHO, CAPTURE, BEHIND = (
    "name in a kept attribute (ConvolutionKernel)",
    "patient's number in private numbers known as safe",
    "pixels of a capture",
    "bytes behind the last element",
)
SCORED: dict[str, Kind] = {
    **PLACES,
    FILE_NAME: Kind.NUMBER,
    FOLDER_NAME: Kind.NUMBER,
    ECHO: Kind.NAME,
    PRIVATE_ECHO: Kind.NUMBER,
    CAPTURE: Kind.NUMBER,
    BEHIND: Kind.NUMBER,
}

ALPHABETS = {
    "ISO_IR 100": ("Kanar", "aeiou", "bdfgklmnprstvz"),
    "ISO_IR 144": ("Канар", "аеиоу", "бвгдзклмнпрстф"),
    "ISO_IR 192": ("Кёнар", "аеиоу", "бвгдзклмнпрстф"),
}
"""By character set: how a word begins, its vowels and its consonants."""

SYLLABLES = 4
FIRST_DAY = date(1901, 3, 1)
UID_ROOT = "1.2.826.0.1.3680043.10.1999"
ENCODINGS = ("utf-8", "latin-1", "iso8859-5", "cp1251", "utf-16-le")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceScore:
    """What became of the canaries of one place."""

    place: str
    planted: int
    removed: int
    caught: int
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryReport:
    """What became of all canaries, in all and by place."""

    identities: int
    rules_sha256: str
    places: tuple[PlaceScore, ...]
    planted: int
    removed: int
    caught: int
    score_percent: float

    @property
    def exit_status(self) -> int:
        """0 nothing is left, 4 something is."""
        return 0 if self.removed + self.caught == self.planted else 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """A file with canaries: those that count in it, by place."""

    path: Path
    values: Mapping[str, str]


def release(run: Run, identities: int) -> CanaryReport:
    """Plant so many identities in copies of exported files, and see what the rules leave of them.

    Nothing stays on the disk but the score. Raises WorkspaceError where nothing is exported yet.
    """
    workspace, settings = run.workspace, run.settings.anonymize
    sources = _sources(run)
    if not sources:
        raise WorkspaceError(
            f"{workspace.root}: no study has been exported yet", hint="Run: mosmed export"
        )
    scratch = workspace.temporary(workspace.private / "canary", "run")
    workspace.discard(scratch)
    counts: Counter[tuple[str, str]] = Counter()
    try:
        for number in range(identities):
            source = sources[number % len(sources)]
            for copy in _copies(source, scratch / f"in-{number}", number):
                counts.update(_outcomes(copy, settings, scratch / "out"))
            workspace.discard(scratch)
    finally:
        workspace.discard(workspace.private / "canary")
    report = _report(counts, identities, rules_digest(settings))
    write_canary(workspace, to_jsonable(report))
    return report


def _sources(run: Run) -> list[Path]:
    """The middle image of each study that has been exported."""
    standings = run.standings()
    middles = []
    for standing in standings.opened():
        trail = standings.trail(standing.candidate)
        if any(isinstance(one.record, Exported) for one in trail):
            folder = standings.folder(EXPORT) / standing.candidate.public_id / "series"
            files = sorted(folder.glob("*.dcm"))
            middles += files[len(files) // 2 : len(files) // 2 + 1]
    return middles


def _copies(source: Path, folder: Path, number: int) -> Iterator[_Copy]:
    """One copy with canaries wherever they are well formed, and one for each malicious place."""
    charset = list(ALPHABETS)[number % len(ALPHABETS)]
    values = {
        place: value_of(kind, charset, number * len(SCORED) + place_number)
        for place_number, (place, kind) in enumerate(SCORED.items())
    }
    name = f"identity {number + 1}"
    folder = folder / values[FOLDER_NAME]
    folder.mkdir(parents=True)
    everywhere = {place: values[place] for place in (*PLACES, FILE_NAME, FOLDER_NAME)}
    path = folder / f"{values[FILE_NAME]}.dcm"
    for place in (None, ECHO, PRIVATE_ECHO, CAPTURE, BEHIND):
        dataset = planted(source, values, charset=charset, name=name)
        if place == ECHO:
            dataset.PatientName = values[ECHO]
            echo(dataset)
        elif place == PRIVATE_ECHO:
            dataset.PatientID = values[PRIVATE_ECHO]
            echo_privately(dataset)
        elif place == CAPTURE:
            make_capture(dataset, values[CAPTURE])
        behind = values[BEHIND].encode() if place == BEHIND else b""
        path.write_bytes(encoded(dataset, name=name) + behind)
        yield _Copy(path=path, values={place: values[place]} if place else everywhere)


def value_of(kind: Kind, charset: str, number: int) -> str:
    """A value that stands nowhere else: another one for every number."""
    if kind is Kind.UID:
        return f"{UID_ROOT}.{number}.7"
    if kind is Kind.NUMBER:
        return f"77{number:08d}77"
    if kind is Kind.DATE:
        return f"{FIRST_DAY + timedelta(days=number % 18_000):%Y%m%d}"
    beginning, vowels, consonants = ALPHABETS[charset]
    word = beginning
    for _ in range(SYLLABLES):
        number, syllable = divmod(number, len(vowels) * len(consonants))
        word += consonants[syllable // len(vowels)] + vowels[syllable % len(vowels)]
    return word if kind is Kind.TEXT else f"{word}^{beginning}"


def _outcomes(copy: _Copy, settings: AnonymizeSettings, out: Path) -> Iterator[tuple[str, str]]:
    """Each place of a copy, and what became of its canary."""
    item = FolderItem(name="canary", files=(copy.path,))
    task = Task(
        public_id="canary",
        work=anonymize.work_plain,
        arguments=(item, settings, PatientSettings(), OcrSettings()),
        folder=out,
    )
    result = attempt(task)
    is_refused = isinstance(result.value, Excluded | Failed)
    content = b"" if is_refused else _everything(out)
    for place, value in copy.values.items():
        is_left = any(form in content for form in _forms(value))
        yield place, "caught" if is_refused else "left" if is_left else "removed"


def _everything(folder: Path) -> bytes:
    """All names and bytes below a folder, ASCII letters small."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = "\0".join(str(path.relative_to(folder)) for path in files)
    return b"\0".join((names.encode(), *(path.read_bytes() for path in files))).lower()


def _forms(value: str) -> Iterator[bytes]:
    """A canary as it may stand in bytes: a name by its first part, a date in three notations."""
    text = value.partition("^")[0]
    texts = {text, text.upper(), text.lower()}
    if day := re.fullmatch(r"(\d{4})(\d\d)(\d\d)", text):
        texts |= {"-".join(day.groups()), ".".join(day.groups()[::-1])}
    for one in texts:
        for encoding in ENCODINGS:
            if form := one.encode(encoding, "ignore").lower():
                yield form


def _report(counts: Counter[tuple[str, str]], identities: int, rules: str) -> CanaryReport:
    scores = tuple(
        PlaceScore(
            place=place,
            planted=sum(counts[place, what] for what in ("removed", "caught", "left")),
            removed=counts[place, "removed"],
            caught=counts[place, "caught"],
            left=counts[place, "left"],
        )
        for place in SCORED
    )
    planted_in_all = sum(score.planted for score in scores)
    removed = sum(score.removed for score in scores)
    caught = sum(score.caught for score in scores)
    return CanaryReport(
        identities=identities,
        rules_sha256=rules,
        places=scores,
        planted=planted_in_all,
        removed=removed,
        caught=caught,
        score_percent=100 * (removed + caught) * 100 // planted_in_all / 100,
    )
