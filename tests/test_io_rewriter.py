"""The way over raw bytes and the way over pydicom give the same file, or the same refusal.

The oracle is `io.deidentify`, which reads whole files with pydicom. deid's own engine is a second
one, for the rules. The quick way may always give a file back to the other, but never differ.
"""

import functools
import struct
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.datadict import DicomDictionary

from pipelines.core.deid import Options
from pipelines.core.errors import DicomError, MosmedError
from pipelines.core.identity import Pseudonyms
from pipelines.core.profile import recipe_text
from pipelines.core.traces import traces_of
from pipelines.core.values import SPECIFIC_CHARACTER_SET
from pipelines.io import by_pydicom
from pipelines.io.by_bytes import ByBytes
from pipelines.io.deidentify import deidentify
from pipelines.io.engine import Engine, Remembered
from pipelines.io.new_file import FileRange, write_part10
from pipelines.io.part10 import read_part10
from pipelines.io.plain_text import TextReader
from pipelines.io.raw_elements import Uncertain
from pipelines.io.recipe import load
from pipelines.io.rewriter import Rewriter
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec, Syntax

VOXELS = np.arange(3 * 8 * 8, dtype=np.int16).reshape(3, 8, 8) - 100
OPTIONS = Options(retain_patient_characteristics=True, retain_device_identity=False)
QUICK = {
    Syntax.IMPLICIT_LITTLE,
    Syntax.EXPLICIT_LITTLE,
    *filter(lambda s: s.is_encapsulated, Syntax),
}
FEW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def engine_of(*recipes, known=(), options=OPTIONS):
    return Engine(
        rules=load(options, recipes),
        pseudonyms=Pseudonyms(b"k" * 32),
        patient="P-0123456789AB",
        known=traces_of(known),
    )


@functools.cache
def the_engine(options=OPTIONS):
    """Not as a fixture: hypothesis would show all its rules."""
    return engine_of(options=options)


@pytest.fixture(scope="module")
def engine():
    return the_engine()


@dataclass
class Result:
    """All there is to know of a rewritten file, or code and message of the refusal."""

    value: tuple
    is_quick: bool = False


def told(rewritten):
    return (
        rewritten.content(),
        rewritten.counts,
        rewritten.study_instance_uid,
        rewritten.series_instance_uid,
        rewritten.sop_instance_uid,
        rewritten.patient_sex,
        rewritten.patient_age,
    )


def slowly(path, engine):
    try:
        return Result(told(deidentify(read_part10(path, name="f"), engine, name="f")))
    except MosmedError as error:
        return Result((error.code, error.message))


def quickly(path, engine, rewriter=None):
    rewriter = rewriter or Rewriter()
    try:
        with rewriter.open(path, name="f") as opened:
            value = told(rewriter.rewrite(opened, engine))
            return Result(value, opened._part is None)
    except MosmedError as error:
        return Result((error.code, error.message))


def same(path, engine, rewriter=None):
    """What the quick way gives, after comparing it with the slow one."""
    quick = quickly(path, engine, rewriter)
    assert quick.value == slowly(path, engine).value
    return quick


# --- the same on all there is


@pytest.mark.parametrize("syntax", Syntax)
@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192", "ISO 2022 IR 6\\ISO 2022 IR 144"])
def test_a_phantom_in_any_encoding_is_rewritten_alike(syntax, charset, tmp_path, engine):
    name = "Zykmünd^Ivor" if charset == "ISO_IR 100" else "Зыкмундов^Иван"
    spec = SeriesSpec(
        syntax=syntax,
        specific_character_set=tuple(charset.split("\\")),
        patient_name=name,
        physician_name=name,
        patient_address=name,
        series_description=name,
    )
    rewriter = Rewriter()

    ways = [
        same(path, engine, rewriter).is_quick
        for path in write_series(tmp_path / "series", spec, VOXELS)
    ]

    assert ways == [syntax in QUICK] * 3


def test_every_real_file_is_rewritten_alike(shared_data, engine):
    rewriter, ways = Rewriter(), Counter()
    for path in sorted(shared_data.rglob("*")):
        if path.is_file():
            ways[same(path, engine, rewriter).is_quick] += 1

    assert ways[True] > 150


@pytest.mark.parametrize("limit", [0, 2])
def test_what_is_remembered_changes_nothing(limit, tmp_path, engine, shared_data, monkeypatch):
    files = sorted((shared_data / "chest_siemens_8mm").rglob("*.dcm"))[::6]
    rewriter = Rewriter()
    wanted = [quickly(path, engine, rewriter).value for path in files]
    monkeypatch.setattr("pipelines.io.rewriter.MEMORY_PIECES", limit)
    monkeypatch.setattr("pipelines.io.rewriter.MEMORY_PROOFS", limit)
    rewriter = Rewriter()

    found = [quickly(path, engine, rewriter).value for path in reversed(files)]

    assert found[::-1] == wanted


def test_another_patient_s_pieces_are_forgotten(tmp_path, engine):
    recipe = tmp_path / "own.deid"
    recipe.write_text("FORMAT dicom\n%header\nREPLACE PatientComments func:pseudonym_patient\n")
    spec = SeriesSpec(elements={"PatientComments": "frail"})
    path, *_ = write_series(tmp_path / "series", spec, VOXELS)
    first = engine_of(recipe)
    second = Engine(
        rules=first.rules, pseudonyms=first.pseudonyms, patient="P-BA9876543210", known=first.known
    )
    rewriter = Rewriter()

    for one in (first, second, first):
        assert same(path, one, rewriter).value[0].count(one.patient.encode()) == 3


# --- the same on what nobody would write


WORDS = r"""
IVANOV^IVAN PH-000001 19730115 20200401101530.5 1.2.840.10008.1.2 1.2.3.4.5 047Y M YES
-1.5\2.25\1e3 007 0 +12 12345678901234567890 ORIGINAL\PRIMARY REMOVED 10
"""
VALUES = st.one_of(
    st.sampled_from(["", *WORDS.split()]),
    st.text("AZaz09 .\\^=-+_\0\n", max_size=24),
    st.text("ИвановПётр ^", max_size=12),
).map(lambda text: text.encode("utf-8"))
TAGS = sorted(tag for tag in DicomDictionary if 0x00080000 <= tag < 0x7FE00000)
OTHER_TAGS = [0x00090010, 0x00091001, 0x00280000, 0x60000010, 0x60003000, 0x00081301, 0xFFFCFFFC]
VR_WORDS = "AE AS CS DA DS DT IS LO LT PN SH ST TM UI UT UN OB OW US SS UL FD FL UR"
VRS = ["", *VR_WORDS.split()]
LONG = {"OB", "OW", "UN", "UT", "UR", "SQ"}


def raw_element(tag, vr, value, *, is_implicit):
    """An element of bytes, with the VR of PS3.6 unless another is wanted; always of even length."""
    vr = vr or DicomDictionary.get(tag, ("UN",))[0][:2]
    value += (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if is_implicit:
        return head + struct.pack("<L", len(value)) + value
    if vr in LONG or vr not in VRS:
        known = vr if vr in {*LONG, "OD", "OF", "OL", "OV", "SV", "UC", "UV"} else "UN"
        return head + known.encode() + bytes(2) + struct.pack("<L", len(value)) + value
    return head + vr.encode() + struct.pack("<H", len(value)) + value


def raw_sequence(tag, items, *, is_implicit, is_defined):
    """A sequence whose items hold `items`."""
    content = b""
    for item in items:
        if is_defined:
            content += struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item
        else:
            content += struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + item
            content += struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
    length = len(content) if is_defined else 0xFFFFFFFF
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + (b"" if is_implicit else b"SQ\0\0")
    tail = b"" if is_defined else struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    return head + struct.pack("<L", length) + content + tail


SEQUENCES = sorted(tag for tag in TAGS if DicomDictionary[tag][0] == "SQ")
PLAIN = st.tuples(
    st.sampled_from([*TAGS, *OTHER_TAGS]), st.sampled_from(["", "", "", *VRS]), VALUES
)


@st.composite
def data_sets(draw, is_implicit):
    """Elements by tag: plain ones of any VR, and sequences of such."""
    found = {
        tag: raw_element(tag, vr, value, is_implicit=is_implicit)
        for tag, vr, value in draw(st.lists(PLAIN, max_size=12))
    }
    for tag in draw(st.lists(st.sampled_from([*SEQUENCES, 0x00091002]), max_size=3)):
        inner = [
            b"".join(
                raw_element(tag, vr, value, is_implicit=is_implicit)
                for tag, vr, value in sorted(draw(st.lists(PLAIN, max_size=4)))
            )
            for _ in range(draw(st.integers(0, 2)))
        ]
        found[tag] = raw_sequence(
            tag, inner, is_implicit=is_implicit, is_defined=draw(st.booleans())
        )
    return found


@pytest.fixture(scope="module", params=[Syntax.EXPLICIT_LITTLE, Syntax.IMPLICIT_LITTLE])
def base(request, tmp_path_factory):
    """A small CT image: whether it is implicit, its bytes up to the data set, and its elements."""
    folder = tmp_path_factory.mktemp("base")
    path, *_ = write_series(folder, SeriesSpec(syntax=request.param), VOXELS[:1])
    with path.open("rb") as stream:
        pydicom.filereader.read_preamble(stream, force=False)
        pydicom.filereader._read_file_meta_info(stream)
        at = stream.tell()
    is_implicit = request.param is Syntax.IMPLICIT_LITTLE
    rewriter = Rewriter()
    with rewriter.open(path, name="f") as opened:
        elements = dict(opened.raw.elements)
        start = opened.raw.pixels_start - (8 if is_implicit else 12)
    content = path.read_bytes()
    return is_implicit, content[:at], elements, content[start:]


@FEW
@given(data=st.data())
def test_made_up_elements_are_rewritten_alike(data, base, engine, tmp_path):
    is_implicit, start, elements, pixels = base
    made = data.draw(data_sets(is_implicit))
    both = {**elements, **made} if data.draw(st.booleans()) else {**made, **elements}
    behind = b"".join(both.pop(tag) for tag in [tag for tag in both if tag > 0x7FE00010])
    path = tmp_path / "f.dcm"
    path.write_bytes(start + b"".join(both[tag] for tag in sorted(both)) + pixels + behind)

    same(path, engine)


@FEW
@given(data=st.data())
def test_spoilt_bytes_are_never_understood_differently(data, base, engine, tmp_path):
    _, start, elements, pixels = base
    content = bytearray(start + b"".join(elements[tag] for tag in sorted(elements)) + pixels)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(128, len(content) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "add", "end"]))
        if kind == "set":
            content[at] = data.draw(st.sampled_from([0, 1, 0x20, 0x41, 0x5C, 0xFF, 0xFE, 0xDD]))
        elif kind == "end":
            content = content[: max(at, 140)]
        elif kind == "cut":
            del content[at : at + data.draw(st.integers(1, 4))]
        else:
            content[at:at] = data.draw(st.binary(min_size=1, max_size=4))
        if len(content) < 140:
            break
    path = tmp_path / "f.dcm"
    path.write_bytes(content)

    same(path, engine)


TYPICAL = {
    "AE": ["STATION"],
    "AS": ["047Y", "093Y", "011M", "47"],
    "CS": ["M", "YES", "ORIGINAL\\PRIMARY\\AXIAL", "lower", "HFS "],
    "DA": ["20200401", "20200401\\20200402", "2020.04.01", "18990101"],
    "DS": ["-173.17\\-294.17\\300", "1e3", "0.5", " 1.5 ", "+1"],
    "DT": ["20200401101530.5", "2020", "20200401101530.123456+0300"],
    "IS": ["7", "0", "007", "12\\0\\9", "-1", "9999999999"],
    "LO": ["SIEMENS", "Sensation 10", "A\\B", "two  blanks", " leading", "tab\there", "Иванов"],
    "LT": ["a\\b", "line one\r\nline two", "comment with 12345678901234567890 more"],
    "PN": ["Ivanova^Anna", "Иванов^Пётр", "A^B=C^D", "Doe^John\\Roe^Jane", "^^^^"],
    "SH": ["B40f", "99LOCAL", "DCM", "SRT"],
    "TM": ["101530", "101530.25", "10"],
    "UI": ["1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.5", "1.2.3", "1.2.3.4.5\\1.2.3.4.6", "1..2"],
    "US": ["\1\0", "\1\0\2\0"],
}
"""Values by type as scanners write them, and nearly so."""

NAMED = ["PatientSex", "PatientAge", "CodeValue", "CodeMeaning"]
NAMED += ["CodingSchemeDesignator", "SOPClassUID", "SOPInstanceUID", "InstanceNumber", "StudyDate"]
NAMED += ["PatientName", "PatientID", "Manufacturer", "ConvolutionKernel", "SeriesNumber"]
NAMED += ["SmallestImagePixelValue", "StudyDescription", "ImagePositionPatient", "RescaleSlope"]
OFTEN = [pydicom.datadict.tag_for_keyword(keyword) for keyword in NAMED]
CHARACTER_SETS = ["", "ISO_IR 100", "ISO_IR 144", "ISO_IR 192", "\\ISO 2022 IR 87", "ISO_IR 13"]


def plain_elements(is_implicit):
    """A tag and an element that is no sequence, mostly with a value of its type."""

    def made(chosen):
        tag, typical, other, codec, padding = chosen
        texts = TYPICAL.get(DicomDictionary.get(tag, ("UN",))[0][:2])
        value = texts[typical % len(texts)].encode(codec, "replace") if texts else other
        return tag, raw_element(tag, "", value + padding, is_implicit=is_implicit)

    tags = [tag for tag in [*TAGS, *OTHER_TAGS] if tag not in set(SEQUENCES)]
    return st.tuples(
        st.sampled_from([*OFTEN * 40, *tags]),
        st.integers(0, 20),
        VALUES,
        st.sampled_from(["utf-8", "iso8859-5", "latin-1"]),
        st.sampled_from([b"", b"", b"\0"]),
    ).map(made)


def sequences_of(elements, is_implicit):
    """A tag and a sequence whose items hold `elements`."""

    def made(chosen):
        tag, items, is_defined = chosen
        items = [b"".join(element for _, element in sorted(item)) for item in items]
        return tag, raw_sequence(tag, items, is_implicit=is_implicit, is_defined=is_defined)

    items = st.lists(st.lists(elements, max_size=3), max_size=2)
    return st.tuples(st.sampled_from(SEQUENCES), items, st.booleans()).map(made)


def one_element(is_implicit):
    plain = plain_elements(is_implicit)
    shallow = st.one_of(plain, plain, plain, sequences_of(plain, is_implicit))
    element = st.one_of(plain, sequences_of(shallow, is_implicit))
    return st.tuples(st.just(is_implicit), element, st.sampled_from(CHARACTER_SETS))


def all_of(piece):
    """What a piece says, the UIDs it replaced among the values it took out."""
    seen = piece.seen
    kinds = [set(getattr(seen, kind)) if seen else set() for kind in Remembered.__slots__]
    kinds[Remembered.__slots__.index("values")] |= set(piece.uids)
    return piece.content, Counter(piece.counted), piece.counters, piece.is_ascii, kinds


def decide(made, engine):
    """What both ways make of an element; None where the bytes are not clear, or not readable."""
    is_implicit, (tag, element), character_set = made
    value = character_set.encode()
    named = b""
    if value and tag != SPECIFIC_CHARACTER_SET:  # no file has it twice
        named = raw_element(SPECIFIC_CHARACTER_SET, "", value, is_implicit=is_implicit)
    try:
        found = ByBytes(engine, is_implicit, TextReader(value)).piece(tag, element)
    except Uncertain:
        return None
    try:
        wanted = by_pydicom.piece(engine, (named, element), is_implicit=is_implicit, name="f")
    except DicomError:  # `US or SS`: alone, pydicom cannot tell
        return all_of(found), all_of(found)
    return all_of(found), all_of(wanted)


@settings(max_examples=600, deadline=None)
@given(made=st.one_of(one_element(False), one_element(True)))
def test_what_is_decided_on_bytes_is_decided_as_pydicom_would(made):
    both = decide(made, the_engine())

    assert both is None or both[0] == both[1]


def test_what_scanners_write_is_decided_on_bytes(engine):
    elements = [
        raw_element(tag, "", text.encode("iso8859-5"), is_implicit=is_implicit)
        for is_implicit in (False, True)
        for tag in OFTEN
        for text in TYPICAL[DicomDictionary[tag][0][:2]][:1]
    ]

    unclear = [
        (OFTEN[number % len(OFTEN)], element)
        for number, element in enumerate(elements)
        if decide(
            (number >= len(OFTEN), (OFTEN[number % len(OFTEN)], element), "ISO_IR 144"), engine
        )
        is None
    ]
    assert unclear == []


# --- safe private elements (PS3.15 E.3.10)

SAFE = Options(
    retain_patient_characteristics=True, retain_device_identity=False, retain_safe_private=True
)


def private_block(group, block, creator, values, *, is_implicit):
    """A private block: its creator, and elements by number with VR and value."""
    head = group << 16
    elements = {head | block: raw_element(head | block, "LO", creator, is_implicit=is_implicit)}
    for number, (vr, value) in values.items():
        tag = head | block << 8 | number
        elements[tag] = raw_element(tag, vr, value, is_implicit=is_implicit)
    return elements


def with_private(base, tmp_path, changes=None):
    """A file with safe private elements beside others, at top level and in a kept sequence."""
    is_implicit, start, elements, pixels = base
    values = {0x23: ("DS", b"39.37"), 0x24: ("DS", b"0.5 "), 0x99: ("LO", b"SECRET")}
    values |= changes or {}
    blocks = private_block(0x0019, 0x10, b"GEMS_ACQU_01", values, is_implicit=is_implicit)
    other = {0x23: ("DS", b"12.5"), 0x24: ("LO", b"NESTED SECRET")}
    blocks |= private_block(0x0021, 0x11, b"IVANOV IVAN", other, is_implicit=is_implicit)
    nested = private_block(0x0019, 0x12, b"GEMS_ACQU_01", values, is_implicit=is_implicit)
    item = b"".join(nested[tag] for tag in sorted(nested))
    blocks[0x00189321] = raw_sequence(0x00189321, [item], is_implicit=is_implicit, is_defined=False)
    both = {**elements, **blocks}
    path = tmp_path / "f.dcm"
    path.write_bytes(start + b"".join(both[tag] for tag in sorted(both)) + pixels)
    return path


def test_safe_private_elements_stay_with_their_creator_and_nothing_else_does(base, tmp_path):
    path = with_private(base, tmp_path)

    result = same(path, engine_of(options=SAFE))

    made = pydicom.dcmread(BytesIO(result.value[0]))
    private = [element.tag for element in made.iterall() if element.tag.is_private]
    assert result.is_quick
    assert sorted(private) == [
        *(0x00190010, 0x00190012, 0x00191023, 0x00191024, 0x00191223, 0x00191224)
    ]
    assert made[0x00191023].value in (39.37, b"39.37 ")
    assert b"SECRET" not in result.value[0]
    assert b"IVANOV" not in result.value[0]
    codes = made.DeidentificationMethodCodeSequence
    assert "113111" in [item.CodeValue for item in codes]


@FEW
@given(
    vr=st.sampled_from(["DS", "SS", "LO", "UN", "IS"]),
    value=st.one_of(VALUES, st.sampled_from([b"1\\2", b"+1e3", b"19730115", b"\1\0", b"nan "])),
)
def test_a_private_value_that_is_odd_is_treated_alike(vr, value, base, tmp_path):
    path = with_private(base, tmp_path, {0x23: (vr, value)})

    same(path, the_engine(SAFE))


def test_without_the_option_no_private_element_stays(base, tmp_path, engine):
    result = same(with_private(base, tmp_path), engine)

    made = pydicom.dcmread(BytesIO(result.value[0]))
    assert not any(element.tag.is_private for element in made.iterall())


@pytest.mark.parametrize("text", [b"19730115", b"7654321 "])
def test_a_safe_private_number_that_repeats_the_identity_is_found(text, base, tmp_path):
    path = with_private(base, tmp_path, {0x23: ("DS", text)})

    result = same(path, engine_of(known=[text.decode()], options=SAFE))

    assert result.value[0] == "IDENTITY_LEFT"


# --- the proof holds on both ways


@pytest.mark.parametrize("syntax", sorted(QUICK))
@pytest.mark.parametrize("text", ["PH-000001", "dr ivan", "POLYCLINIC 5", "1.2.3.4.5"])
def test_an_echo_is_refused_in_the_same_words(syntax, text, tmp_path, engine):
    spec = SeriesSpec(
        syntax=syntax,
        patient_name="Фантомов^Ivan",
        institution_name="Polyclinic 5",
        study_instance_uid="1.2.3.4.5",
        elements={"ConvolutionKernel": text},
    )
    path, *_ = write_series(tmp_path / "series", spec, VOXELS)

    result = same(path, engine)

    assert result.value[0] == "IDENTITY_LEFT"
    assert "ConvolutionKernel" in result.value[1]


def test_a_value_the_caller_knows_is_refused_in_the_same_words(tmp_path):
    spec = SeriesSpec(elements={"ConvolutionKernel": "SIDOROV"})
    path, *_ = write_series(tmp_path / "series", spec, VOXELS)

    assert same(path, engine_of(known=["Sidorov"])).value[0] == "IDENTITY_LEFT"


@pytest.mark.parametrize("syntax", [Syntax.EXPLICIT_LITTLE, Syntax.IMPLICIT_LITTLE])
def test_a_counter_that_echoes_is_blanked_quickly(syntax, tmp_path, engine):
    spec = SeriesSpec(syntax=syntax, patient_id="0123456", elements={"SeriesNumber": "0123456"})
    path, *_ = write_series(tmp_path / "series", spec, VOXELS)

    result = same(path, engine)

    assert result.is_quick
    assert result.value[1]["echo"] == 1


# --- the pixels


def test_the_pixels_are_copied_and_not_read(tmp_path, engine):
    path, *_ = write_series(tmp_path / "series", SeriesSpec(), VOXELS)
    rewriter = Rewriter()

    with rewriter.open(path, name="f") as opened:
        rewritten = rewriter.rewrite(opened, engine)
        write_part10(str(tmp_path / "new"), rewritten.head, rewritten.tail, name="f")
        assert isinstance(rewritten.tail, FileRange)
        content = rewritten.content()

    assert (tmp_path / "new").read_bytes() == content
    assert pydicom.dcmread(tmp_path / "new").PixelData == pydicom.dcmread(path).PixelData


def test_pixels_of_many_pieces_are_copied_whole(tmp_path):
    (tmp_path / "old").write_bytes(bytes(range(256)) * 40_000)
    with (tmp_path / "old").open("rb") as source:
        tail = FileRange(descriptor=source.fileno(), start=3, length=10_000_000)
        write_part10(str(tmp_path / "new"), b"head", tail, name="f")

    assert (tmp_path / "new").read_bytes() == b"head" + (tmp_path / "old").read_bytes()[
        3:10_000_003
    ]


def test_a_new_file_takes_the_place_of_none(tmp_path):
    (tmp_path / "old").write_bytes(b"old")

    with pytest.raises(FileExistsError):
        write_part10(str(tmp_path / "old"), b"head", b"tail", name="f")

    assert (tmp_path / "old").read_bytes() == b"old"


def test_a_source_that_shrinks_while_it_is_copied_is_refused(tmp_path):
    (tmp_path / "old").write_bytes(bytes(100))
    with (tmp_path / "old").open("rb") as source:
        tail = FileRange(descriptor=source.fileno(), start=90, length=20)
        with pytest.raises(DicomError) as caught:
            write_part10(str(tmp_path / "new"), b"", tail, name="f")

    assert caught.value.code == "TRUNCATED_FILE"


# --- the same as deid's own engine


DEID = """
import logging, sys, warnings
from pathlib import Path
import pydicom
from deid.config import DeidRecipe
from deid.dicom.parser import DicomParser
from deid.logger import bot
from pipelines.core.identity import Pseudonyms
from pipelines.core.dictionary import is_well_known
from pipelines.io.engine import capped_age

warnings.simplefilter("ignore")
bot.level = 0
recipe, out, patient, *files = sys.argv[1:]
rules, key = DeidRecipe(recipe), Pseudonyms(b"k" * 32)

def uid(item, value, field, dicom):
    text = str(field.element.value)
    return text if is_well_known(text) or text.startswith("2.25.") else key.uid(text)

for number, file in enumerate(files):
    parser = DicomParser(pydicom.dcmread(file), rules)
    parser.define("pseudonym_uid", uid)
    parser.define("pseudonym_patient", lambda **_: patient)
    parser.define("cap_age", lambda item, value, field, dicom: capped_age(str(field.element.value)))
    parser.parse(remove_private=True)
    parser.dicom.save_as(Path(out, f"{number}.dcm"))
"""

CLAIMS = {
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
}


def reason_of(keyword, mine, its):
    """Why an element differs by right; nothing for any other.

    A UID that its own line replaces is replaced once more by `REPLACE select:VR:UI`; so the
    function that deid is given leaves alone what is a pseudonym already.
    """
    if keyword in CLAIMS:
        return "PS3.15 E.1.1 asks for it; deid leaves it to its user"
    if keyword == "SpecificCharacterSet":
        return "mosmed writes ASCII, or UTF-8, whatever the source was in"
    if its is None and mine.is_empty:
        return "deid removes by select:VR what BLANK has emptied"
    items = len(mine.value) if mine is not None and mine.VR == "SQ" else 0
    if keyword.endswith("CodeSequence") and items < len(its.value):
        return "mosmed drops items with codes of the site's own, which no recipe can say"
    if "." in keyword and str(mine.value).startswith("2.25.") and its.VR == "UI":
        return "deid's REPLACE of a tag does not reach into sequences: the original UID is left"
    return ""


def compared(own, other, at=""):
    """Where two data sets differ: keywords, with the path of the sequences they lie in."""
    for tag in sorted({*own.keys(), *other.keys()}):
        keyword = at + pydicom.datadict.keyword_for_tag(tag)
        mine, its = own.get(tag), other.get(tag)
        if mine is None or its is None:
            yield keyword, mine, its
        elif mine.VR == "SQ" and len(mine.value) == len(its.value):
            for one, two in zip(mine.value, its.value, strict=True):
                yield from compared(one, two, f"{keyword}.")
        elif mine.VR != its.VR or str(mine.value or "") != str(its.value or ""):
            yield keyword, mine, its


def test_deid_s_own_engine_makes_the_same_data_sets(tmp_path, engine, shared_data):
    names = ("chest_siemens_8mm", "chest_ge_16", "chest_toshiba_singles")
    files = [file for name in names for file in sorted((shared_data / name).rglob("*.dcm"))[:2]]
    (tmp_path / "recipe.deid").write_text(recipe_text(OPTIONS))
    (tmp_path / "deid.py").write_text(DEID)
    arguments = [tmp_path / "recipe.deid", tmp_path, engine.patient, *files]
    subprocess.run([sys.executable, "-P", tmp_path / "deid.py", *arguments], check=True)

    for number, file in enumerate(files):
        (tmp_path / "own").write_bytes(same(file, engine).value[0])
        own, other = pydicom.dcmread(tmp_path / "own"), pydicom.dcmread(tmp_path / f"{number}.dcm")
        assert own.PixelData == other.PixelData
        assert [place for place in compared(own, other) if not reason_of(*place)] == []
