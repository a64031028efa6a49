"""The command of the stage anonymize, which makes a key where there is none."""

from pathlib import Path

import click

from mosmedcli.options import Session, session_options, setting
from mosmedcli.running import folder_arguments, run_either
from pipelines.core.errors import SettingsError
from pipelines.core.ocr_settings import OcrSettings
from pipelines.core.patient_settings import PatientSettings


@click.command()
@folder_arguments
@click.option("--key", "anonymize__key", type=click.Path(path_type=Path), help="The key file.")
@setting("--ocr", OcrSettings, "ocr", type=click.Choice(["off", "suspicious", "all"]))
@setting("--same-patients", PatientSettings, "same_patients", type=click.Path(path_type=Path))
@click.option(
    "--canary",
    "canaries",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only try the rules on N invented identities, as `mosmed canary` does.",
)
@session_options
def anonymize(
    session: Session,
    in_folder: Path | None,
    out_folder: Path | None,
    *,
    overwrite: bool,
    canaries: int | None,
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
    if in_folder is None:
        _refuse_plain_flags(session)
    if canaries is not None:
        from mosmedcli.privacy import release_canaries

        if in_folder is not None:
            raise SettingsError(
                "--canary tries the rules of a workspace on what it has exported",
                hint="Leave out IN and OUT, and name the workspace with -w.",
            )
        release_canaries(session, canaries)
    if in_folder is not None and out_folder is not None and not session.dry_run:
        session = _with_key(session)
    run_either(session, "anonymize", (in_folder, out_folder), overwrite=overwrite)


def _refuse_plain_flags(session: Session) -> None:
    """Raise SettingsError for what one command alone may not decide in a workspace."""
    for flag, table in (("same_patients", "select"), ("ocr", "thin")):
        if f"{table}.{flag}" in session.flags:
            raise SettingsError(
                f"--{flag.replace('_', '-')} is for plain folders here",
                hint=f"In a workspace set `{flag}` under [{table}]: all of it follows.",
            )


def _with_key(session: Session) -> Session:
    """The session with a key file that exists: the one named, or ./mosmed.key."""
    from dataclasses import replace

    from pipelines.io.keys import make_key

    path = Path(session.flags.get("anonymize.key") or "mosmed.key").absolute()
    if not path.exists():
        make_key(path)
        click.echo(f"made the key {path}: keep it, and keep it secret", err=True)
    return replace(session, flags={**session.flags, "anonymize.key": path})
