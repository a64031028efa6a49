"""How a run goes on, on stderr: as lines here, as bars on a terminal."""

import sys
from collections.abc import Callable
from types import TracebackType

import click

from mosmedcli.terminal import printable
from pipelines.core.model import Excluded, Failed
from pipelines.runner import Result


def make_progress() -> "Progress":
    """Bars on a terminal, a line at the start of each stage elsewhere."""
    if not sys.stderr.isatty():
        return Progress()
    from mosmedcli.bars import Terminal  # takes longer to load than a series to anonymize

    return Terminal()


def told_of_asking(place: str, patience_minutes: float) -> str:
    """How long may pass in silence, and what tells at once why."""
    return (
        f"export: asking {place}; if it does not answer, it is waited for up to "
        f"{patience_minutes:g} minutes (mosmed export --check tells at once)"
    )


class Progress:
    """A line for each stage, and for each study that falls out."""

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """There is nothing to put away."""

    def indexed(self, done: int, total: int) -> None:
        """So many files of the PACS folder have been looked at."""

    def waiting(self, then: str) -> None:
        """The PACS may not be asked before then."""
        click.echo(f"export: the PACS may be asked again from {then} on; waiting", err=True)

    def asking(self, place: str, patience_minutes: float) -> None:
        """The PACS at an address is asked, and waited for so long where it does not answer."""
        click.echo(told_of_asking(place, patience_minutes), err=True)

    def started(self, stage: str, total: int) -> None:
        """A stage begins with so many studies to do; a later round adds to them."""
        click.echo(f"{stage}: {total} to do", err=True)

    def ended(self, stage: str, result: Result) -> None:
        """One study has come to the end of a stage."""
        if isinstance(result.value, Excluded | Failed):
            said = f"  {stage}: {result.public_id} fell out: {result.value.code}"
            click.echo(printable(said), err=True)

    def of_folder(self, stage: str) -> Callable[[int, Result], None]:
        """What a run over a plain folder tells: the total, and each result."""
        is_begun = False

        def ended(total: int, result: Result) -> None:
            nonlocal is_begun
            if not is_begun:
                is_begun = True
                self.started(stage, total)
            self.ended(stage, result)

        return ended
