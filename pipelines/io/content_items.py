"""Items and codes of a structured document (PS3.3 C.17.3), read of trees that may be anything."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import Dataset


def items_of(node: "Dataset", keyword: str) -> "list[Dataset]":
    """The items of a sequence; none where it is absent."""
    value: Any = node.get(keyword)
    return list(value) if value else []


def code_of(node: "Dataset", keyword: str, *, scheme: str = "DCM") -> str:
    """The value of the one code of this scheme; empty for another scheme or none."""
    codes = items_of(node, keyword)
    if len(codes) != 1 or str(codes[0].get("CodingSchemeDesignator", "")).strip() != scheme:
        return ""
    return str(codes[0].get("CodeValue", "")).strip()


def concept_of(node: "Dataset") -> str:
    """The code of what an item is about; empty where it is not of the scheme DCM."""
    return code_of(node, "ConceptNameCodeSequence")
