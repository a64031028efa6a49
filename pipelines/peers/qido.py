"""Queries by QIDO-RS (PS3.18 10.6): page after page, each match once."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pipelines.core.errors import ItemError, PeerError
from pipelines.io.answers import Answer, answer_of_json, tag_of, words_of
from pipelines.io.http import Answer as HttpAnswer
from pipelines.io.http import LineError, Server
from pipelines.peers.node import Cut, Passing

JSON = "application/dicom+json"
PAGE = 500
SURELY_ALL = 50
"""No archive cuts its answers at fewer matches than these, so such a page is the last one."""
LONGEST_ANSWER_BYTES = 1 << 30
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
NOT_IMPLEMENTED = 501
BUSY = frozenset({408, 425, 429})
Match = Mapping[str, Any]


def matches(
    server: Server, path: str, keys: Mapping[str, str], wanted: Sequence[str]
) -> tuple[Answer, ...]:
    """The answers to a query, each value of the attribute that is wanted first once.

    Raises Cut where the archive keeps some of them to itself; Passing, PeerError, ItemError.
    """
    terms = [f"{keyword}={matching(value)}" for keyword, value in keys.items()]
    terms += [f"includefield={tag_of(keyword)}" for keyword in wanted]
    found: dict[str, Match] = {}
    while True:
        part = [f"limit={PAGE}", f"offset={len(found)}"]
        page, is_cut = read_json(server, f"{path}?{'&'.join([*terms, *part])}")
        is_new = _add(found, page, wanted[0])
        if len(page) < SURELY_ALL and not is_cut:
            break
        if not is_new:
            if len(page) == PAGE == len(found):  # it knows the first page alone: all at once, then
                page, is_cut = read_json(server, f"{path}?{'&'.join(terms)}")
                is_cut |= not _add(found, page, wanted[0])
            if is_cut:
                raise Cut("it does not tell all that matches", _answers(found))
            break
    return _answers(found)


def _add(found: dict[str, Match], page: Iterable[Match], unique: str) -> bool:
    """Add what is new of a page; whether there was anything."""
    before, tag = len(found), tag_of(unique)
    for match in page:
        if uid := next(iter(words_of(match.get(tag))), ""):
            found.setdefault(uid, match)
    return len(found) > before


def _answers(found: Mapping[str, Match]) -> tuple[Answer, ...]:
    return tuple(map(answer_of_json, found.values()))


def matching(value: str) -> str:
    """A value to match, in which `?` stands for what servers disagree on how to escape.

    So more may match than is meant: who asks compares the answers.
    """
    return "".join(sign if sign in PLAIN else "?" for sign in value)


def read_json(server: Server, path: str) -> tuple[list[Match], bool]:
    """The matches of an answer, and whether the archive warns that there are more.

    Raises Passing, PeerError, ItemError.
    """
    with line(), server.get(path, accept=JSON) as answer:
        if answer.status in {204, 404}:
            return [], False
        check(answer)
        body = _body(answer)
        try:
            found = json.loads(body) if body.strip() else []
        except (ValueError, RecursionError) as error:
            raise Passing("its answer is no whole JSON: is it DICOMweb?") from error
        is_list = isinstance(found, list) and all(isinstance(match, dict) for match in found)
        if not is_list:
            raise PeerError("the archive answers no list of matches", hint="Is it DICOMweb?")
        return found, answer.has_warning


def _body(answer: HttpAnswer) -> bytes:
    body = bytearray()
    for chunk in answer.chunks():
        body += chunk
        if len(body) > LONGEST_ANSWER_BYTES:
            raise Passing("its answer has no end")
    return bytes(body)


def check(answer: HttpAnswer) -> None:
    """Return where an answer is all that was asked for; else raise what its status means."""
    status = answer.status
    if status == 200:
        return
    if status in {401, 403, 407}:
        raise PeerError(
            f"the PACS does not let us in (HTTP {status})",
            hint="Put its token into MOSMED_PACS_TOKEN (or the file that MOSMED_PACS_TOKEN_FILE "
            "names), or name the user in the address and put the password into "
            "MOSMED_PACS_PASSWORD.",
        )
    if 300 <= status < 400:
        raise PeerError(
            f"the PACS lies at another address (HTTP {status})",
            hint="Ask its owner for the address of DICOMweb: it is not followed blindly.",
        )
    if status == 206:
        raise Passing("it sends only a part (HTTP 206)")
    if (status >= 500 and status != NOT_IMPLEMENTED) or status in BUSY or status in {404, 410}:
        raise Passing(f"HTTP {status}", is_down=status in {502, 503, 504})
    raise ItemError("REFUSED_BY_ARCHIVE", f"DICOMweb: HTTP {status}")


@contextmanager
def line() -> Iterator[None]:
    """What breaks on the line may pass the next time."""
    try:
        yield
    except LineError as error:
        raise Passing(error.reason, is_down=error.is_down) from error
