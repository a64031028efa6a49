"""The whole of a published folder: what is checked, in which order, and what comes of it."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.core.checks import CHECKS, Finding, Severity
from pipelines.core.errors import SettingsError
from pipelines.core.model import Failed
from pipelines.io.tree import walk_files
from pipelines.runner import Result, Task, Workers
from pipelines.validation.privacy import check_privacy, shown_name
from pipelines.validation.registry import Listing, check_registry
from pipelines.validation.studies import StudyFiles, StudyVerdict, check_study
from pipelines.validation.tables import check_sums, check_table, read_sums

EXIT_STATUS = {Severity.IDENTITY: 4, Severity.FAULT: 3}
STEP_TOLERANCE_MM = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What was looked at and what was found, in the order of files."""

    files: int
    studies: int
    findings: tuple[Finding, ...]

    @property
    def exit_status(self) -> int:
        """4 where identity was found, 3 where faults were, else 0: warnings do not count."""
        return max((EXIT_STATUS.get(one.severity, 0) for one in self.findings), default=0)

    def with_findings(self, more: Sequence[Finding]) -> "Validation":
        """The same with findings from elsewhere."""
        return Validation(
            files=self.files, studies=self.studies, findings=_ordered([*self.findings, *more])
        )


def validate(
    root: Path, *, jobs: int, ended: Callable[[int, Result], None] = lambda _total, _result: None
) -> Validation:
    """Check a folder in the layout of MosMedData; `ended(total, result)` is told of each study.

    Raises SettingsError where there is no such folder.
    """
    if not root.is_dir():
        raise SettingsError(f"{root} is no folder", hint="Name the folder that holds the registry.")
    files, findings = _files(root)
    listing = check_registry(root, files)
    sums, faults = read_sums(root)
    findings += [*listing.findings, *faults]
    verdicts = _verdicts(root, listing, jobs=jobs, is_summed=bool(sums), ended=ended)
    findings += [finding for verdict in verdicts for finding in verdict.findings]
    findings += _odd_steps(listing.studies, verdicts)
    findings += check_table(root, listing.categories)
    if sums:
        known = {name: digest for verdict in verdicts for name, digest in verdict.digests.items()}
        findings += check_sums(root, sums, files, known)
    looked_at = {name for one in listing.studies for name in (one.volume, one.mask)}
    for name in files:
        if name not in looked_at:
            findings += check_privacy(root, name)
    return Validation(files=len(files), studies=len(listing.studies), findings=_ordered(findings))


def _ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Each finding once; the worst codes first, as the table has them, then by file."""
    rank = {code: number for number, code in enumerate(CHECKS)}
    severities = list(Severity)

    def key(one: Finding) -> tuple[int, int, str, str]:
        return severities.index(one.severity), rank[one.code], one.file, one.place

    return tuple(sorted(dict.fromkeys(findings), key=key))


def _files(root: Path) -> tuple[list[str], list[Finding]]:
    """Every file below a folder by its path, in order; links and the like are findings."""
    files, findings = [], []
    for path in walk_files(root):
        relative = path.relative_to(root).as_posix()
        if path.is_file() and not path.is_symlink():
            files.append(relative)
        else:
            place = "a link" if path.is_symlink() else "no regular file"
            findings.append(Finding(code="FILE_LINK", file=shown_name(relative), place=place))
    return sorted(files), findings


def _verdicts(
    root: Path,
    listing: Listing,
    *,
    jobs: int,
    is_summed: bool,
    ended: Callable[[int, Result], None],
) -> list[StudyVerdict]:
    """The verdicts in the order of the studies, whatever order they come in."""
    by_name: dict[str, StudyVerdict] = {}
    with tempfile.TemporaryDirectory(prefix="mosmed-") as scratch, Workers(jobs) as workers:
        for result in workers.run(_tasks(root, listing, is_summed, Path(scratch))):
            value = result.value
            if isinstance(value, Failed):
                finding = Finding(code="INTERNAL", file=result.public_id, place=value.code)
                value = StudyVerdict(findings=(finding,), step_mm=None, digests={})
            by_name[result.public_id] = value
            ended(len(listing.studies), result)
    return [by_name[str(n)] for n in range(len(listing.studies))]


def _tasks(root: Path, listing: Listing, is_summed: bool, scratch: Path) -> Iterator[Task]:
    for number, files in enumerate(listing.studies):
        yield Task(
            public_id=str(number),
            work=check_study,
            arguments=(files, root, is_summed),
            folder=scratch / str(number),
        )


def _odd_steps(
    studies: Sequence[StudyFiles], verdicts: Sequence[StudyVerdict]
) -> Iterator[Finding]:
    """The studies whose slices are not as far apart as those of most."""
    steps = [verdict.step_mm for verdict in verdicts if verdict.step_mm is not None]
    if not steps:
        return
    usual_mm = Counter(steps).most_common(1)[0][0]
    for files, verdict in zip(studies, verdicts, strict=True):
        if verdict.step_mm is not None and abs(verdict.step_mm - usual_mm) > STEP_TOLERANCE_MM:
            yield Finding(code="STEP_DIFFERS", file=files.volume or "", place="pixdim")
