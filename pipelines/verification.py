"""Drawing once more from what a draw has kept: it must give the same list, or says what differs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines import selection
from pipelines.core.errors import WorkspaceError
from pipelines.core.identity import Candidate, Pseudonyms
from pipelines.core.places import rank_of, wanted_of
from pipelines.core.select_settings import SelectSettings
from pipelines.io import audit
from pipelines.io.disk import sha256_of
from pipelines.io.keys import read_key
from pipelines.io.record_table import RecordTable
from pipelines.run import Run
from pipelines.select import FramePlace, redraw

DRAW_AGAIN = "The draw on the disk is not the one that was noted: run `mosmed select --again`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A draw that was found right: `head` is the digest of the last line of the audit trail."""

    source: str
    drawn_at: str
    drawn_by: str
    seed: str
    rows: int
    frame: int
    drawn: int
    reserves: int
    audit_lines: int
    head: str


def verify(run: Run) -> Verified:
    """Check the audit trail, its frame and its seed, and draw once more from them.

    Raises WorkspaceError that names the first thing that differs.
    """
    private = run.workspace.private
    lines = audit.checked(private)
    drawn = run.drawn().candidates
    line, begun = _last(lines, selection.DRAWN), _last(lines, selection.BEGINS)
    frame_line = _last(lines, selection.DRAWN, selection.BLANKED)
    _must_be(
        selection.text_digest(line["seed"]) == begun["seed_sha256"],
        "the seed is not the one fixed before",
    )
    path = run.workspace.seat_of_selection.place / selection.FRAME
    _must_be(sha256_of(path) == frame_line["frame_sha256"], f"{path} was changed since the draw")
    places = list(RecordTable(path, FramePlace))
    settings = _settings(line)
    wanted = wanted_of(settings)
    assert run.settings.anonymize.key is not None
    names = Pseudonyms(read_key(run.settings.anonymize.key))
    _must_be(_redrawn(places, settings, names) == _named(drawn, places), "the draw differs")
    return Verified(
        source=line["source"],
        drawn_at=line["when"],
        drawn_by=line["who"],
        seed=line["seed"],
        rows=int(line["rows"]),
        frame=len(places),
        drawn=min(len(drawn), wanted),
        reserves=max(len(drawn) - wanted, 0),
        audit_lines=len(lines),
        head=audit.head(private),
    )


def _redrawn(
    places: Sequence[FramePlace], settings: SelectSettings, names: Pseudonyms
) -> list[tuple[int, str]]:
    """Rank and pseudonym of those drawn; of a withdrawn study only the rank is still known."""
    ranked = [
        replace(place, rank=rank_of(place.study_number, settings.seed))
        if place.study_number
        else place
        for place in places
    ]
    _must_be(ranked == list(places), "a rank in the frame is not that of its study")
    return [
        (place.rank, names.study(place.study_number) if place.study_number else "")
        for place in redraw(ranked, settings)
    ]


def _named(candidates: Sequence[Candidate], places: Sequence[FramePlace]) -> list[tuple[int, str]]:
    withdrawn = {place.rank for place in places if not place.study_number}
    return [(one.rank, "" if one.rank in withdrawn else one.public_id) for one in candidates]


def _settings(line: dict[str, str]) -> SelectSettings:
    """What the draw was made with, as far as the frame has to know it."""
    return SelectSettings(
        seed=line["seed"],
        studies=int(line["studies"]),
        reserves=int(line["reserves"]),
        quota=json.loads(line["quota"]),
    )


def _last(lines: Sequence[dict[str, str]], *what: str) -> dict[str, str]:
    found = [line for line in lines if line.get("what") in what]
    _must_be(bool(found), "the audit trail knows of no draw")
    return found[-1]


def _must_be(is_right: bool, otherwise: str) -> None:
    if not is_right:
        raise WorkspaceError(f"not verified: {otherwise}", hint=DRAW_AGAIN)
