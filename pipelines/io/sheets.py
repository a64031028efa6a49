"""Tables as they come into a workbook, and the names that Excel takes for them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pipelines.core.errors import SettingsError

Cell = str | int | float | bool | date | None

MAXIMUM_NAME = 31
FORBIDDEN_IN_NAMES = re.compile(r"[\[\]:*?/\\\x00-\x1f]")
NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One table: a header and rows of equal length; None leaves a cell out altogether.

    `widths` are in characters of the standard font, as Excel counts them; without them the
    columns are as wide as their content. `for_people` makes the header bold and keeps it in
    sight, and lets every column be filtered.
    """

    name: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]
    widths: tuple[float, ...] = ()
    for_people: bool = False


def checked_names(names: Sequence[str]) -> Sequence[str]:
    r"""The names of the sheets of one workbook, as they are.

    Raises SettingsError for a name that Excel refuses: empty, of more than 31 characters, with
    one of ``[]:*?/\`` or a control character, or given twice.
    """
    for name in names:
        if fault := _fault_of(name):
            raise SettingsError(
                f"the sheet name {name[:60]!r} {fault}",
                hint="Set `name` under [registry] to at most 31 characters, without []:*?/\\.",
            )
    if len({name.casefold() for name in names}) != len(names):
        raise SettingsError("two sheets of one workbook bear the same name")
    return names


def _fault_of(name: str) -> str:
    if not name.strip():
        return "is empty"
    if len(name.encode("utf-16-le", "surrogatepass")) // 2 > MAXIMUM_NAME:
        return f"is longer than the {MAXIMUM_NAME} characters of Excel"
    if FORBIDDEN_IN_NAMES.search(name) or NOT_XML.search(name):
        return "holds a character that Excel forbids"
    if name.startswith("'") or name.endswith("'"):
        return "begins or ends with an apostrophe"
    return "is one that Excel keeps for itself" if name.casefold() == "history" else ""
