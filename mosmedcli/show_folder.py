"""What came of a plain folder, as lines or as JSON: quicker to load than tables."""

import sys
from collections.abc import Sequence

import click

from mosmedcli.options import Session
from mosmedcli.terminal import print_json, printable
from pipelines.core.model import FolderItem
from pipelines.plain import FolderReport


def plan(session: Session, stage: str, items: Sequence[FolderItem]) -> None:
    """What a dry run over a plain folder found."""
    if session.as_json:
        print_json({"stage": stage, "items": {item.name: len(item.files) for item in items}})
        return
    for item in items:
        count = len(item.files)
        files = "1 file" if count == 1 else f"{count} files"
        click.echo(printable(f"{stage}: {item.name} ({files})"))


def report(session: Session, report: FolderReport) -> None:
    """What a stage has made of a plain folder; ends the command with the exit status."""
    if session.as_json:
        print_json(report, exit_status=report.exit_status)
        sys.exit(report.exit_status)
    for excluded in report.excluded:
        said = f"excluded {excluded.public_id}: {excluded.reason}"
        click.secho(printable(said), fg="yellow")
    for failed in report.failed:
        said = f"failed {failed.public_id}: {failed.code}: {failed.message}"
        click.secho(printable(said), fg="red")
        click.secho(printable(f"  {failed.hint}"), dim=True)
    counts = (len(report.done), len(report.kept), len(report.excluded), len(report.failed))
    words = zip(("done", "kept", "excluded", "failed"), counts, strict=True)
    said = ", ".join(f"{count} {word}" for word, count in words)
    click.echo(f"{report.stage}: {report.found} found: {said}")
    sys.exit(report.exit_status)
