"""How a run goes on, as bars on a terminal. Imported only when needed."""

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from mosmedcli.progress import Progress, told_of_asking
from mosmedcli.terminal import printable
from pipelines.core.model import Excluded, Failed
from pipelines.runner import Result


class Terminal(Progress):
    """Bars, and a line for each study that falls out; on stderr."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bars = Bars(
            TextColumn("{task.description:<14}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]:>14}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("[red]{task.fields[fell_out]}"),
            console=self._console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._fell_out: dict[str, int] = {}
        self._size_bytes = 0

    def __enter__(self) -> "Terminal":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._bars.stop()

    def indexed(self, done: int, total: int) -> None:
        """So many files of the PACS folder have been looked at."""
        if "index" not in self._tasks:
            self._tasks["index"] = self._bars.add_task("index", total=total, speed="", fell_out="")
        self._bars.update(self._tasks["index"], completed=done, total=total)

    def waiting(self, then: str) -> None:
        """The PACS may not be asked before then."""
        self._console.print(f"export: the PACS may be asked again from {then} on; waiting")

    def asking(self, place: str, patience_minutes: float) -> None:
        """The PACS at an address is asked, and waited for so long where it does not answer."""
        self._console.print(told_of_asking(place, patience_minutes), markup=False)

    def started(self, stage: str, total: int) -> None:
        """A stage begins with so many studies to do; a later round adds to its bar."""
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=0, speed="", fell_out="")
            self._fell_out[stage] = 0
        bar = self._bars.tasks[self._tasks[stage]]
        self._bars.update(bar.id, total=(bar.total or 0) + total)

    def ended(self, stage: str, result: Result) -> None:
        """One study has come to the end of a stage."""
        if isinstance(result.value, Excluded | Failed):
            self._fell_out[stage] += 1
            said = f"  {stage}: {result.public_id} fell out: {result.value.code}"
            self._console.print(Text(printable(said), "yellow"))
        task = self._tasks[stage]
        self._bars.advance(task)
        bar, out = self._bars.tasks[task], self._fell_out[stage]
        speed = f"{60 * bar.speed:.0f} studies/min" if bar.speed else ""
        if stage == "export" and result.outputs is not None and bar.elapsed:
            self._size_bytes += result.outputs.size_bytes
            speed += f" {self._size_bytes / 1e6 / bar.elapsed:.1f} MB/s"
        self._bars.update(task, speed=speed, fell_out=f"{out} fell out" if out else "")
