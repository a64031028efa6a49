"""A PACS in place of a RIS: its studies of the study window, asked day by day.

A PACS knows neither payer nor category; the rules that need them have to be taken out.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import date, timedelta
from itertools import count
from pathlib import Path

from pipelines.core.addresses import shown
from pipelines.core.errors import ItemError, PeerError
from pipelines.core.node_settings import NodeSettings
from pipelines.core.select_settings import SelectSettings
from pipelines.io.table_header import Line
from pipelines.io.tables import Table
from pipelines.peers import opening
from pipelines.peers.days import COLUMNS, read_day
from pipelines.peers.policy import Policy


def pacs_table(address: str, settings: SelectSettings, node: NodeSettings) -> Table:
    """The studies of the window, as a table whose titles are the keywords of DICOM.

    Raises PeerError, here or while rows are read, where the PACS does not answer all of it.
    """
    days = _days(settings.window_start, settings.window_end)
    return Table(COLUMNS, _lines(address, node, days))


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=at) for at in range((last - first).days + 1))


def _lines(
    address: str, settings: NodeSettings, days: Iterator[date]
) -> Generator[Line, None, None]:
    # Only tries and patience of the policy are used, which leave nothing in a folder
    policy = Policy(settings, Path(), opening.CLOCK)
    numbers = count(1)
    with closing(opening.open_node(address, settings, policy)) as node:
        for day in days:
            try:
                rows = read_day(node, policy, day)
            except ItemError as error:
                raise PeerError(
                    f"{shown(address)}: the studies of {day} cannot be read: {error.message}",
                    hint="Have its owner raise the limit of matches, or try again later.",
                ) from error
            for uid in sorted(rows):
                yield next(numbers), rows[uid]
