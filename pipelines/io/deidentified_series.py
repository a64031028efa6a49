"""One item of files becomes a series without identity, and tells of it in counts alone."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.core.deid import Rules
from pipelines.core.errors import DicomError, PrivacyError
from pipelines.core.model import OLDEST_AGE_YEARS, Decision, Excluded, Sex
from pipelines.io.ct_objects import Facts, objection, reason_of
from pipelines.io.engine import Engine, Rewritten
from pipelines.io.new_file import write_part10
from pipelines.io.rewriter import Rewriter
from pipelines.io.unused_bits import UNUSED_BITS

DUPLICATE = "duplicate"


@dataclass(slots=True)
class DeidentifiedSeries:
    """The objects of one item on their way: what was written, left out, removed.

    `paths` are those that were written, below `folder`: by patient, study and series if `is_tree`.
    """

    folder: Path
    total: int
    rules: Rules
    is_tree: bool = False
    paths: list[str] = field(default_factory=list)
    _place: str = ""
    _rewriter: Rewriter = field(init=False)
    _last: tuple[Facts, Engine] | None = None
    _left_out: Counter[str] = field(default_factory=Counter)
    _counts: Counter[str] = field(default_factory=Counter)
    _sexes: list[str] = field(default_factory=list)
    _ages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        tags = (one.tags for one in self.rules.filters)
        self._rewriter = Rewriter(also=frozenset().union(*tags))

    def add(self, file: Path, number: int, engine_of: Callable[[Facts], Engine]) -> None:
        """De-identify and write one file, or count by which rule it is left out."""
        name = f"file {number} of {self.total}"
        with self._rewriter.open(file, name=name) as opened:
            if rule := objection(opened.facts, self.rules.filters):
                self._left_out[rule] += 1
                return
            engine = self._engine(opened.facts, engine_of)
            rewritten = self._rewriter.rewrite(opened, engine)
            path = self._path(rewritten, engine.patient)
            if engine.known.found_in(path.encode()):
                raise PrivacyError("IDENTITY_LEFT", f"{name}: a value would be in the file's name")
            self._write(path, rewritten, name)
        self._counts += rewritten.counts
        self._sexes.append(rewritten.patient_sex)
        self._ages.append(rewritten.patient_age)

    def _engine(self, facts: Facts, engine_of: Callable[[Facts], Engine]) -> Engine:
        """The engine for what a file says of itself; slices of a series mostly say the same."""
        if self._last is None or self._last[0] is not facts:
            self._last = facts, engine_of(facts)
        return self._last[1]

    def _path(self, rewritten: Rewritten, patient: str) -> str:
        name = f"{rewritten.sop_instance_uid}.dcm"
        if not self.is_tree:
            return name
        uids = (rewritten.study_instance_uid, rewritten.series_instance_uid)
        return "/".join((patient, *uids, name))

    def _write(self, path: str, rewritten: Rewritten, name: str) -> None:
        target = f"{self.folder}/{path}"
        try:
            self._make_folder_of(path)
            write_part10(target, rewritten.head, rewritten.tail, name=name)
        except FileExistsError:
            if Path(target).read_bytes() != rewritten.content():
                raise DicomError(
                    "CONFLICTING_DUPLICATE", f"{name}: another object has its SOPInstanceUID"
                ) from None
            self._left_out[DUPLICATE] += 1
        else:
            self.paths.append(path)

    def _make_folder_of(self, path: str) -> None:
        """Slices of one series lie in one folder, which is made once."""
        place = path.rpartition("/")[0]
        if place and place != self._place:
            (self.folder / place).mkdir(parents=True, exist_ok=True)
            self._place = place

    def age_years(self, known: int | None) -> int | None:
        """The age the record has, else that of the first image that has one; 90 for more."""
        ages = [age for age in self._ages if age]
        if known is None and ages:
            number, unit = int(ages[0][:3]), ages[0][3]
            known = number * {"Y": 365, "M": 30, "W": 7, "D": 1}[unit] // 365
        return None if known is None else min(known, OLDEST_AGE_YEARS)

    def sex(self, known: Sex) -> Sex:
        """The sex the record has, else that of the first image that has one."""
        sexes = [Sex(sex) for sex in self._sexes if sex]
        return sexes[0] if known is Sex.OTHER and sexes else known

    def excluded(self, public_id: str) -> Excluded:
        """The item without any object that may pass, by the rule that hit most of them."""
        rule = max(sorted(self._left_out), key=lambda rule: self._left_out[rule])
        return Excluded(
            public_id=public_id,
            rule=rule,
            reason=reason_of(rule),
            decisions=self._left_out_decisions(),
        )

    def decisions(self) -> tuple[Decision, ...]:
        """What was decided, in counts: no value of any element enters a record."""
        counts = ", ".join(f"{action} {count}" for action, count in sorted(self._counts.items()))
        profile = Decision(
            rule="profile",
            value=f"{len(self.paths)} objects",
            outcome=f"elements: {counts}; nothing removed is left in any byte of the headers",
        )
        loosened = tuple(
            Decision(rule="recipe", value=keyword, outcome="kept: Basic Profile not claimed")
            for keyword in self.rules.loosened
        )
        return (*self._left_out_decisions(), profile, *self._cleared(), *loosened)

    def _cleared(self) -> tuple[Decision, ...]:
        images = self._counts[UNUSED_BITS]
        cleared = Decision(
            rule=UNUSED_BITS,
            value=f"{images} objects",
            outcome="bits of pixels beside BitsStored, where an old overlay may stand: cleared",
        )
        return (cleared,) if images else ()

    def _left_out_decisions(self) -> tuple[Decision, ...]:
        return tuple(
            Decision(
                rule=rule,
                value=f"{count} of {self.total} objects",
                outcome="left out: "
                + ("the same object again" if rule == DUPLICATE else reason_of(rule)),
            )
            for rule, count in sorted(self._left_out.items())
        )
