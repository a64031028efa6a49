"""The kinds of RIS there are: a file, a database, a PACS; each is one table, read once."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.core.addresses import shown
from pipelines.core.errors import SettingsError
from pipelines.core.node_settings import NodeSettings
from pipelines.core.select_settings import SelectSettings
from pipelines.io.table_header import IsKnown
from pipelines.io.tables import Table, read_table

PACS_SCHEMES = frozenset({"http", "https", "dicom", "dicoms"})
PASSWORD = "MOSMED_RIS_PASSWORD"  # noqa: S105 - the name of the variable, not the password


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where rows come from: `name` may be shown and recorded, it holds no secret."""

    name: str
    table: Table


def open_source(
    settings: SelectSettings, node: NodeSettings | None = None, *, is_known: IsKnown
) -> Source:
    """The RIS that the settings name, its columns known, its rows still to come.

    `node` is how a PACS is called that stands in for a RIS; `is_known` says of which titles a file
    may have some. Raises SettingsError where none is named, PeerError where it cannot be read.
    """
    if settings.ris is None:
        raise SettingsError(
            "there is no RIS to select from",
            hint="Name its export or its address: ris = ... under [select].",
        )
    if isinstance(settings.ris, Path):
        table = read_table(settings.ris, sheet=settings.sheet, is_known=is_known)
        return Source(name=settings.ris.name, table=table)
    return Source(name=shown(settings.ris), table=_remote(settings.ris, settings, node))


def _remote(address: str, settings: SelectSettings, node: NodeSettings | None) -> Table:
    if urlsplit(address).scheme.lower() in PACS_SCHEMES:
        from pipelines.peers.ris_pacs import pacs_table

        return pacs_table(address, settings, node or NodeSettings())
    from pipelines.io.sql import query_table

    return query_table(address, settings.query, password=os.environ.get(PASSWORD))
