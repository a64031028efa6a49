"""How the command of a stage runs: in a workspace, or from a folder to a folder."""

from pathlib import Path
from typing import Any

import click

from mosmedcli.options import EXISTING_FOLDER, NEW_FOLDER, F, Session, ending_in_order
from pipelines.core.errors import SettingsError


def folder_arguments(command: F) -> F:
    """IN and OUT, for a stage that also works without a workspace."""
    for decorate in (
        click.option("--overwrite", is_flag=True, help="Replace files in OUT that are different."),
        click.argument("out_folder", metavar="[OUT]", type=NEW_FOLDER, required=False),
        click.argument("in_folder", metavar="[IN]", type=EXISTING_FOLDER, required=False),
    ):
        command = decorate(command)
    return command


def run_stage(session: Session, stage: str) -> None:
    """Do a stage for all studies of the workspace, and show what came of it."""
    from mosmedcli import show

    with session.run() as run:
        if session.dry_run:
            show.plan(session, run.pending_counts([stage]))
            return
        run.advance([stage])
        report = run.report()
    show.run(session, report, stage=stage)


def run_either(
    session: Session,
    stage: str,
    pair: tuple[Path | None, Path | None],
    *,
    overwrite: bool,
    thin_early: bool = False,
) -> None:
    """Do a stage in the workspace, or from IN to OUT where `pair` has both.

    Raises SettingsError where it has only one.
    """
    in_folder, out_folder = pair
    if in_folder is None:
        run_stage(session, stage)
        return
    if out_folder is None:
        raise SettingsError(
            "IN was given without OUT", hint="Give both, or neither to work in a workspace."
        )
    from mosmedcli import show_folder
    from mosmedcli.progress import make_progress
    from pipelines.plain import folder_stage, run_folder

    work = folder_stage(stage, thin_early=thin_early)
    settings: list[Any] = [session.table(kind) for kind in work.tables]
    if session.dry_run:
        show_folder.plan(session, stage, work.items_in(in_folder.absolute()))
        return
    with ending_in_order(), make_progress() as progress:
        report = run_folder(
            work,
            (in_folder, out_folder),
            settings,
            jobs=session.jobs,
            overwrite=overwrite,
            ended=progress.of_folder(stage),
        )
    show_folder.report(session, report)
