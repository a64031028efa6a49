"""What became of one element: its new bytes, and what the proof of the file has to know of it."""

from dataclasses import dataclass

from pipelines.io.engine import Remembered


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """The new bytes of one element, none if it is removed, and what the proof has to know.

    `counted` names what was done, `uids` were replaced, `seen` remembers all else that was taken
    out, `counters` are integer strings as they are searched for echoes.
    """

    content: bytes = b""
    counted: tuple[str, ...] = ()
    uids: tuple[str, ...] = ()
    seen: Remembered | None = None
    counters: bytes = b""
    is_ascii: bool = True


def items_of(inner: list[list[Piece]]) -> bytes:
    """Items of defined length, as pydicom writes them."""
    contents = [b"".join(piece.content for piece in pieces) for pieces in inner]
    return b"".join(
        b"\xfe\xff\x00\xe0" + len(content).to_bytes(4, "little") + content for content in contents
    )


def joined(content: bytes, counted: tuple[str, ...], inner: list[Piece]) -> Piece:
    """The piece of a sequence: what is counted, remembered and searched is that of its elements."""
    seen = Remembered()
    for piece in inner:
        if piece.seen is not None:
            seen.add(piece.seen)
    return Piece(
        content=content,
        counted=(*counted, *(what for piece in inner for what in piece.counted)),
        uids=tuple(uid for piece in inner for uid in piece.uids),
        seen=seen or None,
        counters=b"\0".join(piece.counters for piece in inner if piece.counters),
    )
