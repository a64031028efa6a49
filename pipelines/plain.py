"""A stage on plain folders, without a workspace: IN is read, OUT gets only whole files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.core.errors import SettingsError, WorkspaceError
from pipelines.core.model import Excluded, Failed, FolderItem
from pipelines.io.disk import scratch_in, sha256_of, sync_all, sync_folder
from pipelines.runner import Result, Task, Workers, start_processes


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderStage:
    """A stage that works on plain folders: what it finds in one, and what it does with each.

    `work` is told an item, the settings of `tables` in their order, and an empty folder; or, if it
    `makes_folder`, the place of one: of thousands of files that are no images, thousands of folders
    would take longer to make and to remove than the files to read.
    """

    name: str
    find: Callable[[Path], tuple[FolderItem, ...]]
    work: Callable[..., Any]
    tables: tuple[type, ...]
    makes_folder: bool = False

    def items_in(self, in_folder: Path) -> tuple[FolderItem, ...]:
        """What is found below IN; raises WorkspaceError where there is nothing at all."""
        items = self.find(in_folder)
        if not items:
            raise WorkspaceError(
                f"{in_folder}: there is no file in this folder",
                hint="Name the folder that holds the studies; is its disk mounted?",
            )
        return items


def folder_stage(name: str, *, thin_early: bool = False) -> FolderStage:
    """The stage of that name; no other stage, nor the libraries it needs, is loaded.

    `convert` may thin as well, which is quicker than to thin afterwards.
    """
    stage: Any
    match name:
        case "anonymize":
            from pipelines import anonymize as stage
        case "convert" if thin_early:
            from pipelines import short_way as stage
        case "convert":
            from pipelines import convert as stage
        case _:
            from pipelines import thin as stage
    return FolderStage(
        name=name,
        find=stage.find,
        work=stage.work_plain,
        tables=stage.TABLES,
        makes_folder=name == "anonymize",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderReport:
    """What a stage has made of a folder: items by what became of them."""

    stage: str
    found: int
    done: tuple[str, ...]
    kept: tuple[str, ...]
    excluded: tuple[Excluded, ...]
    failed: tuple[Failed, ...]

    @property
    def exit_status(self) -> int:
        """0 all well, 3 some items failed, 4 identity was found."""
        if any(failed.privacy for failed in self.failed):
            return 4
        return 3 if self.failed else 0


def run_folder(
    stage: FolderStage,
    folders: tuple[Path, Path],
    settings: Sequence[Any],
    *,
    jobs: int,
    overwrite: bool,
    ended: Callable[[int, Result], None],
) -> FolderReport:
    """Do a stage for everything found below IN, `folders` being (IN, OUT).

    What lies in OUT already is kept where it is the same, and replaced only on request.
    `ended(total, result)` is told of each item. Raises SettingsError when OUT lies in IN, and
    WorkspaceError when IN is empty.
    """
    in_folder, out_folder = (folder.absolute() for folder in folders)
    if out_folder.resolve().is_relative_to(in_folder.resolve()):
        raise SettingsError(
            f"{out_folder} lies in {in_folder}",
            hint="Choose an OUT outside of IN: IN is not touched.",
        )
    items = stage.items_in(in_folder)
    results: dict[str, str | Excluded | Failed] = {}
    with scratch_in(out_folder) as scratch, _workers(stage, jobs, len(items), scratch) as workers:
        tasks = {
            item.name: Task(
                public_id=item.name,
                work=stage.work,
                arguments=(item, *settings),
                folder=scratch / str(number),
                is_sealed=False,
                makes_folder=stage.makes_folder,
            )
            for number, item in enumerate(items)
        }
        for result in workers.run(tasks.values()):
            made = tasks[result.public_id].folder
            results[result.public_id] = _settled(result, made, out_folder, overwrite=overwrite)
            ended(len(items), result)
    return _report(stage.name, len(items), results)


def _workers(stage: FolderStage, jobs: int, items: int, scratch: Path) -> Workers:
    """No more workers than there is work: a process of its own takes longer to start than a series.

    What they load first is this stage alone.
    """
    start = partial(start_processes, presence=scratch, preload=stage.work.__module__)
    return Workers(max(min(jobs, items), 1), start=start)


def _settled(
    result: Result, made: Path, out_folder: Path, *, overwrite: bool
) -> str | Excluded | Failed:
    if isinstance(result.value, Excluded | Failed):
        return result.value
    moved = _move(made, out_folder, overwrite=overwrite)
    return _already_there(result.public_id, moved) if isinstance(moved, Path) else moved


def _move(made: Path, out_folder: Path, *, overwrite: bool) -> str | Path:
    """Move finished files into OUT: "done", "kept", or the file that is there and is another."""
    moves = []
    for path, place in _parts(made, out_folder):
        if not place.exists():
            moves.append((path, place))
        elif not _is_same(path, place):
            if path.is_dir() or place.is_dir() or not overwrite:
                return place
            moves.append((path, place))
    if not moves:
        return "kept"
    sync_all(made)
    for path, place in moves:
        path.replace(place)
    for folder in {place.parent for _, place in moves}:
        sync_folder(folder)
    return "done"


def _is_same(path: Path, place: Path) -> bool:
    return path.is_file() and place.is_file() and sha256_of(path) == sha256_of(place)


def _parts(made: Path, place: Path) -> Iterator[tuple[Path, Path]]:
    """What is moved at once, and where to: files, and whole folders that are not there yet."""
    for path in sorted(made.iterdir()):
        target = place / path.name
        if path.is_dir() and target.is_dir():
            yield from _parts(path, target)
        else:
            yield path, target


def _already_there(name: str, place: Path) -> Failed:
    return Failed(
        public_id=name,
        code="OUTPUT_EXISTS",
        message=f"{place} is there already, and is another file",
        hint="Choose an empty OUT, or use --overwrite.",
    )


def _report(stage: str, found: int, results: dict[str, str | Excluded | Failed]) -> FolderReport:
    ordered = sorted(results.items())
    return FolderReport(
        stage=stage,
        found=found,
        done=tuple(name for name, value in ordered if value == "done"),
        kept=tuple(name for name, value in ordered if value == "kept"),
        excluded=tuple(value for _, value in ordered if isinstance(value, Excluded)),
        failed=tuple(value for _, value in ordered if isinstance(value, Failed)),
    )
