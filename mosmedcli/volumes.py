"""The commands of the stages that make volumes: convert and thin."""

from pathlib import Path

import click

from mosmedcli.options import F, Session, session_options, setting
from mosmedcli.running import folder_arguments, run_either
from pipelines.core.convert_settings import ConvertSettings, ThinSettings
from pipelines.core.errors import SettingsError


def thinning_options(command: F) -> F:
    """Which slices are kept."""
    for decorate in (
        setting("--by", ThinSettings, "by", type=click.Choice(["instance", "position"])),
        setting("--offset", ThinSettings, "offset", type=click.IntRange(min=0)),
        setting("--every", ThinSettings, "every", type=click.IntRange(min=1)),
        setting("--ocr", ThinSettings, "ocr", type=click.Choice(["off", "suspicious", "all"])),
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
@folder_arguments
@setting("--minimum-slices", ConvertSettings, "minimum_slices", type=click.IntRange(min=1))
@setting("--allow-lossy", ConvertSettings, "allow_lossy", is_flag=True)
@setting("--padding-hu", ConvertSettings, "padding_hu", type=click.IntRange(-32768, 32767))
@setting("--clip-hu", ConvertSettings, "clip_hu", is_flag=True)
@setting("--verify", ConvertSettings, "verify", type=click.Choice(["header", "readers"]))
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
    run_either(
        session, "convert", (in_folder, out_folder), overwrite=overwrite, thin_early=is_short
    )


@click.command()
@folder_arguments
@thinning_options
@setting("--verify", ThinSettings, "verify", type=click.Choice(["header", "readers"]))
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
    run_either(session, "thin", (in_folder, out_folder), overwrite=overwrite)
