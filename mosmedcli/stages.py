"""The six stage commands, of one shape: options to settings, run, report."""

from pathlib import Path

import click

from mosmedcli.options import (
    EXISTING_FILE,
    EXISTING_FOLDER,
    NEW_FOLDER,
    F,
    OrAddress,
    Session,
    refuse_half_a_pair,
    session_options,
    setting,
)
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


def thinning_options(command: F) -> F:
    """Which slices are kept."""
    for decorate in (
        setting("--by", "thin.by", type=click.Choice(["instance", "position"])),
        setting("--offset", "thin.offset", type=click.IntRange(min=0)),
        setting("--every", "thin.every", type=click.IntRange(min=1)),
        setting("--ocr", "thin.ocr", type=click.Choice(["off", "suspicious", "all"])),
    ):
        command = decorate(command)
    return command


def refuse_idle_thinning(session: Session, *, is_short: bool, is_plain: bool) -> None:
    """Raise SettingsError for --thin in a workspace, or for its options without it."""
    if is_short and not is_plain:
        raise SettingsError(
            "--thin is for plain folders",
            hint="In a workspace use `mosmed run --thin-early`, or thin_early under [export].",
        )
    if not is_short and any(name.startswith("thin.") for name in session.flags):
        raise SettingsError(
            "--every, --offset and --by say which slices are kept, but all are",
            hint="Add --thin, or run `mosmed thin` afterwards.",
        )


@click.command()
@setting("--ris", "select.ris", type=OrAddress(EXISTING_FILE))
@setting("--query", "select.query")
@setting("--studies", "select.studies", type=click.IntRange(min=1))
@setting("--seed", "select.seed")
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
      mosmed select -w lungs --ris postgresql://reader@ris/hospital --query "SELECT * FROM ct"
      mosmed select -w lungs --verify
    """
    from mosmedcli import show

    if verify:
        from pipelines.verification import verify as verified

        show.verified(session, verified(session.look()))
        return
    with session.run() as run:
        drawn = run.preview() if session.dry_run else run.select(again=again)
    show.selection(session, run.settings.select, drawn)


@click.command()
@setting("--pacs", "export.pacs", type=OrAddress(EXISTING_FOLDER))
@setting("--masks", "export.masks", type=EXISTING_FOLDER)
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
        show.findings(session, check_archive(settings, workspace.archive))
    elif session.dry_run:
        with session.run() as run:
            show.forecast(session, run.forecast())
    else:
        _run_stage(session, "export")


@click.command()
@folder_arguments
@click.option("--key", "anonymize__key", type=click.Path(path_type=Path), help="The key file.")
@session_options
def anonymize(
    session: Session, in_folder: Path | None, out_folder: Path | None, *, overwrite: bool
) -> None:
    """Take the identity out of the chosen series.

    The rules are those of the basic confidentiality profile (PS3.15 Annex E). With IN and OUT
    it works on plain folders; the key is then ./mosmed.key unless --key names another, and is
    made when it is not there. Keep it: the same key gives the same pseudonyms.

    \b
    Examples:
      mosmed anonymize -w lungs
      mosmed anonymize /data/dicom /data/anonymous --key ~/mosmed.key
    """
    if in_folder is not None:
        session = _with_key(session)
    _run_either(session, "anonymize", (in_folder, out_folder), overwrite=overwrite)


@click.command()
@folder_arguments
@setting("--minimum-slices", "convert.minimum_slices", type=click.IntRange(min=1))
@setting("--allow-lossy", "convert.allow_lossy", is_flag=True)
@setting("--padding-hu", "convert.padding_hu", type=click.IntRange(-32768, 32767))
@setting("--clip-hu", "convert.clip_hu", is_flag=True)
@setting("--verify", "convert.verify", type=click.Choice(["header", "readers"]))
@click.option("--thin", "is_short", is_flag=True, help="Thin as well, without decoding the rest.")
@thinning_options
@session_options
def convert(
    session: Session,
    in_folder: Path | None,
    out_folder: Path | None,
    *,
    overwrite: bool,
    is_short: bool,
) -> None:
    """Convert the series to NIfTI volumes in HU.

    What is not one evenly stepped volume is refused with a code that names the fault; no voxel
    is ever interpolated or guessed. With --thin the slices that thinning drops are not decoded,
    and the files are those of `mosmed thin`; in a workspace, set thin_early under [export].

    \b
    Examples:
      mosmed convert -w lungs
      mosmed convert /data/anonymous /data/nifti
      mosmed convert /data/anonymous /data/thinned --thin --every 10
    """
    refuse_idle_thinning(session, is_short=is_short, is_plain=in_folder is not None)
    _run_either(
        session, "convert", (in_folder, out_folder), overwrite=overwrite, thin_early=is_short
    )


@click.command()
@folder_arguments
@thinning_options
@setting("--verify", "thin.verify", type=click.Choice(["header", "readers"]))
@session_options
def thin(
    session: Session, in_folder: Path | None, out_folder: Path | None, *, overwrite: bool
) -> None:
    """Keep every 10th slice, as MosMedData did.

    Those are kept whose InstanceNumber is a multiple of 10. Spacing and origin follow, so that
    a kept voxel stays where it was in the patient. Masks are thinned with their image.

    \b
    Examples:
      mosmed thin -w lungs
      mosmed thin /data/nifti /data/thinned --every 5
    """
    _run_either(session, "thin", (in_folder, out_folder), overwrite=overwrite)


@click.command("build-registry")
@setting("--name", "registry.name")
@setting("--licence", "registry.licence")
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


COMMANDS = (select, export, anonymize, convert, thin, build_registry)


def _run_stage(session: Session, stage: str) -> None:
    from mosmedcli import show

    with session.run() as run:
        if session.dry_run:
            show.plan(session, run.pending_counts([stage]))
            return
        run.advance([stage])
        report = run.report()
    show.run(session, report, stage=stage)


def _run_either(
    session: Session,
    stage: str,
    pair: tuple[Path | None, Path | None],
    *,
    overwrite: bool,
    thin_early: bool = False,
) -> None:
    in_folder, out_folder = pair
    if in_folder is None or out_folder is None:
        refuse_half_a_pair(in_folder, out_folder)
        _run_stage(session, stage)
        return
    from mosmedcli import show_folder
    from mosmedcli.progress import make_progress
    from pipelines.plain import folder_stage, run_folder

    if session.dry_run:
        items = folder_stage(stage).find(in_folder.absolute())
        show_folder.plan(session, stage, items)
        return
    with make_progress() as progress:
        report = run_folder(
            folder_stage(stage, thin_early=thin_early),
            (in_folder, out_folder),
            session.defaults(),
            jobs=session.jobs,
            overwrite=overwrite,
            ended=progress.of_folder(stage),
        )
    show_folder.report(session, report)


def _with_key(session: Session) -> Session:
    """The session with a key file that exists: the one named, or ./mosmed.key."""
    from dataclasses import replace

    from pipelines.io.keys import make_key

    path = Path(session.flags.get("anonymize.key") or "mosmed.key").absolute()
    if not path.exists():
        make_key(path)
        click.echo(f"made the key {path}: keep it, and keep it secret", err=True)
    return replace(session, flags={**session.flags, "anonymize.key": path})
