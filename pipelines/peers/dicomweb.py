"""A PACS by DICOMweb: queries by QIDO-RS, headers by their metadata, objects by WADO-RS."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pipelines.core.errors import ItemError, PeerError, SettingsError
from pipelines.core.node_settings import NodeSettings
from pipelines.io.answers import (
    IMAGE_KEYS,
    SERIES_KEYS,
    STUDY_KEYS,
    Answer,
    answer_of_json,
    day_keys,
    study_keys,
)
from pipelines.io.http import Credentials, Server
from pipelines.io.multipart import BrokenOffError, Multipart
from pipelines.peers import qido
from pipelines.peers.inbox import Inbox
from pipelines.peers.node import Passing, Request
from pipelines.peers.tls import tls_context

TOKEN, PASSWORD = "MOSMED_PACS_TOKEN", "MOSMED_PACS_PASSWORD"
TOKEN_FILE = "MOSMED_PACS_TOKEN_FILE"  # noqa: S105  the name, not the word
"""A file whose token somebody else renews: it is read again once the PACS does not take it."""
OBJECTS = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""Objects as they are stored, whatever their transfer syntax (PS3.18 8.7.3.5.2)."""


def server_of(address: str, settings: NodeSettings) -> Server:
    """The server at an address; raises SettingsError where it may not be asked that way."""
    tls = tls_context(settings) if address.lower().startswith("https:") else None
    return Server(address, _credentials, timeout_seconds=settings.timeout_seconds, tls=tls)


def _credentials() -> Credentials:
    """Those of the environment; a token's file is read whenever it is asked for."""
    token, file = os.environ.get(TOKEN), os.environ.get(TOKEN_FILE)
    if file:
        try:
            token = Path(file).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"the token of the PACS cannot be read: {type(error).__name__}",
                hint=f"Look at the file that {TOKEN_FILE} names.",
            ) from error
    return Credentials(token, os.environ.get(PASSWORD))


@dataclass(slots=True)
class DicomwebNode:
    """A PACS at the address of its DICOMweb service, such as https://pacs/dicom-web."""

    server: Server
    _has_no_metadata: bool = field(default=False, init=False)

    # --- queries

    def echo(self) -> None:
        """Return if the PACS answers a query; raises Passing."""
        qido.read_json(self.server, "/studies?limit=1")

    def find_studies(
        self, *, accession_number: str | None, study_instance_uid: str | None
    ) -> tuple[Answer, ...]:
        """The studies that match, by StudyInstanceUID if given, else by AccessionNumber."""
        return self._find("/studies", study_keys(accession_number, study_instance_uid), STUDY_KEYS)

    def find_day(
        self, day: date, wanted: tuple[str, ...], *, times: str = ""
    ) -> tuple[Answer, ...]:
        """The studies of a day, or of a range of StudyTime in it; StudyInstanceUID stands first."""
        return self._find("/studies", day_keys(day, times), wanted)

    def find_series(self, study_instance_uid: str) -> tuple[Answer, ...]:
        """The series of a study."""
        return self._find(f"/studies/{_uid(study_instance_uid)}/series", {}, SERIES_KEYS)

    def find_instances(
        self, study_instance_uid: str, series_instance_uid: str, *, wanted: tuple[str, ...]
    ) -> tuple[Answer, ...]:
        """The objects of a series; if more is wanted than names, with their headers."""
        series = _path(study_instance_uid, series_instance_uid)
        if wanted != IMAGE_KEYS and not self._has_no_metadata:
            answers = self._metadata(series)
            self._has_no_metadata = not answers
            if answers:
                return answers
        return self._find(f"{series}/instances", {}, wanted)

    def _find(self, path: str, keys: dict[str, str], wanted: tuple[str, ...]) -> tuple[Answer, ...]:
        return qido.matches(self.server, path, keys, wanted)

    def _metadata(self, series: str) -> tuple[Answer, ...]:
        """The headers of a series (PS3.18 10.4.1.1.2); none where the archive has no metadata."""
        try:
            return tuple(map(answer_of_json, qido.read_json(self.server, f"{series}/metadata")[0]))
        except (ItemError, Passing):
            return ()

    # --- objects

    def retrieve(self, requests: Sequence[Request], inbox: Inbox) -> None:
        """Have the objects sent into the inbox; raises Passing, PeerError, ItemError, OSError."""
        for path in (path for request in requests for path in _paths(request)):
            with qido.line(), self.server.get(path, accept=OBJECTS) as answer:
                is_part = answer.status == 206
                if not is_part:
                    qido.check(answer)
                boundary = answer.content_type.get_param("boundary")
                if not isinstance(boundary, str):
                    raise PeerError(
                        "the PACS does not send its objects as they are stored",
                        hint="Ask its owner for WADO-RS with application/dicom.",
                    )
                _receive(Multipart(answer.chunks(), boundary), inbox)
                if is_part:
                    raise Passing("it sends only a part (HTTP 206)")

    def offers(self) -> list[tuple[str, bool, str]]:
        """DICOMweb has one way: WADO-RS, which is found out by the first object."""
        return [("sends by WADO-RS", True, "will be used")]

    def close(self) -> None:
        """Close the connections."""
        self.server.close()


def _receive(multipart: Multipart, inbox: Inbox) -> None:
    """Each part straight into a file; what broke off is not kept."""
    try:
        for part in multipart.parts():
            path = inbox.new_part()
            try:
                with path.open("xb") as file:
                    for chunk in part:
                        inbox.spend(len(chunk))
                        file.write(chunk)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            inbox.settle(path)
    except BrokenOffError as error:
        raise Passing(f"the line broke: {error}") from error


def _paths(request: Request) -> Iterator[str]:
    series = _path(request.study_instance_uid, request.series_instance_uid)
    if not request.sop_instance_uids:
        yield series
    for uid in request.sop_instance_uids:
        yield f"{series}/instances/{_uid(uid)}"


def _path(study_instance_uid: str, series_instance_uid: str) -> str:
    return f"/studies/{_uid(study_instance_uid)}/series/{_uid(series_instance_uid)}"


def _uid(uid: str) -> str:
    """A UID for a path; raises ItemError for what is none and could lead elsewhere."""
    if not uid or set(uid) - set("0123456789."):
        raise ItemError("REFUSED_BY_ARCHIVE", "a UID holds what no UID may hold")
    return uid
