"""The kinds of RIS there are: a file, a database; each is one table, read once."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.core.addresses import shown
from pipelines.core.errors import SettingsError
from pipelines.core.settings import SelectSettings
from pipelines.io.tables import Table, read_table

PASSWORD = "MOSMED_RIS_PASSWORD"  # noqa: S105 - the name of the variable, not the password


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where rows come from: `name` may be shown and recorded, it holds no secret."""

    name: str
    table: Table


def open_source(settings: SelectSettings) -> Source:
    """The RIS that the settings name, its columns known, its rows still to come.

    Raises SettingsError where none is named, PeerError where it cannot be read.
    """
    if settings.ris is None:
        raise SettingsError(
            "there is no RIS to select from",
            hint="Name its export or its address: ris = ... under [select].",
        )
    if isinstance(settings.ris, Path):
        table = read_table(settings.ris, sheet=settings.sheet)
        return Source(name=settings.ris.name, table=table)
    scheme = urlsplit(settings.ris).scheme.lower()
    opener = OPENERS.get(scheme, _database)
    return Source(name=shown(settings.ris), table=opener(settings.ris, settings))


def _database(address: str, settings: SelectSettings) -> Table:
    from pipelines.io.sql import query_table

    return query_table(address, settings.query, password=os.environ.get(PASSWORD))


OPENERS: dict[str, Callable[[str, SelectSettings], Table]] = {}
"""By the scheme of the address; what is not here is a database."""
