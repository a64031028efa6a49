"""Charts of counts as plain SVG: bars for what has names, columns for what has an order.

They are 360 px wide, which a phone shows at its own size.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipelines.publication.report.svg import CHARACTER, element, figure, joined, lines_of, text

WIDTH = 360.0
BAR, LINE = 9.0, 17.0
PLOT_TOP, PLOT_HEIGHT, AXIS = 26.0, 150.0, 34.0
MOST_LABELS = 9
MOST_BINS = 12
STEPS = (1, 2, 2.5, 5, 10)
TOPS = (1, 2, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What a chart shows: for each label one count a series.

    With `is_binned` a label is the first value of a bin, and stands where the bin begins.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    series: tuple[tuple[str, tuple[int, ...]], ...]
    unit: str = ""
    is_binned: bool = False

    @property
    def totals(self) -> tuple[int, ...]:
        """All series together, label by label."""
        return tuple(map(sum, zip(*(counts for _, counts in self.series), strict=True)))

    @property
    def description(self) -> str:
        """The chart in one sentence for those who do not see it."""
        told = zip(self.labels, self.totals, strict=True)
        return "; ".join(f"{label}: {count}" for label, count in told)


def bars(chart: Chart) -> Markup:
    """One bar a label, the label above it, its count at its end."""
    most = max((*chart.totals, 1))
    total = sum(chart.totals)
    parts: list[Markup] = []
    y = 0.0
    for label, count in zip(chart.labels, chart.totals, strict=True):
        lines = lines_of(label, WIDTH - 96)
        for number, line in enumerate(lines):
            parts.append(text(0, y + LINE * (number + 0.8), line))
        said = f"{count} · {100 * count / total:.0f} %" if total else str(count)
        parts.append(text(WIDTH, y + LINE * 0.8, said, "end quiet"))
        y += LINE * len(lines) + 3
        parts.append(element("rect", x=0, y=y, width=WIDTH, height=BAR, rx=2, class_="track"))
        width = WIDTH * count / most
        parts.append(element("rect", x=0, y=y, width=width, height=BAR, rx=2, class_="s0"))
        y += BAR + 10
    return figure(chart.name, (WIDTH, max(y - 6, 1)), (chart.title, chart.description), *parts)


def columns(chart: Chart) -> Markup:
    """One column a label, the series of it on top of one another, with a legend for several."""
    top = nice_top(max((*chart.totals, 1)))
    left = 8.0 + 7.5 * len(str(top))
    slot = (WIDTH - left) / max(len(chart.labels), 1)
    parts = [*_grid(left, top), *_legend(chart)]
    for number in range(len(chart.labels)):
        parts += _column(chart, number, (left + number * slot, slot), top)
    if chart.unit:
        parts.append(text(WIDTH, PLOT_TOP + PLOT_HEIGHT + AXIS - 2, chart.unit, "end quiet small"))
    size = (WIDTH, PLOT_TOP + PLOT_HEIGHT + AXIS)
    return figure(chart.name, size, (chart.title, chart.description), *parts)


def _column(chart: Chart, number: int, place: tuple[float, float], top: int) -> Iterator[Markup]:
    """The parts of one column in its `place`, x and width, and its label where there is room."""
    x, slot = place
    y = PLOT_TOP + PLOT_HEIGHT
    if number % math.ceil(len(chart.labels) / MOST_LABELS) == 0:
        label = chart.labels[number]
        at, style = (x + slot * 0.1, "") if chart.is_binned else (x + slot / 2, "middle ")
        if chart.is_binned and at + CHARACTER * len(label) > WIDTH:
            at, style = WIDTH, "end "
        yield text(at, y + 16, label, f"{style}quiet small")
    for series, (_, counts) in enumerate(chart.series):
        if counts[number]:
            height = PLOT_HEIGHT * counts[number] / top
            y -= height
            size = {"x": x + slot * 0.1, "y": y, "width": slot * 0.8, "height": height}
            yield element("rect", **size, class_=f"s{series}")


def _grid(left: float, top: int) -> list[Markup]:
    """The lines at nothing, half and all of the scale, with their counts."""
    parts: list[Markup] = []
    for count in sorted({0, top // 2 if top % 2 == 0 else 0, top}):
        y = PLOT_TOP + PLOT_HEIGHT * (1 - count / top)
        parts.append(element("line", x1=left, y1=y, x2=WIDTH, y2=y, class_="grid"))
        parts.append(text(left - 6, y + 4, str(count), "end quiet small"))
    return parts


def _legend(chart: Chart) -> list[Markup]:
    if len(chart.series) == 1:
        return []
    parts: list[Markup] = []
    x = WIDTH
    for series, (name, _) in reversed(list(enumerate(chart.series))):
        x -= CHARACTER * len(name)
        parts.append(text(x, 12, name, "small"))
        x -= 15
        parts.append(element("rect", x=x, y=3, width=10, height=10, rx=2, class_=f"s{series}"))
        x -= 10
    return [joined(parts)]


def nice_top(most: int) -> int:
    """The end of a scale that holds `most`: a round number, even unless it is small."""
    scale = 10.0 ** math.floor(math.log10(most))
    top = next(step * scale for step in TOPS if step * scale >= most)
    return max(math.ceil(top), 2)


def binned(values: Sequence[float]) -> tuple[tuple[float, int], ...]:
    """The start of each bin that suits the values, with its count.

    At most twelve bins of a round width; the last one holds the greatest value.
    """
    low, high = min(values), max(values)
    width = _round_width((high - low) / MOST_BINS)
    first, last = math.floor(low / width), math.floor(high / width)
    counts = [0] * (last - first + 1)
    for value in values:
        counts[math.floor(value / width) - first] += 1
    return tuple((round((first + n) * width, 9), count) for n, count in enumerate(counts))


def _round_width(least: float) -> float:
    if least <= 0:
        return 1.0
    scale = 10.0 ** math.floor(math.log10(least))
    return max(next(step * scale for step in STEPS if step * scale > least), 1e-6)
