"""The elements in which an object says that it is de-identified, as bytes (PS3.15 E.1.1)."""

from pipelines.core.values import SPECIFIC_CHARACTER_SET
from pipelines.io.engine import UTF_8, Engine

METHOD_CODES = 0x00120064


def claimed_elements(engine: Engine, *, is_implicit: bool, is_ascii: bool) -> dict[int, bytes]:
    """Whole elements in Little Endian by tag, as `deidentify.claim` adds them to a data set."""
    claims = engine.claims()
    if not is_ascii:
        claims.append((SPECIFIC_CHARACTER_SET, "CS", UTF_8))
    elements = {tag: _element(tag, vr, text, is_implicit) for tag, vr, text in claims}
    items = [
        b"".join(_element(tag, vr, text, is_implicit) for tag, vr, text in item)
        for item in engine.claimed_codes()
    ]
    if items:
        elements[METHOD_CODES] = _sequence(METHOD_CODES, items, is_implicit)
    return elements


def _element(tag: int, vr: str, text: str, is_implicit: bool) -> bytes:
    value = text.encode()
    value += b" " * (len(value) % 2)
    if is_implicit:
        return _tag(tag) + len(value).to_bytes(4, "little") + value
    return _tag(tag) + vr.encode() + len(value).to_bytes(2, "little") + value


def _sequence(tag: int, items: list[bytes], is_implicit: bool) -> bytes:
    value = b"".join(_tag(0xFFFEE000) + len(item).to_bytes(4, "little") + item for item in items)
    vr = b"" if is_implicit else b"SQ\0\0"
    return _tag(tag) + vr + len(value).to_bytes(4, "little") + value


def _tag(tag: int) -> bytes:
    return (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
