"""A stage on plain folders, without a workspace: IN is read, OUT gets only whole files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.core.errors import SettingsError
from pipelines.core.model import Excluded, Failed, FolderItem
from pipelines.io.workspace import scratch_in, sha256_of, sync_folder
from pipelines.runner import Result, Task, Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderStage:
    """A stage that works on plain folders: what it finds in one, and what it does with each."""

    name: str
    find: Callable[[Path], tuple[FolderItem, ...]]
    work: Callable[..., Any]


def folder_stage(name: str) -> FolderStage:
    """The stage of that name; no other stage, nor the libraries it needs, is loaded."""
    stage: Any
    match name:
        case "anonymize":
            from pipelines import anonymize as stage
        case "convert":
            from pipelines import convert as stage
        case _:
            from pipelines import thin as stage
    return FolderStage(name=name, find=stage.find, work=stage.work_plain)


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
    settings: Any,
    *,
    jobs: int,
    overwrite: bool,
    ended: Callable[[int, Result], None],
) -> FolderReport:
    """Do a stage for everything found below IN, `folders` being (IN, OUT).

    What lies in OUT already is kept where it is the same, and replaced only on request.
    `ended(total, result)` is told of each item. Raises SettingsError when OUT lies in IN.
    """
    in_folder, out_folder = (folder.absolute() for folder in folders)
    if out_folder.resolve().is_relative_to(in_folder.resolve()):
        raise SettingsError(
            f"{out_folder} lies in {in_folder}",
            hint="Choose an OUT outside of IN: IN is not touched.",
        )
    items = stage.find(in_folder)
    results: dict[str, str | Excluded | Failed] = {}
    with scratch_in(out_folder) as scratch, Workers(jobs, presence=scratch) as workers:
        tasks = {
            item.name: Task(
                public_id=item.name,
                work=stage.work,
                arguments=(item, settings),
                folder=scratch / str(number),
            )
            for number, item in enumerate(items)
        }
        for result in workers.run(tasks.values()):
            made = tasks[result.public_id].folder
            results[result.public_id] = _settled(result, made, out_folder, overwrite=overwrite)
            ended(len(items), result)
    return _report(stage.name, len(items), results)


def _settled(
    result: Result, made: Path, out_folder: Path, *, overwrite: bool
) -> str | Excluded | Failed:
    if isinstance(result.value, Excluded | Failed):
        return result.value
    moved = _move(made, out_folder, overwrite=overwrite)
    return _already_there(result.public_id, moved) if isinstance(moved, Path) else moved


def _move(made: Path, out_folder: Path, *, overwrite: bool) -> str | Path:
    """Move finished files into OUT: "done", "kept", or the file that is there and is another."""
    files = [path for path in sorted(made.rglob("*")) if path.is_file()]
    places = [out_folder / path.relative_to(made) for path in files]
    there = [place.exists() for place in places]
    same = [
        is_there and sha256_of(path) == sha256_of(place)
        for path, place, is_there in zip(files, places, there, strict=True)
    ]
    if all(same):
        return "kept"
    if not overwrite:
        for place, is_there, is_same in zip(places, there, same, strict=True):
            if is_there and not is_same:
                return place
    for path, place in zip(files, places, strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
    for folder in {place.parent for place in places}:
        sync_folder(folder)
    return "done"


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
