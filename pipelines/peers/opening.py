"""The archive that the settings name: a folder, or a PACS by one of the ways it can be reached."""

from pathlib import Path

from pipelines.core.addresses import address_of
from pipelines.core.errors import PeerError, SettingsError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.node_settings import NodeSettings
from pipelines.io.answers import CHOICE_KEYS, SLICE_KEYS
from pipelines.peers.archives import INDEX_NAME, Archive, FolderArchive
from pipelines.peers.node import Node
from pipelines.peers.policy import Clock, Policy
from pipelines.peers.remote import RemoteArchive

SHARED_FOLDER = "pacs"
"""Where the workers' common limits lie, in the folder that `export` is given as its source."""


CLOCK = Clock()
"""By which waiting is measured."""


def open_archive(settings: ExportSettings, *, source: Path, scratch: Path) -> Archive:
    """The archive that the settings name, for one study.

    `source` is kept from one call to the next, for all workers; `scratch` is this study's own.
    Raises PeerError where the archive is not there, SettingsError for none or a wrong address.
    """
    pacs = named_pacs(settings)
    if isinstance(pacs, str):
        return _open_remote(pacs, settings, source / SHARED_FOLDER, scratch)
    return _open_folder(pacs, source / INDEX_NAME)


def named_pacs(settings: ExportSettings) -> Path | str:
    """The folder or address of the PACS; raises SettingsError where none is named."""
    if settings.pacs is None:
        raise SettingsError(
            "no PACS is named",
            hint="Set `pacs` under [export] in mosmed.toml: its folder, or its address.",
        )
    return settings.pacs


def _open_remote(place: str, settings: ExportSettings, shared: Path, scratch: Path) -> Archive:
    policy = Policy(settings, shared, CLOCK)
    node = open_node(place, settings, policy)
    policy.begin_study()
    wanted = SLICE_KEYS if settings.thin_early else CHOICE_KEYS
    return RemoteArchive(node, policy, scratch, wanted)


def open_node(place: str, settings: NodeSettings, policy: Policy) -> Node:
    """The PACS at an address; raises SettingsError, PeerError where its library is missing."""
    try:
        if place.lower().startswith(("http:", "https:")):
            from pipelines.peers.dicomweb import DicomwebNode, server_of

            return DicomwebNode(server_of(place, settings))
        from pipelines.peers.dimse import DimseNode
    except ModuleNotFoundError as error:
        raise PeerError(
            f"a PACS needs the library {error.name}, which is not installed",
            hint="Install it where mosmed was cloned to: pip install '.[pacs]'",
        ) from error
    return DimseNode(address_of(place), settings, policy.hold)


def _open_folder(folder: Path, database: Path) -> FolderArchive:
    """The folder; raises PeerError where it or its index is not there."""
    if not folder.is_dir():
        raise PeerError(
            f"the archive folder {folder} is not there",
            hint="Mount it, or name another folder as `pacs` under [export].",
        )
    if not database.is_file():
        raise PeerError(
            f"the archive folder {folder} has no index yet",
            hint="Run `mosmed export`: it looks through the folder first.",
        )
    return FolderArchive(folder, database)
