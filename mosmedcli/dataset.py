"""The commands about a dataset as a whole: init, run, status, why, validate, sample."""

from pathlib import Path

import click

from mosmedcli.options import (
    EXISTING_FILE,
    EXISTING_FOLDER,
    NEW_FOLDER,
    OrAddress,
    Session,
    session_options,
    setting,
)
from pipelines.core.export_settings import ExportSettings


@click.command()
@click.argument("folder", type=NEW_FOLDER)
@click.option(
    "--ris",
    type=OrAddress(EXISTING_FILE),
    help="The RIS: a .xlsx, a .csv, or an address.",
)
@click.option("--sheet", help="The sheet of the .xlsx; if not given, that of most known titles.")
@click.option("--query", help="What a database is asked, e.g. SELECT * FROM studies.")
@click.option(
    "--pacs", type=OrAddress(EXISTING_FOLDER), help="The folder of the PACS export, or a PACS."
)
@click.option("--masks", type=EXISTING_FOLDER, help="A folder of masks by accession number.")
@click.option("--studies", type=click.IntRange(min=1), help="How many studies to publish.")
@click.option("--seed", help="The seed of the draw; a random one, if not given.")
def init(folder: Path, **given: object) -> None:
    """Make a workspace: its settings and its key.

    The settings stand in a commented mosmed.toml, the secret key lies in private/. The columns of
    the RIS that were recognised are shown.

    \b
    Example:
      mosmed init lungs --ris ris_march.xlsx --pacs /pacs_drop --masks /masks
    """
    from mosmedcli.start import start

    start(folder, given)


@click.command()
@setting("--thin-early", ExportSettings, "thin_early", is_flag=True)
@session_options
def run(session: Session) -> None:
    """Do everything that is pending, to the end.

    That is select, export, anonymize, convert, thin and build-registry. Killed at any moment,
    it goes on where it was. A study that falls out is replaced by the next reserve, so that as
    many as were asked for are published; what failed is tried again at each call.

    \b
    Example:
      mosmed run -w lungs --jobs 2
    """
    from mosmedcli import show
    from pipelines.chain import STAGES

    names = [stage.name for stage in STAGES]
    with session.run() as work:
        work.refuse_unusable()
        if session.dry_run and not work.is_drawn():
            show.selection(session, work.settings.select, work.preview(), then="run")
        if session.dry_run:
            show.plan(session, work.pending_counts(names))
            return
        work.select()
        work.advance(names)
        report = work.report(is_new=work.build_if_any())
    show.run(session, report)


@click.command()
@session_options
def status(session: Session) -> None:
    """Show what each stage has done, with reasons.

    \b
    Example:
      mosmed status -w lungs --json
    """
    from mosmedcli import show

    show.run(session, session.look().report())


@click.command()
@click.argument("study")
@session_options
def why(session: Session, study: str) -> None:
    """Show one study's way, decision by decision.

    STUDY is its number in the dataset (study_0001 or 1), its pseudonym, or, for the owner of the
    workspace, its accession number. It also explains why a row of the RIS was never drawn.

    \b
    Examples:
      mosmed why study_0001 -w lungs
      mosmed why MH0012345 -w lungs
    """
    from mosmedcli import show
    from pipelines.way import way_of

    show.way(session, way_of(session.look(), study))


@click.command()
@click.argument("folder_of_dataset", metavar="[DATASET]", type=EXISTING_FOLDER, required=False)
@session_options
def validate(session: Session, folder_of_dataset: Path | None) -> None:
    """Check a published dataset, also one that somebody else made.

    Registry against files both ways, geometry by two readers, HU, masks, checksums, splits, and
    whatever tells of a person in any byte. DATASET is that of the workspace unless it is named;
    with --workspace the patients' own values are looked for, too. Nothing is written.

    \b
    Examples:
      mosmed validate COVID19_1110
      mosmed validate -w lungs --json
    """
    from mosmedcli import show_validation
    from mosmedcli.progress import Progress
    from pipelines.validation.dataset import validate as validation_of

    is_known = folder_of_dataset is None or session.folder is not None
    work = session.look() if is_known else None
    root = folder_of_dataset or (work.workspace.dataset if work is not None else Path())
    with Progress() as progress:
        found = validation_of(root, jobs=session.jobs, ended=progress.of_folder("validate"))
    if work is not None:
        from pipelines.proof import prove

        found = found.with_findings(prove(root, work.sought()).findings)
    show_validation.report(session, found)


@click.command()
@click.argument("out", type=NEW_FOLDER)
@click.option(
    "--studies",
    type=click.IntRange(min=1),
    help="How many good studies, in the paper's proportions; else the small cohort of the demo.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, other people.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), default=1, show_default=True)
def sample(out: Path, studies: int | None, seed: int, jobs: int) -> None:
    """Make a synthetic hospital to try mosmed on.

    It has a RIS export, a PACS folder and masks, of people who never were.

    \b
    Examples:
      mosmed sample sample_dicom
      mosmed sample twin --studies 1110 && mosmed run -w twin
    """
    from mosmedcli.start import make_sample

    make_sample(out, studies=studies, seed=seed, jobs=jobs)
