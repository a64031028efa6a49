"""An incremental index of the DICOM objects in an archive folder, in one SQLite file.

Every file of the tree has exactly one row that says what it is, and every member of a zip one
more; so what was not understood is there with its reason. A file whose size and time of change
are those of the index is not opened again. Each batch of files is one transaction: killed at any
time, the index names only what was read, and the next call goes on from there.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pipelines.core.errors import PeerError, WorkspaceError
from pipelines.core.series import ObjectHeader
from pipelines.io.attributes import canonical_accession
from pipelines.io.probe import Entry, Kind, probe_file
from pipelines.io.processes import begin_worker, starting_workers
from pipelines.io.tree import NO_ARCHIVE_HINT, Found, tree_of

INDEX_VERSION = 1
"""Raised whenever files are read in another way: an older index is made anew."""

BATCH_FILES = 256
POOL_FILES = 2000
"""With fewer files to read, starting worker processes takes longer than reading."""

HEADER_COLUMNS = tuple(field.name for field in fields(ObjectHeader))
COLUMNS = (
    *("path", "mtime_ns", "member_number", "member", "size_bytes", "kind", "reason"),
    *("accession_key", *HEADER_COLUMNS),
)
SCHEMA = f"""
CREATE TABLE entries ({", ".join(COLUMNS)}, PRIMARY KEY (path, member_number)) WITHOUT ROWID;
CREATE INDEX by_accession ON entries (accession_key);
CREATE INDEX by_study ON entries (study_instance_uid);
CREATE TABLE root (path);
"""

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """What an archive folder holds: files by what was done, entries by what they are."""

    files: int
    read: int
    kept: int
    vanished: int
    truncated: int
    kinds: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """An entry and where it lies: `path` is relative to the archive folder, undecoded.

    `mtime_ns` is when the file, or the zip it is in, was last changed before it was looked at.
    """

    path: bytes
    mtime_ns: int
    entry: Entry


def refresh(
    root: Path,
    database: Path,
    *,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> IndexReport:
    """Bring the index of `root` up to date; `progress` is told files read and files to read.

    Raises PeerError where there is no archive folder or nothing in it, WorkspaceError where the
    index cannot be written.
    """
    tree = {found.path: found for found in tree_of(root, besides=database)}
    if not tree:
        raise PeerError(f"the archive folder {root} is empty", hint=NO_ARCHIVE_HINT)
    database.parent.mkdir(parents=True, exist_ok=True)
    with _writable(database, root) as connection:
        known = _known(connection)
        vanished = sorted(known.keys() - tree.keys())
        with connection:
            connection.executemany("DELETE FROM entries WHERE path = ?", [(p,) for p in vanished])
        pending = [
            found
            for path, found in sorted(tree.items())
            if known.get(path) != (found.size_bytes, found.mtime_ns)
        ]
        done = 0
        for paths, rows in _read(root, pending, jobs=jobs):
            _replace(connection, paths, rows)
            done += len(paths)
            if progress:
                progress(done, len(pending))
        return _report(connection, files=len(tree), read=done, vanished=len(vanished))


# --- reading


def _read(
    root: Path, pending: Sequence[Found], *, jobs: int
) -> Iterator[tuple[list[bytes], list[Row]]]:
    """The rows of the pending files, batch by batch in order."""
    batches = [pending[k : k + BATCH_FILES] for k in range(0, len(pending), BATCH_FILES)]
    read = partial(_read_batch, root)
    if jobs <= 1 or len(pending) < POOL_FILES:
        yield from map(read, batches)
        return
    try:
        context = get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=context, initializer=begin_worker) as pool:
            with starting_workers():
                rows = pool.map(read, batches)
            yield from rows
    except BrokenProcessPool as error:
        raise PeerError(
            "a process that read the archive folder was killed",
            hint="Memory may have run out: try fewer --jobs. What was read is kept.",
        ) from error


def _read_batch(root: Path, batch: Sequence[Found]) -> tuple[list[bytes], list[Row]]:
    rows = [_row(found, entry) for found in batch for entry in _entries(root, found)]
    return [found.path for found in batch], rows


def _entries(root: Path, found: Found) -> list[Entry]:
    if not found.oddity:
        return probe_file(root / os.fsdecode(found.path), found.size_bytes)
    kind = Kind.REFUSED if found.is_refused else Kind.SKIPPED
    return [Entry(size_bytes=found.size_bytes, kind=kind, reason=found.oddity)]


def _row(found: Found, entry: Entry) -> Row:
    header = entry.header
    key = canonical_accession(header.accession_number) if header.accession_number else None
    place = (found.path, found.mtime_ns, entry.member_number, entry.member)
    state = (entry.size_bytes, str(entry.kind), entry.reason, key)
    return (*place, *state, *(getattr(header, name) for name in HEADER_COLUMNS))


# --- the database


@contextmanager
def _writable(database: Path, root: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(_open_or_remake(database, os.fsencode(root.resolve()))) as connection:
            yield connection
    except sqlite3.Error as error:
        raise WorkspaceError(
            f"the index {database} cannot be written: {error}",
            hint="Look for another mosmed at work and for free space; if in doubt, delete the "
            "file: it is made anew.",
        ) from error


def _open_or_remake(database: Path, root: bytes) -> sqlite3.Connection:
    """The index of this root; one of another root, another version or no index at all goes."""
    connection = sqlite3.connect(database, timeout=30)
    try:
        if _is_current(connection, root):
            return connection
    except sqlite3.OperationalError:
        connection.close()
        raise
    except sqlite3.DatabaseError:
        pass  # it is a cache: what is not a database is replaced
    connection.close()
    database.unlink()
    connection = sqlite3.connect(database, timeout=30)
    connection.executescript(f"BEGIN; PRAGMA user_version = {INDEX_VERSION}; {SCHEMA} COMMIT;")
    with connection:
        connection.execute("INSERT INTO root VALUES (?)", (root,))
    return connection


def _is_current(connection: sqlite3.Connection, root: bytes) -> bool:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    return version == INDEX_VERSION and connection.execute("SELECT path FROM root").fetchall() == [
        (root,)
    ]


def _known(connection: sqlite3.Connection) -> dict[bytes, tuple[int, int] | None]:
    """Size and time of the files that need not be read again; None for those that do."""
    query = "SELECT path, size_bytes, mtime_ns, kind FROM entries WHERE member_number = 0"
    return {
        path: None if kind == Kind.REFUSED else (size_bytes, mtime_ns)
        for path, size_bytes, mtime_ns, kind in connection.execute(query)
    }


def _replace(connection: sqlite3.Connection, paths: list[bytes], rows: list[Row]) -> None:
    places = ", ".join("?" * len(COLUMNS))
    with connection:
        connection.executemany("DELETE FROM entries WHERE path = ?", [(path,) for path in paths])
        connection.executemany(f"INSERT INTO entries VALUES ({places})", rows)  # noqa: S608


def _report(connection: sqlite3.Connection, *, files: int, read: int, vanished: int) -> IndexReport:
    kinds = connection.execute("SELECT kind, count(*) FROM entries GROUP BY kind ORDER BY kind")
    cut = connection.execute("SELECT count(*) FROM entries WHERE truncated").fetchone()[0]
    return IndexReport(
        files=files,
        read=read,
        kept=files - read,
        vanished=vanished,
        truncated=cut,
        kinds=dict(kinds.fetchall()),
    )


def lookup(
    database: Path, *, accession_number: str | None, study_instance_uid: str | None
) -> list[Located]:
    """The objects of a study, in the order of their places; keys match exactly, never as patterns.

    Objects that lack a UID are given, too, by whichever key they have.
    """
    key = canonical_accession(accession_number) if accession_number else None
    query = f"""SELECT {", ".join(COLUMNS)} FROM entries
        WHERE kind IN ('instance', 'unreadable') AND (
            study_instance_uid = :uid
            OR (accession_key = :key AND (:uid IS NULL OR kind = 'unreadable'))
        ) ORDER BY path, member_number"""  # noqa: S608
    uid = study_instance_uid or None
    with read_only(database) as connection:
        rows = connection.execute(query, {"uid": uid, "key": key}).fetchall()
    return [_located(row) for row in rows]


def _located(row: Row) -> Located:
    value = dict(zip(COLUMNS, row, strict=True))
    header = {name: value[name] for name in HEADER_COLUMNS}
    flags = {name: bool(header[name]) for name in ("has_pixels", "truncated")}
    entry = Entry(
        member_number=value["member_number"],
        member=value["member"],
        size_bytes=value["size_bytes"],
        kind=Kind(value["kind"]),
        reason=value["reason"],
        header=ObjectHeader(**(header | flags)),
    )
    return Located(path=value["path"], mtime_ns=value["mtime_ns"], entry=entry)


@contextmanager
def read_only(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write; raises PeerError where there is no index."""
    try:
        uri = f"{database.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=30)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise PeerError(
            f"the index {database} cannot be read: {error}",
            hint="Run `mosmed export` again: it looks through the archive folder and makes it.",
        ) from error
