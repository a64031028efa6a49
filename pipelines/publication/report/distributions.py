"""The distributions of a dataset as charts, in one language."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipelines.core.anonymity import HIDDEN
from pipelines.core.model import Category, Sex
from pipelines.publication.language import Language
from pipelines.publication.report.charts import Chart, bars, binned, columns
from pipelines.publication.report.contents import Contents, Study, counted, known


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A chart, its figure, and how many studies have no value to be counted by."""

    chart: Chart
    figure: Markup
    without_value: int = 0


def charts_of(contents: Contents, language: Language) -> list[Drawn]:
    """All charts that have something to show; their names are unique in a page of all languages."""
    studies, words, suffix = contents.studies, language.words, language.code
    if not studies:
        return []

    def named(key: str, values: Iterable[str]) -> Drawn:
        rows = counted(values)
        return _bars(f"{key}-{suffix}", words[f"chart_{key}"], rows)

    def measured(key: str, values: Sequence[float | None], unit: str) -> Drawn | None:
        name, title = f"{key}-{suffix}", words[f"chart_{key}"]
        return _histogram(name, title, values, words[f"unit_{unit}"], language)

    def millimetres(value: float | None) -> str:
        return words["unknown"] if value is None else f"{language.number(value)} {words['unit_mm']}"

    drawn = [
        _categories(studies, words, suffix),
        _ages(studies, words, suffix),
        measured("slices", [float(study.slices) for study in studies], "slices"),
        measured("lung", [study.lung_mean_hu for study in studies], "hu"),
        measured("dose", [study.effective_dose_msv for study in studies], "msv"),
        named("step", (millimetres(study.step_mm) for study in studies)),
        named("source_step", (millimetres(study.source_step_mm) for study in studies)),
        named("kernel", (study.kernel or words["unknown"] for study in studies)),
        named("scanner", (_told(study.scanner, words) for study in studies)),
    ]
    nothing = ((words["unknown"],), (words["hidden"],))
    return [one for one in drawn if one is not None and one.chart.labels not in nothing]


def _told(value: str, words: Mapping[str, str]) -> str:
    return words["hidden"] if value == HIDDEN else value or words["unknown"]


def _categories(studies: Sequence[Study], words: Mapping[str, str], suffix: str) -> Drawn:
    def counts(has_mask: bool) -> tuple[int, ...]:
        met = Counter(study.category for study in studies if study.has_mask is has_mask)
        return tuple(met[category] for category in Category)

    chart = Chart(
        name=f"category-{suffix}",
        title=words["chart_category"],
        labels=tuple(map(str, Category)),
        series=((words["with_mask"], counts(True)), (words["without_mask"], counts(False))),
    )
    return Drawn(chart=chart, figure=columns(chart))


def _ages(studies: Sequence[Study], words: Mapping[str, str], suffix: str) -> Drawn | None:
    bands = sorted({study.age_band for study in studies} - {"", HIDDEN}, key=_start)
    if not bands:
        return None
    of_sex = {Sex.FEMALE.value: "female", Sex.MALE.value: "male"}
    met = Counter((study.age_band, of_sex.get(study.sex, "other")) for study in studies)
    chart = Chart(
        name=f"age-{suffix}",
        title=words["chart_age"],
        labels=tuple(band.replace("-", "–") for band in bands),
        series=tuple(
            (words[sex], tuple(met[band, sex] for band in bands))
            for sex in ("female", "male", "other")
            if any(met[band, sex] for band in bands)
        ),
        unit=words["unit_years"],
    )
    told = sum(chart.totals)
    return Drawn(chart=chart, figure=columns(chart), without_value=len(studies) - told)


def _start(band: str) -> int:
    return int(band.rstrip("+").split("-")[0])


def _bars(name: str, title: str, rows: Sequence[tuple[str, int]]) -> Drawn:
    labels, counts = zip(*rows, strict=True)
    chart = Chart(name=name, title=title, labels=labels, series=((title, counts),))
    return Drawn(chart=chart, figure=bars(chart))


def _histogram(
    name: str,
    title: str,
    values: Sequence[float | None],
    unit: str,
    language: Language,
) -> Drawn | None:
    present = known(values)
    if not present:
        return None
    bins = binned(present)
    chart = Chart(
        name=name,
        title=title,
        labels=tuple(language.number(start) for start, _ in bins),
        series=((title, tuple(count for _, count in bins)),),
        unit=unit,
        is_binned=True,
    )
    return Drawn(chart=chart, figure=columns(chart), without_value=len(values) - len(present))
