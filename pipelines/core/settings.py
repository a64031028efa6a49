"""Every knob of every stage together, as the tables of `mosmed.toml`.

The commented `mosmed.toml`, the environment variables and the command-line defaults are all made
from the classes of each table, so that none of them can drift. They stand in modules of their own:
a command on plain folders needs those of its own stage alone.
"""

from dataclasses import dataclass, field, fields

from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.convert_settings import ConvertSettings, ThinSettings
from pipelines.core.export_settings import EarlyExportSettings, ExportSettings
from pipelines.core.registry_settings import RegistrySettings
from pipelines.core.select_settings import SelectSettings


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a workspace; the names are the tables of `mosmed.toml`."""

    select: SelectSettings = field(default_factory=SelectSettings)
    export: ExportSettings = field(default_factory=ExportSettings)
    anonymize: AnonymizeSettings = field(default_factory=AnonymizeSettings)
    convert: ConvertSettings = field(default_factory=ConvertSettings)
    thin: ThinSettings = field(default_factory=ThinSettings)
    registry: RegistrySettings = field(default_factory=RegistrySettings)


def export_settings(settings: Settings) -> ExportSettings:
    """What `export` is told; if it thins early, the rules by which."""
    if not settings.export.thin_early:
        return settings.export
    thin = ThinSettings(every=settings.thin.every, offset=settings.thin.offset, by=settings.thin.by)
    return EarlyExportSettings(
        **{one.name: getattr(settings.export, one.name) for one in fields(settings.export)},
        minimum_slices=settings.convert.minimum_slices,
        thin=thin,
    )
