"""Which whole objects a user's recipe leaves out: deid's `%filter` groups, evaluated on texts."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Texts = Mapping[int, Sequence[str]]
"""The values of each element that is there, by tag; none for an element without value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One test of one attribute, joined to what stands before it by `operator`, if anything does.

    `contains` looks for a regular expression in each value, `equals` compares whole values; case
    does not count.
    """

    operator: str
    action: str
    tag: int
    value: str = ""

    def holds(self, texts: Texts) -> bool:
        """Whether it is so in an object of these texts."""
        return CONDITIONS[self.action](texts.get(self.tag), self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFilter:
    """One LABEL of a group: each line holds conditions, and is joined to the lines before it."""

    group: str
    label: str
    lines: tuple[tuple[Condition, ...], ...]

    @property
    def name(self) -> str:
        """How decisions call it."""
        return f"filter {self.group}: {self.label}"

    @property
    def tags(self) -> frozenset[int]:
        """What it looks at."""
        return frozenset(condition.tag for line in self.lines for condition in line)

    def flags(self, texts: Texts) -> bool:
        """Whether an object is to be left out: from left to right, and from line to line."""
        return _joined(
            [
                (line[0].operator, _joined([(one.operator, one.holds(texts)) for one in line]))
                for line in self.lines
            ]
        )


def _joined(answers: Sequence[tuple[str, bool]]) -> bool:
    (_, answer), *rest = answers
    for operator, one in rest:
        answer = (answer or one) if operator == "||" else (answer and one)
    return answer


def _contains(values: Sequence[str] | None, pattern: str) -> bool:
    return any(re.search(pattern, value, re.IGNORECASE) for value in values or ())


def _equals(values: Sequence[str] | None, wanted: str) -> bool:
    return any(value.strip().lower() == wanted.strip().lower() for value in values or ())


CONDITIONS: Mapping[str, Callable[[Sequence[str] | None, str], bool]] = {
    "contains": _contains,
    "notcontains": lambda values, pattern: not _contains(values, pattern),
    "equals": _equals,
    "notequals": lambda values, wanted: not _equals(values, wanted),
    "missing": lambda values, _: values is None,
    "present": lambda values, _: values is not None,
    "empty": lambda values, _: values is not None and not values,
}
"""What may be asked of an attribute: its values, None if it is not there, and the text given."""

VALUELESS = frozenset({"missing", "present", "empty"})
