"""Canaries: a value of its own in every place where identity may stand, and none of them is left.

The oracle knows nothing of the engine: it looks for the canaries in the bytes of what was written,
and for the only ones that may be there in `ct-rules.csv`, the list of what CT science needs.
"""

import csv
import warnings
from importlib.resources import files
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.config import IGNORE
from pydicom.datadict import DicomDictionary, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from pipelines import anonymize
from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.identity import Exported
from pipelines.core.model import Sex
from pipelines.phantom.instances import instance_dataset
from pipelines.phantom.spec import SeriesSpec, Syntax

TEXT_VRS = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
CANARY_VRS = TEXT_VRS | {"AS", "DA", "DT", "TM", "UI", "OB", "OW"}
CASES = "AbCdEfGh"
ELSEWHERE = """
PrivOuter01 PrivInner02 overlay-canary01 overlay-canary02 curve-canary0003 unknown-canary04
padding-canary05 META_CANARY_06 1.2.3.4.99999.6 meta-canary-0007 preamble-canary8
"""


def kept_on_purpose():
    with files("pipelines.core").joinpath("ct-rules.csv").open(encoding="utf-8") as stream:
        return {row["keyword"] for row in csv.DictReader(stream) if row["action"] == "KEEP"}


def canary(vr, number):
    """A value that suits the type, occurs nowhere else, and is found by its bytes."""
    if vr in {"DA", "DT"}:
        return f"{1300 + number // 300}{number % 12 + 1:02d}{number % 25 + 1:02d}"
    if vr == "TM":
        return f"0{number % 10}{number % 60:02d}{number % 60:02d}.{number:06d}"
    if vr == "UI":
        return f"1.2.3.4.{number}.77777"
    if vr == "AS":
        return f"{number % 100:03d}Y"
    if vr in {"OB", "OW"}:
        return f"canary-{number:05d}".encode()
    return f"{CASES[number % 8]}canary{number:05d}"


def planted(number_from, *, is_nested=False):
    """Every element of PS3.6 that can hold a canary, and the canaries by keyword."""
    dataset, canaries = Dataset(), {}
    number = number_from
    for tag, (vrs, _, _, _, keyword) in sorted(DicomDictionary.items()):
        vr = vrs.split(" or ")[0]
        group = tag >> 16
        if vr not in CANARY_VRS or group < 8 or group >= 0x7FE0 or not keyword:
            continue
        if is_nested and 0x00080100 <= tag <= 0x00080124:  # a local code, removed as a whole
            continue
        if keyword == "SOPClassUID":
            continue
        number += 1
        value = canary(vr, number)
        dataset.add(DataElement(tag, vr, value, validation_mode=IGNORE))
        canaries[keyword] = value if isinstance(value, bytes) else value.encode()
    return dataset, canaries


def searchable(canaries):
    return {key: value for key, value in canaries.items() if len(value) > 6}


def private(dataset, text):
    block = dataset.private_block(0x0029, f"CREATOR {text}", create=True)
    block.add_new(0x01, "LO", text)
    block.add_new(0x02, "UN", text.encode())
    inner = Dataset()
    inner.PatientName = text
    block.add_new(0x03, "SQ", Sequence([inner]))


def hostile(spec):
    """A CT image with a canary in every place, and the canaries that may not be left."""
    base = instance_dataset(spec, 0, np.zeros((8, 8), dtype=np.int16))
    dataset, canaries = planted(0)
    inner, inner_canaries = planted(10_000, is_nested=True)
    innermost, innermost_canaries = planted(20_000, is_nested=True)
    inner.AnatomicRegionModifierSequence = Sequence([innermost])
    inner.KVP = innermost.KVP = 99
    for element in base:
        if element.keyword not in canaries:
            dataset.add(element)
    dataset.SpecificCharacterSet = spec.specific_character_set[0]
    dataset.AnatomicRegionSequence = Sequence([inner])
    for place, text in ((dataset, "PrivOuter01"), (inner, "PrivInner02")):
        private(place, text)
    dataset.add_new(0x60003000, "OW", b"overlay-canary01")
    dataset.add_new(0x60004000, "LO", "overlay-canary02")
    dataset.add_new(0x50002500, "LO", "curve-canary0003")
    dataset.add_new(0x00081301, "LO", "unknown-canary04")
    dataset.add_new(0xFFFCFFFC, "OB", b"padding-canary05")
    dataset.file_meta = base.file_meta
    dataset.file_meta.SourceApplicationEntityTitle = "META_CANARY_06"
    dataset.file_meta.PrivateInformationCreatorUID = "1.2.3.4.99999.6"
    dataset.file_meta.PrivateInformation = b"meta-canary-0007"
    dataset.preamble = b"preamble-canary8".ljust(128, b"\0")
    kept = kept_on_purpose()
    secret = {other: other.encode() for other in ELSEWHERE.split()}
    for level, found in enumerate((canaries, inner_canaries, innermost_canaries)):
        secret |= {
            f"{level} {key}": value for key, value in searchable(found).items() if key not in kept
        }
    return dataset, secret


def write(folder, dataset):
    folder.mkdir(parents=True)
    path = folder / "Ivanov.dcm"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "key"
    path.write_text("c3" * 32)
    path.chmod(0o600)
    return AnonymizeSettings(key=path)


def record(**changes):
    known = {"public_id": "s1", "patient_key": "k", "category": None, "patient_age_years": None}
    known |= {"patient_sex": Sex.OTHER, "instances": 1, "identifying_values": ()}
    return Exported(**{**known, **changes})


def anonymized(tmp_path, settings):
    out = tmp_path / "out"
    out.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        anonymize.work(record(), settings, tmp_path / "source", out)
    (path,) = out.iterdir()
    return path


@pytest.mark.parametrize("syntax", list(Syntax)[:4])
def test_no_canary_is_left_in_any_byte(syntax, tmp_path, settings):
    dataset, secret = hostile(SeriesSpec(syntax=syntax))
    path = write(tmp_path / "source" / "series", dataset)
    if syntax is not Syntax.DEFLATED:
        original = path.read_bytes()
        assert sum(value in original for value in secret.values()) == len(secret) > 3000

    content = anonymized(tmp_path, settings).read_bytes()

    assert [place for place, value in secret.items() if value in content] == []


def test_the_canaries_of_the_kept_attributes_are_the_only_text_that_stays(tmp_path, settings):
    dataset, _ = hostile(SeriesSpec())
    write(tmp_path / "source" / "series", dataset)

    image = pydicom.dcmread(anonymized(tmp_path, settings))

    written = {"PatientName", "PatientID", "DeidentificationMethod", "CodingSchemeDesignator"}
    dummies = {"REMOVED", "19000101", "19000101000000", "000000", "urn:removed"}
    allowed = kept_on_purpose() | written
    region = image.AnatomicRegionSequence[0]
    assert region.KVP == region.AnatomicRegionModifierSequence[0].KVP == 99
    for element in image.iterall():
        if element.VR in TEXT_VRS | {"DA", "DT", "TM"} and element.keyword not in allowed:
            assert str(element.value or "") in {"", *dummies}, element.keyword
        if element.VR == "UI" and element.keyword != "SOPClassUID":
            values = element.value if element.VM > 1 else [element.value]
            assert all(value.startswith("2.25.") for value in values if value), element.keyword
        assert not element.tag.is_private


@pytest.mark.parametrize("charset", ["ISO_IR 192", "ISO_IR 144", "ISO_IR 100"])
def test_a_name_is_gone_in_whatever_charset_it_was(charset, tmp_path, settings):
    name = "Zykmünd^Ivorij" if charset == "ISO_IR 100" else "Зыкмундов^Иворий"
    spec = SeriesSpec(
        specific_character_set=(charset,),
        patient_name=name,
        physician_name=name,
        patient_address=name,
        series_description=name,
    )
    write(
        tmp_path / "source" / "series",
        instance_dataset(spec, 0, np.zeros((8, 8), dtype=np.int16)),
    )

    content = anonymized(tmp_path, settings).read_bytes()

    for encoding in ("utf-8", "cp1251", "koi8-r", "iso8859-5", "latin-1"):
        for part in name.split("^"):
            if written := part.encode(encoding, "ignore"):
                assert written not in content
    assert b"ISO_IR" not in content


def test_a_lying_charset_is_no_way_out(tmp_path, settings):
    """Russian scanners write CP1251 and say ISO_IR 100."""
    spec = SeriesSpec(specific_character_set=("ISO_IR 100",), patient_name="Iwanow^Iwan")
    dataset = instance_dataset(spec, 0, np.zeros((8, 8), dtype=np.int16))
    path = write(tmp_path / "source" / "series", dataset)
    path.write_bytes(path.read_bytes().replace(b"Iwanow^Iwan", "Иванов^Иван".encode("cp1251")))

    content = anonymized(tmp_path, settings).read_bytes()

    assert "Иванов".encode("cp1251") not in content
    assert "Иван".encode() not in content


def test_values_with_a_wrong_type_do_not_slip_through(tmp_path, settings):
    """Rows as text, a defined term in Cyrillic, a name as bytes, a number that is none."""
    dataset = instance_dataset(SeriesSpec(), 0, np.zeros((8, 8), dtype=np.int16))
    for keyword, vr, value in (
        ("KVP", "LO", "IVANOV"),
        ("Exposure", "OB", b"IVANOV"),
        ("BodyPartExamined", "CS", "Ivanov Ivan"),
        ("PatientPosition", "UT", "иванов"),
        ("PatientName", "OB", b"IVANOV"),
        ("WindowCenter", "ST", "IVANOV"),
        ("AnatomicRegionSequence", "LT", "IVANOV"),
        ("PatientSex", "CS", "IVANOV"),
    ):
        tag = tag_for_keyword(keyword)
        dataset[tag] = DataElement(tag, vr, value, validation_mode=IGNORE)
    write(tmp_path / "source" / "series", dataset)

    content = anonymized(tmp_path, settings).read_bytes()

    assert b"ivanov" not in content.lower()
    assert "иванов".encode() not in content


def test_local_codes_go_and_standard_codes_stay(tmp_path, settings):
    dataset = instance_dataset(SeriesSpec(), 0, np.zeros((8, 8), dtype=np.int16))
    items = []
    for scheme, value in (("DCM", "113691"), ("99IVANOV", "CT1"), ("", "CT2")):
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "IVANOV"
        items.append(item)
    items[0].CodeMeaning = "IEC Body Dosimetry Phantom"
    dataset.CTDIPhantomTypeCodeSequence = Sequence(items)
    write(tmp_path / "source" / "series", dataset)

    image = pydicom.dcmread(anonymized(tmp_path, settings))

    assert [item.CodeValue for item in image.CTDIPhantomTypeCodeSequence] == ["113691"]


def test_pydicom_prints_and_logs_no_value(tmp_path, settings, capfd, caplog):
    dataset, _ = hostile(SeriesSpec())
    write(tmp_path / "source" / "series", dataset)
    capfd.readouterr()
    caplog.clear()

    anonymized(tmp_path, settings)

    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_what_is_written_can_be_read_by_another_reader(tmp_path, settings):
    import SimpleITK

    voxels = np.arange(64, dtype=np.int16).reshape(8, 8)
    dataset = instance_dataset(SeriesSpec(), 0, voxels)
    write(tmp_path / "source" / "series", dataset)

    path = anonymized(tmp_path, settings)

    image = SimpleITK.ReadImage(str(path))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image)[0], voxels)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert Path(path).stat().st_size < 10_000
