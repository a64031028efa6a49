"""A database as a table: one SELECT, read-only, in one snapshot, streamed.

SQLAlchemy's home. What a database says of a query or of itself is told; what it says of the data
is not, since that may hold a patient's value.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipelines.core.addresses import shown
from pipelines.core.errors import PeerError, SettingsError
from pipelines.io.table_header import Cell, Line
from pipelines.io.tables import Table

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

ROWS_AT_ONCE = 5000
CONNECT_SECONDS = 10
TABLES_TOLD = 10
SNAPSHOT: dict[str, dict[str, Any]] = {
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    "mysql": {"isolation_level": "REPEATABLE READ"},
    "mariadb": {"isolation_level": "REPEATABLE READ"},
}
"""How one transaction sees one state of the database; SQLite's do anyway."""
DRIVERS = {"postgresql": "postgresql+psycopg"}
"""The drivers that the extra `sql` brings, where SQLAlchemy's default is another."""
COMMENT = re.compile(r"\s*(--[^\n]*(\n|$)|/\*.*?\*/)", re.DOTALL)
READING = ("select", "with", "values", "table")
INSTALL = "Install it where mosmed was cloned to: pip install '.[sql]'"


def query_table(address: str, query: str, *, password: str | None) -> Table:
    """The answer to a query, its columns known, its rows still to come, numbered from 1.

    Raises SettingsError for a query that is none, PeerError where the database cannot be reached,
    does not understand, or breaks off.
    """
    engine = _engine(address, password)
    if not query.strip():
        raise SettingsError(
            f"{shown(address)}: nothing is asked of the database", hint=_tables_hint(engine)
        )
    if COMMENT.sub("", query).split(None, 1)[0].lower().rstrip("(") not in READING:
        raise SettingsError(
            "[select] query does not begin with SELECT", hint="mosmed only reads from a RIS."
        )
    lines = _answer(engine, query, shown(address))
    columns = tuple(map(str, next(lines)[1]))
    twice = [title for title in columns if columns.count(title) > 1]
    if twice:
        lines.close()
        raise PeerError(
            f"{shown(address)}: the query gives several columns named '{twice[0]}'",
            hint="Give each its own name with AS.",
        )
    return Table(columns, lines)


def _engine(address: str, password: str | None) -> "Engine":
    try:
        import sqlalchemy
        from sqlalchemy.pool import NullPool
    except ImportError as error:
        raise PeerError(f"{shown(address)}: SQLAlchemy is not installed", hint=INSTALL) from error
    try:
        url = _url(sqlalchemy.make_url(address), password)
        return sqlalchemy.create_engine(url, poolclass=NullPool, connect_args=_timeout(url))
    except ImportError as error:
        package = error.name or "its driver"
        hint = INSTALL if package == "psycopg" else f"Install it: pip install {package}"
        raise PeerError(f"{shown(address)}: {package} is not installed", hint=hint) from error
    except sqlalchemy.exc.ArgumentError as error:  # an unknown kind of database is one, too
        raise SettingsError(
            f"{shown(address)}: not the address of a database SQLAlchemy knows",
            hint="Write it like postgresql://reader@host:5432/ris or sqlite:////data/ris.db.",
        ) from error


def _url(url: "URL", password: str | None) -> "URL":
    if password is not None:
        url = url.set(password=password)
    if url.get_backend_name() == "sqlite" and url.database:
        # Otherwise a database that is not there would be made
        file = quote(str(Path(url.database).absolute()))
        url = url.set(database=f"file:{file}", query={"mode": "ro", "uri": "true"})
    return url.set(drivername=DRIVERS.get(url.drivername, url.drivername))


def _timeout(url: "URL") -> dict[str, Any]:
    return {"connect_timeout": CONNECT_SECONDS} if url.get_backend_name() == "postgresql" else {}


def _answer(engine: "Engine", query: str, name: str) -> Generator[Line, None, None]:
    """The titles as line 0, then the rows; nothing is ever committed."""
    with _connected(engine, name) as connection:
        options = {"no_parameters": True, "stream_results": True, "yield_per": ROWS_AT_ONCE}
        with _faults(f"{name}: the database does not answer the query"):
            result = connection.exec_driver_sql(query, execution_options=options)
        with closing(result), _faults(f"{name}: the database broke off while rows were read"):
            yield 0, tuple(result.keys())
            for number, values in enumerate(result, start=1):
                yield number, [v if type(v) is str else _cell(v) for v in values]


@contextmanager
def _connected(engine: "Engine", name: str) -> Iterator["Connection"]:
    snapshot = SNAPSHOT.get(engine.dialect.name, {})
    with _faults(f"{name}: the database cannot be reached"):
        connection = engine.connect()
    with connection:
        connection.execution_options(**snapshot)
        yield connection


@contextmanager
def _faults(what: str) -> Iterator[None]:
    from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

    try:
        yield
    except DBAPIError as error:
        cause = error.orig or error
        is_about_rows = not isinstance(error, OperationalError | ProgrammingError)
        said = type(cause).__name__ if is_about_rows else str(cause).strip().partition("\n")[0]
        raise PeerError(
            f"{what}: {said}",
            hint="Mend `ris` or `query` under [select]; a password belongs into "
            "the environment variable MOSMED_RIS_PASSWORD.",
        ) from error


def _tables_hint(engine: "Engine") -> str:
    import sqlalchemy

    with _faults(f"{engine.url.database}: the database cannot be reached"):
        inspector = sqlalchemy.inspect(engine)
        names = sorted([*inspector.get_table_names(), *inspector.get_view_names()])
    told = ", ".join(names[:TABLES_TOLD]) + (" …" if len(names) > TABLES_TOLD else "")
    first = names[0] if names else "studies"
    example = f'query = "SELECT * FROM {first}"'  # noqa: S608 - said, not asked
    return f"Set {example} under [select]. There is: {told or 'no table'}."


def _cell(value: Any) -> Cell:
    """A value of a database as a spreadsheet would hold it; a number of any size is exact."""
    if value is None or isinstance(value, date) or type(value) is float:
        return value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return str(int(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    return str(value)
