"""A canary in every row of PS3.15 Table E.1-1, in every character set; real studies; hostile files.

The oracle is the table and the standard alone. Each test counts what was written, so that none
passes because everything was refused.
"""

import csv
import re
from importlib.resources import files

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from pipelines.core.identity import Pseudonyms
from pipelines.io.mask_header import clean_mask
from pipelines.phantom.instances import instance_dataset
from pipelines.phantom.spec import SeriesSpec, Syntax
from tests.workspaces import KEY, contents, mosmed_json

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

NUMBERS = {"US", "SS", "UL", "SL", "FD", "FL", "AT", "OF"}
TEXTS = {"LO", "LT", "PN", "SH", "ST", "UC", "UT"}
CHARSETS = {  # what the file says, and the bytes of a name
    "latin": ("ISO_IR 100", "Zürïchër".encode("latin-1")),
    "cyrillic": ("ISO_IR 144", "Секретов".encode("iso8859-5")),
    "utf-8": ("ISO_IR 192", "Секретов".encode()),
    "mixed cyrillic": ("\\ISO 2022 IR 144", b"\x1b-L" + "Секретов".encode("iso8859-5")),
    "mixed japanese": ("\\ISO 2022 IR 87", b"\x1b$B;3ED\x1b(B"),
    "mixed korean": ("ISO 2022 IR 6\\ISO 2022 IR 149", b"\x1b$)C" + "김희중".encode("euc-kr")),
    "a lie": ("ISO_IR 100", "Секретов".encode("cp1251")),
    "a lie in utf-8": ("ISO_IR 144", "Секретов".encode()),
    "unknown": ("ISO_IR 999", "Секретов".encode("koi8-r")),
}
HOLDERS = {"ReferencedImageSequence", "SourceImageSequence"}  # X/Z/U*: kept, their UIDs replaced


def rows(name):
    with files("pipelines.core").joinpath(name).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def removed_rows():
    """(tag, VR, keyword) of each row of the table that keeps its value under no option in use."""
    for row in rows("ps3.15-table-e1-1.csv"):
        is_kept = row["retain_patient_characteristics"] == "K" and row["vr"] not in TEXTS
        if row["keyword"] in HOLDERS or is_kept or "X" in row["tag"].upper() or not row["vr"]:
            continue
        tag = int(row["tag"][1:5] + row["tag"][6:10], 16)
        if tag >> 16 not in {0, 2}:  # of commands and of the file meta: not of a data set
            yield tag, row["vr"].split(" or ")[0], row["keyword"]


def canary(vr, number, word):
    """A value that suits the type; and the bytes that may not be found, or none where it is short.

    `word` stands for the bytes of a name, which are put in when the file is written.
    """
    day = f"{number // 300 + 1300}{number % 12 + 1:02d}{number % 25 + 1:02d}"
    texts = dict.fromkeys(TEXTS, f"{word}q{number:05d}j")
    texts |= dict.fromkeys(("AE", "CS", "UR"), f"CANARY{number:05d}")
    texts |= dict.fromkeys(("DA", "DT"), day) | dict.fromkeys(("DS", "IS"), f"7{number:06d}7")
    texts["TM"] = f"{number % 24:02d}{number % 60:02d}01.{number:06d}"
    texts["UI"] = f"1.2.3.4.77777.{number}"
    if vr in texts:
        return texts[vr], texts[vr].replace(word, "").encode()
    if vr == "SQ":
        inner = Dataset()
        inner.ConvolutionKernel = f"KEPT{number:05d}"
        return Sequence([inner]), inner.ConvolutionKernel.encode()
    if vr in {"OB", "UN"}:
        return (data := f"bytes-{number:05d}-".encode()), data
    return {"US": 1, "AS": "099Y"}[vr], b""


def planted(first, word):
    """A data set with a canary in every row, and what may not be found of them by place."""
    dataset, secrets = Dataset(), {}
    for number, (tag, vr, keyword) in enumerate(removed_rows(), start=first):
        value, secret = canary(vr, number, word)
        dataset.add(DataElement(tag, vr, value, validation_mode=IGNORE))
        secrets[f"{keyword} {number}"] = secret
    return dataset, {place: secret for place, secret in secrets.items() if secret}


def utility():
    """A value for each attribute of the keep list that is a text, by keyword."""
    skipped = {"URNCodeValue", "LongCodeValue", "CodeValue", "CodeMeaning"}
    for row in rows("ct-rules.csv"):
        if row["action"] == "KEEP" and not row["keyword"].startswith("CodingScheme"):
            vr = dictionary_VR(row["keyword"])
            if vr in {"LO", "SH", "CS"} and row["keyword"] not in skipped:
                yield row["keyword"], f"HU {len(row['keyword'])}"


def canary_file(folder, number, charset, syntax):
    """A CT image with canaries at three levels; the secrets in it."""
    says, name = CHARSETS[charset]
    word = "@" * len(name)
    base = instance_dataset(SeriesSpec(syntax=syntax), 0, np.zeros((8, 8), dtype=np.int16))
    levels = [planted(number * 10_000 + level * 1000, word) for level in range(3)]
    (dataset, _), (inner, _), (innermost, _) = levels
    for element in base:
        if element.tag not in dataset:
            dataset.add(element)
    for keyword, value in utility():
        setattr(dataset, keyword, value)
    del dataset[0x00080005]
    dataset.add(DataElement(0x00080005, "CS", says.split("\\"), validation_mode=IGNORE))
    inner.AnatomicRegionSequence = Sequence([innermost])
    dataset.ReferencedImageSequence = Sequence([inner])
    for level, (place, _) in enumerate(levels):
        block = place.private_block(0x0029, f"MAKER {word}", create=True)
        block.add_new(0x01, "LO", f"{word}-private-{level}")
    for group in (0x6000, 0x601E, 0x5000, 0x501E):
        dataset.add_new(group << 16 | 0x0022, "LO", f"{word}-{group:04x}")
        dataset.add_new(group << 16 | 0x3000, "OW", f"data-of-{group:04x}".encode())
    dataset.file_meta = base.file_meta
    dataset.file_meta.SourceApplicationEntityTitle = "META-CANARY"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.preamble = b"PREAMBLE-CANARY".ljust(128, b"\0")
    path = folder / f"CANARY-{number} Секретов" / "Секретов.dcm"
    path.parent.mkdir(parents=True)
    dataset.save_as(path, enforce_file_format=True)
    path.write_bytes(path.read_bytes().replace(word.encode(), name))
    secrets = {place: secret for _, found in levels for place, secret in found.items()}
    texts = [f"-private-{level}" for level in range(3)]
    texts += [f"{what}{group}" for what in ("-", "data-of-") for group in ("6000", "601e", "5000")]
    texts += ["META-CANARY", "PREAMBLE-CANARY", "CANARY-", "MAKER"]
    return secrets | {text: text.encode() for text in texts} | {f"name {charset}": name}


def all_bytes(written):
    """Names and bytes without the keyed UIDs, among whose 39 digits any date may be found."""
    everything = b"".join(name.encode() + data for name, data in written.items())
    return re.sub(rb"2\.25\.[0-9]{20,}", b"", everything)


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    "syntax", [Syntax.EXPLICIT_LITTLE, Syntax.IMPLICIT_LITTLE, Syntax.EXPLICIT_BIG]
)
def test_of_every_row_of_the_table_nothing_is_left_in_any_character_set(syntax, tmp_path, key):
    secrets = {}
    for number, charset in enumerate(CHARSETS):
        secrets |= canary_file(tmp_path / "in", number, charset, syntax)
    originals = all_bytes(contents(tmp_path / "in"))
    assert [place for place, secret in secrets.items() if secret not in originals] == []

    told = mosmed_json("anonymize", tmp_path / "in", tmp_path / "out", "--key", key, "--jobs", 1)

    written = contents(tmp_path / "out")
    everything = all_bytes(written)
    assert len(written) == len(CHARSETS), told["failed"]
    assert len(secrets) > 3 * 500 * len(CHARSETS)
    assert [place for place, secret in secrets.items() if secret in everything] == []
    for path in (tmp_path / "out").rglob("*.dcm"):
        image = pydicom.dcmread(path)
        assert {keyword: image.get(keyword) for keyword, _ in utility()} == dict(utility())
        assert not [element.tag for element in image if not dictionary_has_tag(element.tag)]


# --- real objects that nobody here wrote


def values_of(dataset):
    """Each value of a row of the table, at any level, and each UID that is not of the standard."""
    removed = {tag for tag, *_ in removed_rows()}
    found = set()
    for element in dataset.iterall():
        if element.VR in {"SQ", "OB", "OW", "UN"} or element.is_empty:
            continue
        values = [element.value] if element.VM == 1 else element.value
        if element.tag in removed or element.VR == "UI":
            found |= {str(value).strip().encode() for value in values if element.VR not in NUMBERS}
    return {v for v in found if len(v) > 5 and not v.startswith(b"1.2.840.10008.")}


@pytest.fixture(scope="module")
def planted_ct(shared_data, tmp_path_factory):
    """The headers of phi_planted as CT images, else the set is left out as captures."""
    folder = tmp_path_factory.mktemp("planted")
    pixels = instance_dataset(SeriesSpec(), 0, np.zeros((8, 8), dtype=np.int16))
    for path in sorted((shared_data / "phi_planted").glob("*.dcm")):
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        dataset.update({e.tag: e for e in pixels.group_dataset(0x28)})
        dataset[0x7FE00010], dataset.SOPClassUID = pixels[0x7FE00010], pixels.SOPClassUID
        dataset.ImageType, dataset.SOPInstanceUID = ["ORIGINAL", "PRIMARY"], f"1.2.3.{path.stem}"
        dataset.BurnedInAnnotation = "NO"
        dataset.file_meta = pixels.file_meta
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(folder / path.name, enforce_file_format=True)
    return folder


def check_references(originals, written, uid):
    """What a contour or mask says of images leads, under the key, to those that were written."""
    drawn = [one for one in originals.values() if one.get("Modality") in {"SEG", "RTSTRUCT"}]
    assert not {uid(one.SOPInstanceUID) for one in drawn} & written  # they are no CT images
    names = {element.value for one in drawn for element in one.iterall() if element.VR == "UI"}
    assert not drawn or {uid(name) for name in names if isinstance(name, str)} & written


@pytest.mark.parametrize(
    ("name", "images"),
    [
        ("planted", 3),
        ("head_phantom_philips", 28),
        ("chest_siemens_8mm", 60),
        ("chest_ge_16", 16),
        ("chest_toshiba_singles", 2),
        ("seg_rtstruct", 12),
    ],
)
def test_no_value_of_a_real_header_is_left_and_every_link_leads_where_it_led(
    name, images, shared_data, planted_ct, tmp_path, key
):
    folder = planted_ct if name == "planted" else shared_data / name
    told = mosmed_json("anonymize", folder, tmp_path / "out", "--key", key, "--jobs", 1)

    uid = Pseudonyms(bytes.fromhex(KEY)).uid
    originals = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.read_bytes()[128:132] == b"DICM":
            dataset = pydicom.dcmread(path)
            originals[uid(dataset.get("SOPInstanceUID", "-"))] = dataset
    written = sorted((tmp_path / "out").rglob("*.dcm"))
    assert len(written) == images, told["failed"]
    secrets = set().union(*map(values_of, originals.values()))
    assert len(secrets) >= 10
    for path in written:
        image, original = pydicom.dcmread(path), originals[path.stem]
        content = path.read_bytes()
        head = all_bytes({str(path): content[: len(content) - len(image.PixelData)]})
        assert [value for value in secrets if value in head] == []
        assert image.PixelData == original.PixelData
        assert not [element.tag for element in image.iterall() if element.tag.is_private]
        for element in image:
            if element.VR == "UI" and element.value and element.keyword != "SOPClassUID":
                assert element.value == uid(original[element.keyword].value)
    check_references(originals, {path.stem for path in written}, uid)


def test_real_masks_keep_geometry_and_voxels_and_no_word(shared_data, tmp_path):
    masks = sorted((shared_data / "nifti_ct_masks").rglob("*.nii.gz"))
    assert len(masks) >= 10

    for mask in masks:
        clean_mask(mask, tmp_path / "mask.nii.gz")
        before, after = nib.load(mask), nib.load(tmp_path / "mask.nii.gz")
        np.testing.assert_array_equal(np.asarray(after.dataobj), np.asarray(before.dataobj))
        np.testing.assert_array_equal(after.affine, before.affine)
        assert not after.header.extensions
        for field in ("descrip", "aux_file", "db_name", "intent_name"):
            assert after.header[field].tobytes().strip(b"\0") == b""
