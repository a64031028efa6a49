"""How a workspace and a synthetic hospital begin."""

import dataclasses
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from mosmedcli.terminal import pasted, printable
from pipelines.core.addresses import is_address
from pipelines.core.errors import SettingsError
from pipelines.core.select_settings import SelectSettings
from pipelines.core.settings import Settings
from pipelines.core.settings_file import render_settings
from pipelines.io.disk import write_whole
from pipelines.io.keys import make_key
from pipelines.io.workspace import Workspace
from pipelines.peers.ris import recognise
from pipelines.peers.ris_titles import refuse_blind_rules

SELECT_FLAGS, EXPORT_FLAGS = ("ris", "sheet", "query", "studies", "seed"), ("pacs", "masks")


def start(folder: Path, given: Mapping[str, Any]) -> None:
    """Make a workspace, and show which columns of the RIS were recognised.

    Raises SettingsError rather than touch a workspace that is there.
    """
    workspace = Workspace(folder.absolute())
    if workspace.settings_file.exists():
        raise SettingsError(
            f"{workspace.settings_file} is there already", hint="Edit it, or choose another folder."
        )
    settings = _settings(given)
    missing = _show_columns(settings.select) if settings.select.ris is not None else None
    workspace.root.mkdir(parents=True, exist_ok=True)
    workspace.make_folders()
    if not workspace.key.exists():
        make_key(workspace.key)
    _write_settings(workspace, settings)
    click.echo(f"wrote {workspace.settings_file} and a key in private/: keep it secret")
    for name, table in (("ris", settings.select), ("pacs", settings.export)):
        if getattr(table, name) is None:
            click.secho(f"missing: set `{name}` under [{table.TABLE}] there", fg="yellow")
    if missing is not None:
        click.secho(f"missing: {missing.message}", fg="yellow")
        click.echo(f"next: in {workspace.settings_file}: {missing.hint}")
        return
    where = pasted(folder)
    click.echo(f"next: mosmed select -w {where}    (or all at once: mosmed run -w {where})")


def make_sample(out: Path, *, studies: int | None, seed: int, jobs: int) -> None:
    """Make the small cohort of the demo, or one of any size with the settings to run it."""
    from pipelines.phantom import cohort

    if studies is None:
        cohort.write_sample(out)
        ris, pacs, masks = (pasted(out / name) for name in ("ris_export.xlsx", "pacs", "masks"))
        click.echo(f"next: mosmed init demo --ris {ris} --pacs {pacs} --masks {masks}")
        return
    with click.progressbar(length=studies, label="studies") as bar:
        summary = cohort.write_cohort(
            out, studies=studies, seed=seed, jobs=jobs, progress=bar.update
        )
    root = out.absolute()
    settings = Settings(
        select=SelectSettings(
            ris=root / "ris_export.xlsx", studies=studies, quota=dict(summary.quota)
        ),
        export=dataclasses.replace(Settings().export, pacs=root / "pacs", masks=root / "masks"),
    )
    _write_settings(Workspace(root), settings)
    click.echo(f"{summary.rows} rows in the RIS, {summary.eligible} studies to draw from")
    click.echo(f"next: mosmed run -w {pasted(out)}")


def _settings(given: Mapping[str, Any]) -> Settings:
    values = {name: value for name, value in given.items() if value is not None}
    values.setdefault("seed", secrets.token_hex(8))
    for name in {"ris", "pacs", "masks"} & set(values):
        if not is_address(values[name]):
            values[name] = Path(values[name]).absolute()
    base = Settings()
    return dataclasses.replace(
        base,
        select=dataclasses.replace(base.select, **_only(values, SELECT_FLAGS)),
        export=dataclasses.replace(base.export, **_only(values, EXPORT_FLAGS)),
    )


def _only(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}


def _write_settings(workspace: Workspace, settings: Settings) -> None:
    text = render_settings(settings, folder=workspace.root)
    write_whole(workspace.settings_file, text.encode())


def _show_columns(settings: SelectSettings) -> SettingsError | None:
    """Show what was recognised; what `select` will refuse until a column is named."""
    name, recognised = recognise(settings)
    how = f" ({recognised.read_as})" if recognised.read_as else ""
    click.echo(f"{name}{how}: recognised")
    for field, title in recognised.titles.items():
        click.echo(f"  {printable(title):<36} {field}")
    for title in recognised.unrecognised:
        click.echo(f"  {printable(title):<36} (not used; name it under [select] columns to use it)")
    try:
        refuse_blind_rules(settings, recognised)
    except SettingsError as error:
        return error
    return None
