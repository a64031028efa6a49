"""What the commands share: the workspace they work in, and the options each of them has."""

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pipelines.core.addresses import is_address
from pipelines.core.errors import WorkspaceError
from pipelines.core.table_values import ENVIRONMENT_PREFIX, read_table

if TYPE_CHECKING:
    from pipelines.core.settings import Settings
    from pipelines.io.workspace import Workspace
    from pipelines.run import Run

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
NEW_FOLDER = click.Path(file_okay=False, path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class OrAddress(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4 only
    """What the other type takes, or the address of a server."""

    def __init__(self, other: click.Path) -> None:
        self.other = other
        self.name = f"{other.name} or address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value as the settings take it."""
        return value if is_address(value) else self.other.convert(value, param, ctx)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One command's surroundings: `flags` are settings by dotted name that win over the file."""

    folder: Path | None
    jobs: int
    dry_run: bool
    as_json: bool
    flags: Mapping[str, Any]

    def workspace(self) -> "Workspace":
        """The workspace that was named, or the nearest one at or above the current folder."""
        from pipelines.io.workspace import SETTINGS_NAME, Workspace

        start = (self.folder or Path.cwd()).absolute()
        places = [start] if self.folder else [start, *start.parents]
        for place in places:
            if (place / SETTINGS_NAME).is_file():
                return Workspace(place)
        raise WorkspaceError(
            f"{start}: no {SETTINGS_NAME} here",
            hint="Name a workspace with -w, or make one: mosmed init FOLDER",
        )

    def settings(self, workspace: "Workspace") -> "Settings":
        """The settings: flag over environment over file over default."""
        return _settings(workspace, self.flags)

    def table(self, kind: type[T]) -> T:
        """One stage's settings where there is no workspace: flag, environment or default."""
        if any(name.startswith(ENVIRONMENT_PREFIX) for name in os.environ):
            from pipelines.core.settings_file import refuse_misspelt  # loads those of all stages

            refuse_misspelt(os.environ)
        file = Path.cwd() / "mosmed.toml"
        return read_table(kind, {}, file=file, environment=os.environ, flags=self.flags)

    def look(self) -> "Run":
        """A run that only looks, and may do so while another process works."""
        from mosmedcli.progress import Progress
        from pipelines.run import Run

        workspace = self.workspace()
        return Run(workspace, self.settings(workspace), Progress(), jobs=0)

    @contextmanager
    def run(self) -> "Iterator[Run]":
        """A run on the locked workspace, with its progress on stderr and its log in private/."""
        from mosmedcli.progress import make_progress
        from pipelines.run import Run

        workspace = self.workspace()
        settings = self.settings(workspace)
        _say_what_passes(settings, _settings(workspace, {}), self.flags)
        with (
            ending_in_order(),
            workspace.locked(),
            _logging_to(workspace.log),
            make_progress() as progress,
        ):
            yield Run(workspace, settings, progress, jobs=self.jobs)


def _settings(workspace: "Workspace", flags: Mapping[str, Any]) -> "Settings":
    from pipelines.core.settings_file import load_settings
    from pipelines.io.text_file import read_text

    return load_settings(
        read_text(workspace.settings_file),
        file=workspace.settings_file,
        environment=os.environ,
        flags=flags,
    )


def _say_what_passes(settings: "Settings", lasting: "Settings", flags: Mapping[str, Any]) -> None:
    """Name the settings that this command alone goes by: to later ones its results are stale."""
    for table, key in (name.split(".") for name in flags):
        if getattr(getattr(settings, table), key) != getattr(getattr(lasting, table), key):
            click.echo(
                f"note: `{key}` under [{table}] is changed for this command only; "
                "to keep it, set it in mosmed.toml",
                err=True,
            )


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does, so that nothing half-made is left."""
    import signal

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    deadly = (signal.SIGTERM, signal.SIGHUP)
    mended = [one for one in deadly if signal.getsignal(one) is signal.SIG_DFL]  # nohup ignores one
    for one in mended:
        signal.signal(one, end)
    try:
        yield
    finally:
        for one in mended:
            signal.signal(one, signal.SIG_DFL)


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Log to a file that only the owner can read."""
    import logging

    path.touch(mode=0o600)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("pipelines")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def session_options(command: F) -> F:
    """The options of every command that works in a workspace; they arrive as one Session.

    An option made by `setting` lands in `Session.flags`.
    """

    @click.option(
        "-w",
        "--workspace",
        "folder",
        type=NEW_FOLDER,
        envvar="MOSMED_WORKSPACE",
        help="The workspace; else the nearest one at or above the current folder.",
    )
    @click.option(
        "-j",
        "--jobs",
        type=click.IntRange(min=1),
        envvar="MOSMED_JOBS",
        help="How many studies at a time; as many as there are processors, if not given.",
    )
    @click.option("-n", "--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    @functools.wraps(command)
    def wrapped(
        *args: Any, folder: Path | None, jobs: int | None, dry_run: bool, as_json: bool, **rest: Any
    ) -> Any:
        flags = {name.replace("__", "."): rest.pop(name) for name in list(rest) if "__" in name}
        session = Session(
            folder=folder,
            jobs=jobs or _processors(),
            dry_run=dry_run,
            as_json=as_json,
            flags={
                name: _absolute(value) for name, value in flags.items() if value not in (None, ())
            },
        )
        return command(session, *args, **rest)

    return wrapped  # type: ignore[return-value]


def setting(flag: str, kind: Any, key: str, **options: Any) -> Callable[[F], F]:
    """An option that overrides a key of the settings class `kind`, with its help and default."""
    default = getattr(kind(), key)
    shown = ", ".join(default) if isinstance(default, tuple) else default
    is_plain = shown is None or shown is False or shown == ""
    said = "" if is_plain else f"  [default: {shown}]"
    meaning = kind.__dataclass_fields__[key].metadata["meaning"] + said
    return click.option(flag, f"{kind.TABLE}__{key}", default=None, help=meaning, **options)


def _absolute(value: Any) -> Any:
    """A path on the command line starts at the current folder, not at that of mosmed.toml."""
    if isinstance(value, tuple):
        return tuple(map(_absolute, value))
    return value.absolute() if isinstance(value, Path) else value


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
