"""The flow of exclusions after CONSORT 2010: every number out of the ledgers, and they add up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from pipelines.core.model import STAGE_NAMES
from pipelines.core.published import Flow, Loss
from pipelines.publication.report.svg import BOLD_CHARACTER, element, figure, joined, lines_of, text

PERSONAL_RULES = ("age", "pregnancy", "spo2")
"""The rules of selection that tell something about a person's body."""

JOINED = "joined"
"""The code of a loss that stands for several, each of fewer than k people."""

SELECT = STAGE_NAMES[0]
PADDING, LINE, GAP = 10.0, 18.0, 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How wide the figure is, its boxes in the main way, and where those beside it begin."""

    name: str
    width: float
    main: float
    spine: float
    side: float


WIDE = Shape(name="wide", width=720, main=370, spine=120, side=200)
NARROW = Shape(name="narrow", width=340, main=340, spine=22, side=44)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box of the flow: a count with a heading, and of what it consists."""

    heading: str
    count: int
    parts: tuple[tuple[str, int], ...] = ()
    is_side: bool = False


def with_small_counts_joined(flow: Flow, k: int) -> Flow:
    """The flow with no count of 1 to k-1 at a rule that tells something about people's bodies.

    Such rules are counted together, with the least of the others if they are too few even then.
    """
    chosen = [loss for loss in flow.losses if _is_small(loss, k)]
    others = sorted(
        (loss for loss in flow.losses if loss.stage == SELECT and loss not in chosen),
        key=lambda loss: (loss.code not in PERSONAL_RULES, loss.count, loss.code),
    )
    while chosen and sum(loss.count for loss in chosen) < k and others:
        chosen.append(others.pop(0))
    if not chosen:
        return flow
    codes = "+".join((JOINED, *(loss.code for loss in flow.losses if loss in chosen)))
    one = Loss(stage=SELECT, code=codes, count=sum(loss.count for loss in chosen))
    rest = [loss for loss in flow.losses if loss not in chosen]
    place = sum(loss.stage == SELECT for loss in rest)
    return replace(flow, losses=(*rest[:place], one, *rest[place:]))


def _is_small(loss: Loss, k: int) -> bool:
    return loss.stage == SELECT and loss.code in PERSONAL_RULES and 0 < loss.count < k


def boxes_of(flow: Flow, published: Mapping[str, int], words: Mapping[str, str]) -> list[Box]:
    """The boxes from top to bottom; what is beside the way is what leaves it there."""
    lost = [loss for loss in flow.losses if loss.stage == SELECT]
    fell = [loss for loss in flow.losses if loss.stage != SELECT]
    total = sum(published.values())
    boxes = [
        Box(heading=words["flow_rows"], count=flow.rows),
        _side(words["flow_left_out"], [(_rule(x.code, words), x.count) for x in lost]),
        Box(heading=words["flow_eligible"], count=flow.eligible),
        _side(words["flow_reserves"], [], flow.eligible - flow.opened),
        Box(heading=words["flow_opened"], count=flow.opened),
        _side(words["flow_fell_out"], [(_fallen(x, words), x.count) for x in fell]),
        _side(words["flow_pending"], [], flow.pending),
        _side(words["flow_no_category"], [], flow.came_through - total),
        Box(heading=words["flow_published"], count=total, parts=tuple(published.items())),
    ]
    return [box for box in boxes if box.count or not box.is_side]


def _rule(code: str, words: Mapping[str, str]) -> str:
    """What a rule of the selection is called."""
    if code.startswith(JOINED):
        names = [_rule(one, words) for one in code.split("+")[1:]]
        return words["flow_joined"].format(rules=", ".join(names))
    return words.get(f"rule_{code}", code)


def _fallen(loss: Loss, words: Mapping[str, str]) -> str:
    """What a rule or a fault of a later stage is called."""
    name = loss.code if loss.is_failure else words.get(f"rule_{loss.code}", loss.code)
    return f"{loss.stage}: {name}"


def _side(heading: str, parts: Sequence[tuple[str, int]], count: int | None = None) -> Box:
    total = sum(number for _, number in parts) if count is None else count
    return Box(heading=heading, count=total, parts=tuple(parts), is_side=True)


def flow_svg(boxes: Sequence[Box], told: tuple[str, str], *, shape: Shape, name: str) -> Markup:
    """The figure in one shape."""
    parts: list[Markup] = []
    y = 1.0
    way_y = 0.0
    for number, box in enumerate(boxes):
        height, drawn = _box(box, shape, y)
        if number:
            parts.append(_arrow(box, shape, (way_y, y), height))
        if not box.is_side:
            way_y = y + height
        parts.append(drawn)
        y += height + GAP
    return figure(f"{name}-{shape.name}", (shape.width, y - GAP + 1), told, *parts)


def _arrow(box: Box, shape: Shape, ends: tuple[float, float], height: float) -> Markup:
    """From the box before down to this one, or from the way to the side."""
    start, y = ends
    x = shape.spine
    if box.is_side:
        middle = y + min(height / 2, 20)
        path = f"M{x:g} {middle:g}H{shape.side - 2:g}"
        head = f"M{shape.side - 7:g} {middle - 4:g}l5 4l-5 4"
    else:
        path, head = f"M{x:g} {start:g}V{y - 1:g}", f"M{x - 4:g} {y - 7:g}l4 5l4 -5"
    return element("path", d=path + head, class_="arrow")


def _box(box: Box, shape: Shape, y: float) -> tuple[float, Markup]:
    """How high a box is, and the box."""
    x = shape.side if box.is_side else 0.0
    width = (shape.width - shape.side) if box.is_side else shape.main
    rows = _rows(box, width - 2 * PADDING)
    height = 2 * PADDING + LINE * len(rows) - 4
    kind = "side" if box.is_side else "main"
    parts = [element("rect", x=x + 0.5, y=y, width=width - 1, height=height, rx=4, class_=kind)]
    for number, (said, count, style) in enumerate(rows):
        baseline = y + PADDING + LINE * number + 11
        parts.append(text(x + PADDING, baseline, said, style))
        if count:
            parts.append(text(x + width - PADDING, baseline, count, f"end {style}".strip()))
    return height, joined(parts)


def _rows(box: Box, width: float) -> list[tuple[str, str, str]]:
    """The lines of a box: text, count at the end of its first line, style."""
    rows: list[tuple[str, str, str]] = []
    for said, count, style in (
        (box.heading, box.count, "strong"), *((part, n, "") for part, n in box.parts)
    ):  # fmt: skip
        room = width - BOLD_CHARACTER * len(str(count)) - PADDING
        first, *more = lines_of(said, room, is_bold=bool(style))
        rows.append((first, str(count), style))
        rows += [(line, "", style) for line in more]
    return rows
