"""Results to a terminal or to JSON on stdout. Imported only when needed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mosmedcli.options import Session
from mosmedcli.terminal import column_widths, pasted, print_json, printable
from pipelines.core.codec import to_jsonable
from pipelines.core.model import STAGE_NAMES
from pipelines.core.places import wanted_of
from pipelines.core.select_settings import SelectSettings

if TYPE_CHECKING:  # a command on a plain folder shall not load what the others need
    from pipelines.peers.checking import Finding
    from pipelines.peers.forecast import Forecast
    from pipelines.report import Reason, RunReport, StageReport
    from pipelines.selection import Drawn
    from pipelines.verification import Verified

STUDIES_SHOWN = 3
INDENT = (0, 0, 0, 4)
NEVER_WRAPPED = ("stage", "rule")
PIPE_WIDTH = 140
MEANING = {"done": "green", "kept": "dim", "excluded": "yellow", "failed": "red", "pending": "cyan"}


def selection(session: Session, settings: SelectSettings, drawn: Drawn, *, then: str) -> NoReturn:
    """The flow of inclusion, and how many were drawn; ends with 3 where they are too few."""
    ranked = len(drawn.candidates)
    wanted = wanted_of(settings)
    exit_status = 3 if ranked < wanted else 0
    if session.as_json:
        print_json(
            {
                "drawn": min(wanted, ranked),
                "reserves": max(ranked - wanted, 0),
                "flow": drawn.flow,
                "unreadable": drawn.unreadable,
                "is_new": drawn.is_new,
                "exit_status": exit_status,
            }
        )
        sys.exit(exit_status)
    table = new_table("rule", "left out", "unknown", "remaining")
    for step in drawn.flow:
        unknown = str(step.unknown) if step.unknown else ""
        table.add_row(step.rule, str(step.excluded or ""), unknown, str(step.remaining))
    out = console()
    out.print(table)
    for title, cells in drawn.unreadable.items():
        said = f"{title}: {cells} cells could not be read, and count as unknown"
        out.print(Text(printable(said), "yellow"))
    state = "would be drawn" if session.dry_run else "drawn" if drawn.is_new else "drawn before"
    out.print(f"{min(wanted, ranked)} studies {state}, {max(ranked - wanted, 0)} reserves")
    if ranked < wanted:
        out.print(Text(f"fewer than the {wanted} that were asked for", "yellow"))
    if ranked:
        _next(session, then)
    else:
        click.echo("see which rule leaves out all; what it takes stands under [select]")
    sys.exit(exit_status)


def verified(session: Session, found: Verified) -> None:
    """A draw that was made once more, with the same list."""
    if session.as_json:
        print_json(found)
        return
    out = console()
    shown = new_table("verified", "")
    for name, value in to_jsonable(found).items():
        shown.add_row(name.replace("_", " "), printable(str(value)))
    out.print(shown)
    out.print("the same list was drawn again; keep `head`: it tells whether the trail was changed")


def run(session: Session, report: RunReport, *, stage: str = "") -> None:
    """What a run has come to; ends the command with the exit status."""
    if session.as_json:
        print_json(report, exit_status=report.exit_status)
        sys.exit(report.exit_status)
    out = console()
    out.print(_stage_table(report.stages))
    _reasons(out, [(s.stage, reason) for s in report.stages for reason in s.reasons])
    _summary(out, report)
    if stage:
        after = STAGE_NAMES.index(stage) + 1
        pending = {one.stage for one in report.stages if one.pending}
        behind = [name for name in STAGE_NAMES[:after] if name in pending]
        _next(session, [*behind, STAGE_NAMES[after]][0])
    elif any(one.pending for one in report.stages):
        _next(session, "run")
    elif report.published:
        _next(session, "why study_0001")
    sys.exit(report.exit_status)


def plan(session: Session, counts: Mapping[str, int]) -> None:
    """What a dry run would begin with."""
    if session.as_json:
        print_json({"pending": dict(counts)})
        return
    for stage, count in counts.items():
        click.echo(f"{stage}: {count} {'study' if count == 1 else 'studies'} to do")
    if not counts:
        click.echo("nothing to do")


def forecast(session: Session, coming: Forecast) -> None:
    """What an export would fetch."""
    if session.as_json:
        print_json(coming)
        return
    about = "about " if coming.is_estimate else ""
    unit = "study" if coming.studies == 1 else "studies"
    click.echo(
        f"export: would fetch {coming.studies} {unit}, {coming.series} series, "
        f"{coming.instances} objects, {about}{coming.size_bytes / 1e6:.1f} MB"
    )
    if coming.spared_instances:
        click.echo(
            f"  thinned early: {coming.spared_instances} slices, "
            f"about {coming.spared_bytes / 1e6:.1f} MB, stay where they are"
        )
    for code, studies in sorted(coming.fall_out.items()):
        click.echo(f"  {studies} would fall out: {code}")


def archive_check(session: Session, found: Sequence[Finding]) -> None:
    """What an archive answers; ends with exit status 1 where something does not work."""
    if session.as_json:
        print_json(found)
    else:
        for finding in found:
            click.echo(f"{finding.what:<16} {'yes' if finding.works else 'no':<4} {finding.seen}")
    if not all(finding.works for finding in found[:2]):
        raise SystemExit(1)


def way(session: Session, steps: Sequence[Mapping[str, Any]]) -> None:
    """One study's way: every decision with its rule and value."""
    if session.as_json:
        print_json({"way": list(steps)})
        return
    head = ("stage", "rule", "value", "outcome")
    rows, before = [], ""
    for step in steps:
        stage = step["stage"] if step["stage"] != before else ""
        before = step["stage"]
        rows.append((stage, step["rule"], step["value"], step["outcome"]))
    styles = [MEANING.get(str(step.get("state", "")), "") for step in steps]
    _print_wrapped(head, rows, styles)


def _stage_table(stages: Iterable[StageReport]) -> Table:
    table = new_table("stage", *MEANING)
    for stage in stages:
        counts = [getattr(stage, word) for word in MEANING]
        cells = [
            Text(str(count) if count else "·", style if count else "dim")
            for count, style in zip(counts, MEANING.values(), strict=True)
        ]
        table.add_row(stage.stage, *cells)
    return table


def _reasons(out: Console, reasons: Sequence[tuple[str, Reason]]) -> None:
    for stage, reason in reasons:
        style = "red" if reason.state == "failed" else "yellow"
        shown = ", ".join(reason.studies[:STUDIES_SHOWN])
        more = len(reason.studies) - STUDIES_SHOWN
        names = f"{shown} and {more} more" if more > 0 else shown
        out.print(Text.assemble((f"{stage} {reason.state}: {reason.code}", style), f"  {names}"))
        out.print(Padding(Text(printable(reason.example)), INDENT, expand=False))
        if reason.hint:
            out.print(Padding(Text(reason.hint, "dim"), INDENT, expand=False))


def _summary(out: Console, report: RunReport) -> None:
    extra = report.opened - report.wanted
    reserves = f"; {extra} reserves stood in" if extra > 1 else "; 1 reserve stood in"
    reserves = reserves if extra > 0 else ""
    out.print(f"{report.opened} studies opened for the {report.wanted} asked for{reserves}")
    for group, places in report.shortfall.items():
        out.print(Text(f"no reserve is left: {places} short ({group})", "yellow"))
    if report.published is not None:
        masked = f", {report.masked} of them with a mask," if report.masked else ""
        out.print(f"{report.published} studies published{masked} in {report.dataset}")
        out.print("to look at them, open report.html there in a browser")
    if report.unclaimed_masks:
        count = report.unclaimed_masks
        named = "1 mask is named" if count == 1 else f"{count} masks are named"
        out.print(Text(f"{named} like no study of the draw: look for slips in the names", "yellow"))
    if report.untold:
        names = ", ".join(report.untold)
        out.print(f"before you give them away, set under [registry]: {names}")


def _next(session: Session, stage: str) -> None:
    where = f" -w {pasted(session.folder)}" if session.folder else ""
    click.echo(f"next: mosmed {stage}{where}")


def new_table(*columns: str) -> Table:
    """A plain table without lines; numbers stand to the right where there are many columns."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        justify = "right" if number and len(columns) > 4 else "left"
        table.add_column(
            column,
            justify=justify,  # type: ignore[arg-type]
            overflow="fold",
            no_wrap=column in NEVER_WRAPPED,
        )
    return table


def console() -> Console:
    """Standard output: as wide as the terminal, or wide enough for a file or a pipe.

    Brackets and colons are shown as they are: texts of hospitals are no markup.
    """
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(highlight=False, soft_wrap=False, markup=False, emoji=False, width=width)


def markdown_table(text: str) -> None:
    """A table of Markdown as it is for a file or a pipe, and laid out on a terminal."""
    if not sys.stdout.isatty():
        click.echo(text)
        return
    head, _, *rows = ([cell.strip() for cell in line.strip("| ").split(" | ")]
                      for line in text.splitlines())  # fmt: skip
    _print_wrapped(head, rows, [""] * len(rows))


def _print_wrapped(
    head: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str]
) -> None:
    """A table of texts, wrapped between words; the last column of a row is in its style."""
    out = console()
    rows = [list(map(printable, row)) for row in rows]
    table = new_table(*head)
    for at, width in enumerate(column_widths([head, *rows], out.width)):
        table.columns[at].width = width
    for (*cells, last), style in zip(rows, styles, strict=True):
        table.add_row(*cells, Text(last, style))
    out.print(table)
