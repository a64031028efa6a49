"""The six stages in order.

    RIS ▶ select ─▶ export ─▶ anonymize ─▶ convert ─▶ thin ─▶ build-registry ▶ dataset/

The only module that knows the order. `select` makes the list of candidates that the first stage
below starts from, `build-registry` takes what the last one gives, all studies together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from pipelines import anonymize, convert, export, thin
from pipelines.core.identity import Exported
from pipelines.core.model import STAGE_NAMES, Deidentified
from pipelines.core.settings import Settings, export_settings
from pipelines.core.volumes import Converted, Thinned


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of one study: what it calls, what it gives, and whether its folder is private.

    `settings_of` gives it those it is told; `outside(record, settings)` is a digest of what the
    work reads beyond its record.
    """

    name: str
    version: int
    work: Callable[..., Any]
    gives: type[Any]
    private: bool = False
    settings_of: Callable[[Settings], Any]
    outside: Callable[[Any, Any], str] | None = None


EXPORT = Stage(
    name="export",
    version=export.VERSION,
    work=export.work,
    gives=Exported,
    private=True,
    outside=export.outside,
    settings_of=export_settings,
)
ANONYMIZE = Stage(
    name="anonymize",
    version=anonymize.VERSION,
    work=anonymize.work,
    gives=Deidentified,
    settings_of=attrgetter("anonymize"),
)
CONVERT = Stage(
    name="convert",
    version=convert.VERSION,
    work=convert.work,
    gives=Converted,
    settings_of=attrgetter("convert"),
)
THIN = Stage(
    name="thin",
    version=thin.VERSION,
    work=thin.work,
    gives=Thinned,
    settings_of=attrgetter("thin"),
)

STAGES = (EXPORT, ANONYMIZE, CONVERT, THIN)
SELECT, BUILD_REGISTRY = STAGE_NAMES[0], STAGE_NAMES[-1]
