"""The commands about identity: explain, prove, canary, reidentify, forget."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from mosmedcli.options import EXISTING_FOLDER, Session, session_options
from mosmedcli.terminal import print_json, printable
from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.errors import WorkspaceError

if TYPE_CHECKING:
    from pipelines.owner import Withdrawal


@click.command()
@click.option("--all", "is_whole", is_flag=True, help="Every attribute, one a line.")
@session_options
def explain(session: Session, *, is_whole: bool) -> None:
    """Show what anonymize removes, replaces and keeps, and why.

    By the settings of the workspace, or by the defaults where there is none. The table is that of
    a DICOM conformance statement (PS3.2 N.11.2.6).

    \b
    Examples:
      mosmed explain
      mosmed explain -w lungs --all
    """
    from mosmedcli import show
    from pipelines.explanation import explain as explained
    from pipelines.explanation import summary, table

    rows = explained(_settings(session))
    if session.as_json:
        print_json(rows)
        return
    show.markdown_table(table(rows) if is_whole else summary(rows))


@click.command()
@click.argument("tree", metavar="[FOLDER]", type=EXISTING_FOLDER, required=False)
@session_options
def prove(session: Session, tree: Path | None) -> None:
    """Look for the patients' own values in every byte of a folder.

    FOLDER is dataset/ unless another one is named. What is looked for is all that the RIS and the
    headers say of everybody whose study was opened here: names, numbers, birth dates, UIDs.

    \b
    Examples:
      mosmed prove -w lungs
      mosmed prove /media/handover -w lungs --json
    """
    from pipelines.core.faults import FAULTS
    from pipelines.proof import prove as proof_of

    run = session.look()
    proof = proof_of(tree or run.workspace.dataset, run.sought())
    if session.as_json:
        print_json(proof, exit_status=proof.exit_status)
        sys.exit(proof.exit_status)
    for finding in proof.findings:
        click.echo(printable(f"{finding.code}  {finding.file}: {finding.place}"))
    for code in sorted({finding.code for finding in proof.findings}):
        click.secho(f"{code}: {FAULTS[code].meaning}", fg="red")
        click.secho(f"  {FAULTS[code].hint}", dim=True)
    kinds = ", ".join(f"{count} {kind}" for kind, count in proof.files.items()) or "none"
    click.echo(f"files looked into: {kinds}")
    click.echo(f"{proof.values} values looked for, {len(proof.findings)} findings")
    sys.exit(proof.exit_status)


@click.command()
@click.option("--studies", type=click.IntRange(min=1), default=12, show_default=True,
              help="How many invented identities to plant.")  # fmt: skip
@session_options
def canary(session: Session, studies: int) -> None:
    """Try your rules on invented identities in your own files.

    They are planted in copies of exported images: in the header, nested, private, in overlays,
    preamble, file names, in Latin and Cyrillic. Told is what the rules removed, what was refused,
    and what is left; nothing stays on the disk but the score.

    \b
    Example:
      mosmed canary -w lungs --studies 30
    """
    release_canaries(session, studies)


def release_canaries(session: Session, identities: int) -> NoReturn:
    """Plant so many identities, show what became of them, and exit."""
    from rich.text import Text

    from mosmedcli import show
    from pipelines.canary import release

    with session.run() as run:
        report = release(run, identities)
    if session.as_json:
        print_json(report, exit_status=report.exit_status)
        sys.exit(report.exit_status)
    table = show.new_table("place", "planted", "removed", "caught", "left")
    for score in report.places:
        numbers = map(str, (score.planted, score.removed, score.caught, score.left))
        table.add_row(Text(score.place), *numbers, style="red" if score.left else "")
    show.console().print(table)
    click.echo(f"score: {report.score_percent} % of {report.planted} canaries removed or caught")
    sys.exit(report.exit_status)


@click.command()
@click.argument("study")
@session_options
def reidentify(session: Session, study: str) -> None:
    """Tell the owner who a published study is of.

    For an incidental finding. STUDY is its number in the dataset or its pseudonym. Who asked,
    when, and for which pseudonym is written to private/audit.jsonl first.

    \b
    Example:
      mosmed reidentify study_0001 -w lungs
    """
    from pipelines.core.codec import to_jsonable
    from pipelines.owner import reidentify as identity_of

    with session.run() as run:
        identity = to_jsonable(identity_of(run, study))
    if session.as_json:
        print_json(identity)
        return
    for name, value in identity.items():
        click.echo(f"{name:<20} {'unknown' if value is None else value}")


@click.command()
@click.argument("study")
@click.option("--yes", is_flag=True, help="Do it; without this it is only told what would go.")
@session_options
def forget(session: Session, study: str, *, yes: bool) -> None:
    """Withdraw one study from this workspace for good.

    All that is kept of it is removed; it is never drawn here again, and a reserve takes its place
    at the next run. STUDY is its number in the dataset, its pseudonym or its accession number.

    \b
    Example:
      mosmed forget study_0001 -w lungs --yes
    """
    from pipelines.owner import forget as withdraw
    from pipelines.owner import withdrawal

    is_done = yes and not session.dry_run
    with session.run() as run:
        gone = withdraw(run, study) if is_done else withdrawal(run, study)
    if session.as_json:
        print_json(gone, is_done=is_done)
        return
    _tell(gone, is_done=is_done)


def _settings(session: Session) -> AnonymizeSettings:
    """The settings of the workspace, or the defaults where none is named and none is near."""
    try:
        return session.settings(session.workspace()).anonymize
    except WorkspaceError:
        if session.folder is not None:
            raise
        return session.table(AnonymizeSettings)


def _tell(gone: "Withdrawal", *, is_done: bool) -> None:
    for folder in gone.folders:
        click.echo(f"{'removed' if is_done else 'would be removed'}: {folder}")
    if not is_done:
        click.echo(f"nothing was done to {gone.public_id}; add --yes to withdraw it for good")
        return
    click.echo(
        f"{gone.public_id} is withdrawn; at the next run a reserve takes its place, if one is left"
    )
    if gone.is_published:
        click.echo(
            "It is still in dataset/ until that run. Replace copies already given away by the new\n"
            "version, and ask those who have them to delete the old one: mosmed cannot reach them."
        )
    click.echo(
        "The RIS export, the PACS folder, backups and tables of readings still hold it, also\n"
        "private/disagreements.xlsx: they are not mosmed's."
    )
