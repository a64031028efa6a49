"""What may be proposed to a PACS: which objects, and in which transfer syntaxes they may come."""

from collections.abc import Iterable

from pynetdicom import build_context, build_role
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext, StoragePresentationContexts

from pipelines.core.series import CT_SOP_CLASSES, DOSE_REPORT, KEY_OBJECTS

VERIFICATION = "1.2.840.10008.1.1"
FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{k}" for k in (1, 2, 3))
"""Study Root Query/Retrieve Information Model (PS3.4 C.6.2)."""

MOST_CONTEXTS = 128
"""A context's id is an odd number of one byte (PS3.8 9.3.2.2)."""

SYNTAXES = (
    "1.2.840.10008.1.2.1",  # Explicit VR Little Endian
    "1.2.840.10008.1.2",  # Implicit VR Little Endian
    "1.2.840.10008.1.2.4.70",  # JPEG Lossless, first-order prediction
    "1.2.840.10008.1.2.4.80",  # JPEG-LS Lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 Lossless
    "1.2.840.10008.1.2.5",  # RLE Lossless
    "1.2.840.10008.1.2.4.57",  # JPEG Lossless
    "1.2.840.10008.1.2.2",  # Explicit VR Big Endian
    "1.2.840.10008.1.2.1.99",  # Deflated Explicit VR Little Endian
    "1.2.840.10008.1.2.4.201",  # HTJ2K Lossless
    "1.2.840.10008.1.2.4.202",  # HTJ2K Lossless RPCL
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.81",  # JPEG-LS Near-lossless
    "1.2.840.10008.1.2.4.203",  # HTJ2K
    "1.2.840.10008.1.2.4.50",  # JPEG Baseline
    "1.2.840.10008.1.2.4.51",  # JPEG Extended
)
"""What a PACS may hold: all that can be decoded, so that it need not be encoded anew."""

USUAL_CLASSES = (
    *sorted(CT_SOP_CLASSES),
    DOSE_REPORT,
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture
    "1.2.840.10008.5.1.4.1.1.88.11",  # Basic Text SR
    "1.2.840.10008.5.1.4.1.1.88.22",  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
    KEY_OBJECTS,
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
    "1.2.840.10008.5.1.4.1.1.481.3",  # RT Structure Set
    "1.2.840.10008.5.1.4.1.1.104.1",  # Encapsulated PDF
    "1.2.840.10008.5.1.4.1.1.11.1",  # Grayscale Softcopy Presentation State
)
"""What is proposed where a PACS does not say which objects a series has."""


def storage_contexts(sop_class_uids: Iterable[str], *, room: int) -> list[PresentationContext]:
    """Contexts for these classes, at most `room`: as many as can be with one syntax each.

    A context in which several syntaxes are proposed leaves the choice to the PACS, which might
    then have to encode anew (PS3.8 9.3.3.2); so only what is left over shares contexts.
    """
    classes = list(dict.fromkeys(uid for uid in sop_class_uids if uid)) or list(USUAL_CLASSES)
    classes = classes[:room]
    alone = min(room // len(classes), len(SYNTAXES))
    contexts = []
    for uid in classes:
        split = SYNTAXES[: alone - 1] if alone < len(SYNTAXES) else SYNTAXES
        contexts += [build_context(uid, syntax) for syntax in split]
        if rest := SYNTAXES[len(split) :]:
            contexts.append(build_context(uid, list(rest)))
    return contexts


def roles(contexts: Iterable[PresentationContext]) -> list[SCP_SCU_RoleSelectionNegotiation]:
    """That we take what is stored, on an association that we opened ourselves (PS3.7 D.3.3.4)."""
    uids = {str(context.abstract_syntax) for context in contexts}
    return [build_role(uid, scp_role=True) for uid in sorted(uids)]


def all_storage_contexts() -> list[PresentationContext]:
    """Contexts for every storage class: what a PACS may send to our own storage service."""
    return [
        build_context(context.abstract_syntax or "", list(SYNTAXES))
        for context in StoragePresentationContexts
    ]
