"""Takes the identity out of one DICOM object, and proves from the bytes that it is out.

The new data set is built from nothing: an element gets into it only where a rule keeps it and its
value is what its value representation says. Of the pixels' bytes nothing is touched but remarks in
compressed frames and bits beside the stored ones. Then every value that was removed or replaced,
and every value the caller knows of the patient, is looked for in all bytes before the pixels (see
`core.traces`); compressed pixels are searched for the longer ones.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from pydicom import Dataset
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from pipelines.core.deid import tag_text
from pipelines.core.errors import DicomError, PrivacyError
from pipelines.core.traces import Traces
from pipelines.core.values import PIXEL_DATA
from pipelines.io.dicom import faults_of
from pipelines.io.elements import texts_of
from pipelines.io.engine import UTF_8, Engine, Rewritten
from pipelines.io.part10 import Part10, Pixels, check_pixels, encode_part10, unused_bits_in
from pipelines.io.remarks import silenced
from pipelines.io.rewriting import Rewriting
from pipelines.io.unused_bits import UNUSED_BITS

LINKS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def deidentify(part: Part10, engine: Engine, *, name: str) -> Rewritten:
    """The object without identity; messages call it `name`.

    Raises DicomError for what cannot be read or is not whole, PrivacyError IDENTITY_LEFT naming
    the place, never the value, if a trace is left.
    """
    pixels, said = _silent(part, name=name)
    rewriting = Rewriting(engine, name)
    rewriting.counts += said
    with faults_of(name):
        dataset = rewriting.dataset(part.dataset)
        _require_links(dataset, name)
        traces = engine.known.joined(rewriting.seen.traces())
        rewriting.counts.update(_blank_echoing_counters(dataset, traces))
        claim(dataset, engine, is_ascii=rewriting.is_ascii)
        sex, age = str(dataset.get("PatientSex") or ""), str(dataset.get("PatientAge") or "")
    head, tail = encode_part10(
        dataset, transfer_syntax=part.transfer_syntax, pixels=pixels, name=name
    )
    if traces.found_in(head, is_left_bounded=part.is_little_endian):
        raise _left(_place(dataset, traces), name)
    if pixels.is_encapsulated and traces.only_long().found_in(pixels.value):
        raise _left(f"PixelData {tag_text(PIXEL_DATA)}", name)
    return Rewritten(
        head=head,
        tail=tail,
        study_instance_uid=str(dataset.StudyInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        patient_sex=sex,
        patient_age=age,
        counts=+rewriting.counts,
    )


def _silent(part: Part10, *, name: str) -> tuple[Pixels, Counter[str]]:
    """The pixels without what is no image in them, and how much of what that was."""
    pixels = check_pixels(part, name=name)
    if pixels.is_encapsulated:
        silent, remarks = silenced(pixels.value)
        return replace(pixels, value=silent), Counter(remark=remarks)
    unused = unused_bits_in(part, name=name)
    if unused is None or not unused.say_something(lambda: [pixels.value]):
        return pixels, Counter()
    return replace(pixels, value=unused.cleared(pixels.value)), Counter({UNUSED_BITS: 1})


# --- claims and proof


def _require_links(dataset: Dataset, name: str) -> None:
    for keyword in ("SOPClassUID", *LINKS):
        if not dataset.get(keyword):
            raise DicomError("MISSING_ATTRIBUTE", f"{name}: {keyword} is missing")
        if isinstance(dataset.get(keyword), MultiValue):
            raise DicomError("UNREADABLE_DICOM", f"{name}: {keyword} has several values")


def claim(dataset: Dataset, engine: Engine, *, is_ascii: bool) -> None:
    """Let a de-identified object say that it is one (PS3.15 E.1.1)."""
    _add(dataset, engine.claims())
    items = []
    for claims in engine.claimed_codes():
        items.append(Dataset())
        _add(items[-1], claims)
    if items:
        dataset.DeidentificationMethodCodeSequence = Sequence(items)
    if not is_ascii:
        dataset.SpecificCharacterSet = UTF_8


def _add(dataset: Dataset, claims: list[tuple[int, str, str]]) -> None:
    for tag, vr, text in claims:
        dataset.add_new(tag, vr, text)


def _blank_echoing_counters(dataset: Dataset, traces: Traces) -> list[str]:
    """Blank counters that repeat a number that was removed: some sites count series by PatientID.

    InstanceNumber stays, since thinning counts by it: an echo there is for the proof to find.
    """
    echoing = [
        element
        for element in dataset.iterall()
        if is_counter(element) and traces.found_in(counted_texts([element]))
    ]
    for element in echoing:
        element.value = None
    return ["echo"] * len(echoing)


def is_counter(element: DataElement) -> bool:
    """Whether an element is an integer string that may be blanked."""
    return element.VR == "IS" and element.keyword != "InstanceNumber"


def counted_texts(elements: Iterable[DataElement]) -> bytes:
    """The values of counters as they are searched, each between zero bytes."""
    return "\0".join(text for element in elements for text in texts_of(element.value)).encode()


def _left(place: str, name: str) -> PrivacyError:
    return PrivacyError("IDENTITY_LEFT", f"{name}: a value that was removed is still in {place}")


def _place(dataset: Dataset, traces: Traces) -> str:
    for element in dataset.iterall():
        if element.VR != "SQ":
            text = "\0".join(texts_of(element.value))
            if traces.found_in(text.encode()):
                return f"{keyword_for_tag(element.tag)} {tag_text(int(element.tag))}"
    return "the file meta information"
