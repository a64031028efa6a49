"""The commands of the stages that need a workspace: select, export, build-registry."""

import click

from mosmedcli.options import (
    EXISTING_FILE,
    EXISTING_FOLDER,
    OrAddress,
    Session,
    session_options,
    setting,
)
from mosmedcli.running import run_stage
from pipelines.core.export_settings import ExportSettings
from pipelines.core.registry_settings import RegistrySettings
from pipelines.core.select_settings import SelectSettings


@click.command()
@setting("--ris", SelectSettings, "ris", type=OrAddress(EXISTING_FILE))
@setting("--query", SelectSettings, "query")
@setting("--studies", SelectSettings, "studies", type=click.IntRange(min=1))
@setting("--seed", SelectSettings, "seed")
@click.option("--again", is_flag=True, help="Ask the RIS once more, as it is now.")
@click.option("--verify", is_flag=True, help="Draw once more from what the draw has kept.")
@session_options
def select(session: Session, *, again: bool, verify: bool) -> None:
    """Draw studies at random from the RIS.

    The rules of inclusion stand in mosmed.toml under [select]; each is counted with its reason.
    The draw depends on the seed and the study numbers alone: it stays when the RIS grows.
    The password of a database is taken from the environment variable MOSMED_RIS_PASSWORD. Who
    drew what is noted in private/audit.jsonl; --verify draws it once more, without the RIS.

    \b
    Examples:
      mosmed select -w lungs --studies 1110 --seed 20200301
      mosmed select -w lungs --ris postgresql://reader@ris/prod --query "SELECT ..."
      mosmed select -w lungs --verify
    """
    from mosmedcli import show

    if verify:
        from pipelines.verification import verify as verified

        show.verified(session, verified(session.look()))
        return
    with session.run() as run:
        drawn = run.preview() if session.dry_run else run.select(again=again)
    then = "select" if session.dry_run else "export"
    show.selection(session, run.settings.select, drawn, then=then)


@click.command()
@setting("--pacs", ExportSettings, "pacs", type=OrAddress(EXISTING_FOLDER))
@setting("--masks", ExportSettings, "masks", type=EXISTING_FOLDER)
@click.option(
    "--anonymize",
    "export__in_memory",
    is_flag=True,
    default=None,
    help="Anonymize at once, in memory: no identity comes to the disk.",
)
@click.option("--check", is_flag=True, help="Say what the PACS answers, and do nothing.")
@session_options
def export(session: Session, *, check: bool) -> None:
    """Fetch the drawn studies from the PACS or a folder of it.

    One series of each is chosen by the rules under [export] in mosmed.toml. A study that is
    missing, incomplete or without a fitting series falls out with its reason, and the next
    reserve takes its place. Nothing in the PACS is ever changed. A dry run says how much it is.

    \b
    Examples:
      mosmed export -w lungs --pacs /pacs_drop
      mosmed export -w lungs --pacs dicom://PACS@10.0.0.5:104 --check
    """
    from mosmedcli import show

    if check:
        from pipelines.peers.checking import check_archive

        workspace = session.workspace()
        settings = session.settings(workspace).export
        show.archive_check(session, check_archive(settings, workspace.archive))
    elif session.dry_run:
        with session.run() as run:
            show.forecast(session, run.forecast())
    else:
        run_stage(session, "export")


@click.command("build-registry")
@setting("--name", RegistrySettings, "name")
@setting("--licence", RegistrySettings, "licence")
@session_options
def build_registry(session: Session) -> None:
    """Number the studies and publish them.

    The registry, the volumes, the masks, README and LICENSE come to dataset/. The folder
    appears whole or not at all, and is the same to the byte for the same studies.

    \b
    Example:
      mosmed build-registry -w lungs
    """
    from mosmedcli import show

    with session.run() as run:
        report = run.report() if session.dry_run else run.report(is_new=run.build())
    show.run(session, report)
