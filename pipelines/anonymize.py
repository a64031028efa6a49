"""Anonymize one study: only original CT images pass, by rules that are compiled from one recipe.

What leaves this stage holds no identity: its records start anew, its files are named by keyed
UIDs, and each file is searched for what was taken out of it before it is written.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.deid import Rules
from pipelines.core.errors import DicomError, ItemError, PrivacyError, SettingsError
from pipelines.core.identity import Exported, Pseudonyms
from pipelines.core.model import (
    Decision,
    Deidentified,
    Excluded,
    FolderItem,
    Ocr,
    ReaderMask,
    Sex,
)
from pipelines.core.ocr_settings import OcrSettings
from pipelines.core.patient_settings import PatientSettings
from pipelines.core.profile import profile
from pipelines.core.traces import Traces, traces_of
from pipelines.io.ct_objects import Facts, objection, patient_key_of, reason_of
from pipelines.io.engine import OLDEST_AGE_YEARS, Engine, Rewritten
from pipelines.io.keys import read_key
from pipelines.io.new_file import write_part10
from pipelines.io.plain_folders import find_series, refusal
from pipelines.io.profile_options import options_of
from pipelines.io.rewriter import Rewriter
from pipelines.io.same_patients import read_same_patients

VERSION: int = 5

TABLES = (AnonymizeSettings, PatientSettings, OcrSettings)
"""The settings it is told on plain folders."""

SERIES_FOLDER = "series"
DUPLICATE = "duplicate"

find = find_series


def work(
    exported: Exported, settings: AnonymizeSettings, source: Path, folder: Path
) -> Deidentified | Excluded:
    """Write the series of one study without identity into `folder`, as `<SOPInstanceUID>.dcm`.

    Excluded where no object is an original CT image. Raises DicomError for a file that is not
    whole and PrivacyError where identity is left.
    """
    files = sorted((source / SERIES_FOLDER).glob("*.dcm"))
    if len(files) != exported.instances:
        raise ItemError(
            "INCOMPLETE_STUDY", f"{len(files)} files of {exported.instances} lie in the export"
        )
    pseudonyms = Pseudonyms(_key(settings))
    engine = Engine(
        rules=rules_of(settings),
        pseudonyms=pseudonyms,
        patient=pseudonyms.patient(exported.patient_key),
        known=traces_of(exported.identifying_values),
        shift_days=pseudonyms.shift_days(exported.patient_key, settings.maximum_shift_days),
    )
    series = _Series(folder=folder, total=len(files), rules=engine.rules)
    for number, file in enumerate(files, start=1):
        series.add(file, number, lambda _facts: engine)
    if not series.paths:
        return series.excluded(exported.public_id)
    _pass_on_table(source, folder, engine)
    return Deidentified(
        public_id=exported.public_id,
        category=exported.category,
        patient_age_years=series.age_years(exported.patient_age_years),
        patient_sex=series.sex(exported.patient_sex),
        patient_pseudonym=engine.patient,
        dose_length_product_mgy_cm=exported.dose_length_product_mgy_cm,
        readings=exported.readings,
        decisions=series.decisions(),
        instances=len(series.paths),
        masks=_masks(exported.masks, source, folder, pseudonyms),
    )


def _pass_on_table(source: Path, folder: Path, engine: Engine) -> None:
    """Write what the export knows of slices that it has not brought: numbers, under keyed UIDs.

    Raises PrivacyError IDENTITY_LEFT.
    """
    from pipelines.io.slice_table import TABLE_NAME, read_table, table_bytes  # needs NumPy

    rows = read_table(source / TABLE_NAME)
    if rows is None:
        return
    uid = engine.pseudonyms.uid
    content = table_bytes(
        [replace(row, sop_instance_uid=uid(row.sop_instance_uid)) for row in rows]
    )
    if engine.known.found_in(content):
        raise PrivacyError("IDENTITY_LEFT", "a value would be in the table of all slices")
    (folder / TABLE_NAME).write_bytes(content)


def work_plain(
    item: FolderItem,
    settings: AnonymizeSettings,
    patients: PatientSettings,
    looking: OcrSettings,
    folder: Path,
) -> Deidentified | Excluded:
    """Write the objects of one item of a plain folder into `folder`, sorted by their pseudonyms.

    They are named `<patient>/<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm`. Their
    pixels are looked at only where an OCR is asked for.
    """
    if excluded := refusal(item):
        return excluded
    rules, pseudonyms = rules_of(settings), Pseudonyms(_key(settings))
    same = read_same_patients(patients.same_patients)

    def engine(facts: Facts) -> Engine:
        key = same.main(patient_key_of(facts))
        return Engine(
            rules=rules,
            pseudonyms=pseudonyms,
            patient=pseudonyms.patient(key),
            known=Traces(frozenset()),
            shift_days=pseudonyms.shift_days(key, settings.maximum_shift_days),
        )

    series = _Series(folder=folder, total=len(item.files), rules=rules, is_tree=True)
    for number, file in enumerate(item.files, start=1):
        series.add(file, number, engine)
    if not series.paths:
        return series.excluded(item.name)
    if looking.ocr is not Ocr.OFF:
        from pipelines.io.pixels_with_text import refuse_text  # needs NumPy

        refuse_text([folder / path for path in series.paths], looking.ocr)
    return Deidentified(
        public_id=series.paths[0].partition("/")[0],
        category=None,
        patient_age_years=series.age_years(None),
        patient_sex=series.sex(Sex.OTHER),
        decisions=series.decisions(),
        instances=len(series.paths),
    )


def rules_of(settings: AnonymizeSettings) -> Rules:
    """The shipped rules and the user's recipes, compiled; raises SettingsError with file:line.

    The shipped recipe is what deid's parser makes of it: a test, not every run, proves that.
    """
    options = options_of(settings)
    if not settings.recipes:
        return profile(options)
    from pipelines.io.recipe import load

    return load(options, settings.recipes)


def _key(settings: AnonymizeSettings) -> bytes:
    if settings.key is None:
        raise SettingsError("no key for the pseudonyms", hint="Name a key file with --key.")
    return read_key(settings.key)


def _masks(
    masks: Sequence[ReaderMask], source: Path, folder: Path, pseudonyms: Pseudonyms
) -> tuple[ReaderMask, ...]:
    """The masks with nothing but geometry and voxels, in order of their readers' pseudonyms."""
    from pipelines.io.mask_header import clean_mask  # gzip, and most studies have no mask

    named = [(pseudonyms.reader(one.reader) if one.reader else "", one.file) for one in masks]
    cleaned = []
    for number, (reader, file) in enumerate(sorted(named), start=1):
        clean_mask(source / Path(file).name, folder / f"mask-{number}.nii.gz")
        cleaned.append(ReaderMask(file=f"mask-{number}.nii.gz", reader=reader))
    return tuple(cleaned)


@dataclass(slots=True)
class _Series:
    """The objects of one item on their way: what was written, left out, removed."""

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
        return (*self._left_out_decisions(), profile, *loosened)

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
