"""The stage: what passes, what stays as it was, what is refused, and that it is the same always."""

import gzip
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.sequence import Sequence

from pipelines import anonymize
from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.errors import ItemError, PrivacyError
from pipelines.core.identity import Exported, Pseudonyms
from pipelines.core.model import Category, Deidentified, Excluded, ReaderMask, Reading, Sex
from pipelines.core.ocr_settings import OcrSettings
from pipelines.core.patient_settings import PatientSettings
from pipelines.explanation import explain
from pipelines.io.keys import read_key
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec, Syntax

VOXELS = np.arange(3 * 8 * 8, dtype=np.int16).reshape(3, 8, 8) - 100
KEPT = """
Manufacturer ManufacturerModelName ConvolutionKernel KVP SliceThickness PixelSpacing Rows Columns
ImagePositionPatient ImageOrientationPatient RescaleSlope RescaleIntercept RescaleType Modality
BitsAllocated BitsStored HighBit PixelRepresentation InstanceNumber ImageType BodyPartExamined
PatientPosition XRayTubeCurrent Exposure SoftwareVersions PatientSex GantryDetectorTilt SOPClassUID
SliceLocation WindowCenter WindowWidth SeriesNumber
"""


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "key"
    path.write_text("5a" * 32 + "\n")
    path.chmod(0o600)
    return AnonymizeSettings(key=path)


def exported(**changes):
    known = {
        "public_id": "s0123456789ab",
        "patient_key": "PHANTOM-HOSPITAL|PH-000001",
        "category": Category.CT_1,
        "patient_age_years": 47,
        "patient_sex": Sex.MALE,
        "instances": 3,
        "masks": (),
        "identifying_values": ("PH-000001", "Фантомов", "19730115"),
    }
    return Exported(**{**known, **changes})


def run(tmp_path, settings, spec=None, record=None, *, name="out"):
    """The stage on a phantom series that is written anew."""
    source, folder = tmp_path / "source", tmp_path / name
    shutil.rmtree(source / "series", ignore_errors=True)
    folder.mkdir()
    write_series(source / "series", spec or SeriesSpec(), VOXELS)
    return anonymize.work(record or exported(), settings, source, folder), folder


def read_all(folder, pattern="*.dcm"):
    return [pydicom.dcmread(path) for path in sorted(folder.rglob(pattern))]


# --- what stays


@pytest.mark.parametrize("syntax", Syntax)
def test_pixels_and_transfer_syntax_stay_as_they_were(syntax, tmp_path, settings):
    record, folder = run(tmp_path, settings, SeriesSpec(syntax=syntax, file_name="{k}.dcm"))

    before = {int(one.InstanceNumber): one for one in read_all(tmp_path / "source/series")}
    after = {int(one.InstanceNumber): one for one in read_all(folder)}
    wanted = Syntax.EXPLICIT_LITTLE if syntax is Syntax.DEFLATED else syntax
    assert record.instances == len(after) == 3
    for number, image in after.items():
        assert image.PixelData == before[number].PixelData
        assert image["PixelData"].is_undefined_length == syntax.is_encapsulated
        assert image.file_meta.TransferSyntaxUID == wanted
        for keyword in KEPT.split():
            assert image[keyword].value == before[number][keyword].value, keyword


@pytest.mark.parametrize("syntax", [Syntax.EXPLICIT_LITTLE, Syntax.JPEG_LOSSLESS])
def test_the_file_ends_with_the_very_bytes_of_the_source_s_pixels(syntax, tmp_path, settings):
    _, folder = run(tmp_path, settings, SeriesSpec(syntax=syntax))

    images = {int(one.InstanceNumber): one for one in read_all(folder)}
    for source in read_all(tmp_path / "source/series"):
        content = Path(images[int(source.InstanceNumber)].filename).read_bytes()
        original = Path(source.filename).read_bytes()
        start = original.index(source.PixelData)
        assert content.endswith(original[start:])


def test_decimals_keep_their_spelling(tmp_path, settings):
    def edit(dataset, k):
        dataset.SliceThickness = "+1.2500E0"
        dataset.PixelSpacing = ["0.7", "0.70"]

    _, folder = run(tmp_path, settings, SeriesSpec(edit=edit, pixel_spacing_mm=(0.7, 0.7)))

    for path in folder.iterdir():
        assert b"+1.2500E0" in path.read_bytes()
        assert b"0.7\\0.70" in path.read_bytes()


# --- what is written


def test_the_object_says_that_and_how_it_was_de_identified(tmp_path, settings):
    _, folder = run(tmp_path, settings)

    for image in read_all(folder):
        assert image.PatientIdentityRemoved == "YES"
        assert "PS3.15" in image.DeidentificationMethod
        assert image.LongitudinalTemporalInformationModified == "REMOVED"
        codes = [item.CodeValue for item in image.DeidentificationMethodCodeSequence]
        assert codes == ["113100", "113108"]
        assert image.preamble == bytes(128)
        assert image.file_meta.ImplementationVersionName == "MOSMED"
        assert "SourceApplicationEntityTitle" not in image.file_meta
        assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID
        assert Path(image.filename).name == f"{image.SOPInstanceUID}.dcm"


def test_uids_are_replaced_consistently_and_only_with_the_key(tmp_path, settings):
    def edit(dataset, k):
        item = Dataset()
        item.ReferencedSOPClassUID = dataset.SOPClassUID
        item.ReferencedSOPInstanceUID = SeriesSpec().instance_uid(0)
        dataset.ReferencedImageSequence = Sequence([item])

    _, folder = run(tmp_path, settings, SeriesSpec(edit=edit))
    before, after = read_all(tmp_path / "source/series"), read_all(folder)

    pseudonyms = Pseudonyms(read_key(settings.key))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        assert {one[keyword].value for one in after} == {pseudonyms.uid(before[0][keyword].value)}
    assert {one.SOPInstanceUID for one in after} == {
        pseudonyms.uid(one.SOPInstanceUID) for one in before
    }
    first = pseudonyms.uid(SeriesSpec().instance_uid(0))
    for image in after:
        assert image.ReferencedImageSequence[0].ReferencedSOPInstanceUID == first
        assert image.ReferencedImageSequence[0].ReferencedSOPClassUID == image.SOPClassUID


def test_a_patient_has_one_pseudonym_in_both_ways_of_working(tmp_path, settings):
    _, folder = run(tmp_path, settings)
    (item,) = anonymize.find(tmp_path / "source")
    plain = tmp_path / "plain"

    anonymize.work_plain(item, settings, PatientSettings(), OcrSettings(), plain)

    names = {str(image.PatientName) for image in read_all(folder) + read_all(plain)}
    assert names == {Pseudonyms(read_key(settings.key)).patient("PHANTOM-HOSPITAL|PH-000001")}
    assert [path.read_bytes() for path in sorted(folder.iterdir())] == [
        path.read_bytes() for path in sorted(plain.rglob("*.dcm"))
    ]


@pytest.mark.parametrize(("age", "wanted"), [("095Y", "090Y"), ("047Y", "047Y"), ("very old", "")])
def test_great_ages_are_capped_and_what_is_no_age_is_dropped(age, wanted, tmp_path, settings):
    def edit(dataset, k):
        dataset["PatientAge"] = pydicom.dataelem.DataElement(
            0x00101010, "AS", age, validation_mode=pydicom.config.IGNORE
        )

    record, folder = run(
        tmp_path, settings, SeriesSpec(edit=edit), exported(patient_age_years=None)
    )

    assert {image.PatientAge or "" for image in read_all(folder)} == {wanted}
    assert record.patient_age_years == (int(wanted[:3]) if wanted else None)


def test_records_carry_nothing_of_the_exported_record_but_what_is_public(tmp_path, settings):
    record, _ = run(tmp_path, settings, record=exported(patient_age_years=97))

    assert isinstance(record, Deidentified)
    assert (record.patient_age_years, record.patient_sex, record.category) == (90, "M", "CT-1")
    for value in ("PH-000001", "Фантомов", "1973", "PHANTOM"):
        assert value not in repr(record)


@pytest.mark.parametrize("charset", ["ISO_IR 192", "ISO_IR 144", "ISO_IR 100"])
def test_the_character_set_is_right_for_what_is_left(charset, tmp_path, settings):
    name = "Doe^John" if charset == "ISO_IR 100" else "Фантомов^Иван"
    kernel = "FC07" if charset == "ISO_IR 100" else "мягкое"
    spec = SeriesSpec(
        specific_character_set=(charset,), patient_name=name, convolution_kernel=kernel
    )

    _, folder = run(tmp_path, settings, spec)

    for image in read_all(folder):
        assert image.ConvolutionKernel == kernel
        assert ("SpecificCharacterSet" in image) == (not kernel.isascii())
        assert image.get("SpecificCharacterSet", "ISO_IR 192") == "ISO_IR 192"


# --- the same always


def test_names_and_order_of_the_files_do_not_matter(tmp_path, settings):
    _, one = run(tmp_path, settings, SeriesSpec(file_name="{k}.dcm"), name="one")
    _, two = run(
        tmp_path,
        settings,
        SeriesSpec(instance_numbers=range(1, 4), file_name="IVANOV{uid}.dcm"),
        name="two",
    )

    assert {path.name: path.read_bytes() for path in one.iterdir()} == {
        path.name: path.read_bytes() for path in two.iterdir()
    }


def test_the_originals_are_not_written_to(tmp_path, settings):
    source = tmp_path / "source"
    write_series(source / "series", SeriesSpec(), VOXELS)
    before = {path: path.read_bytes() for path in source.rglob("*.dcm")}
    for path in before:
        path.chmod(0o400)
    (tmp_path / "out").mkdir()

    anonymize.work(exported(), settings, source, tmp_path / "out")

    assert {path: path.read_bytes() for path in source.rglob("*.dcm")} == before


# --- what does not pass


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        (SeriesSpec(image_type=("DERIVED", "SECONDARY", "MPR")), "image_type"),
        (SeriesSpec(image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")), "image_type"),
        (SeriesSpec(sop_class_uid="1.2.840.10008.5.1.4.1.1.7"), "sop_class"),
        (SeriesSpec(elements={"BurnedInAnnotation": "YES"}), "burned_in"),
    ],
)
def test_only_original_ct_images_pass(spec, rule, tmp_path, settings):
    record, folder = run(tmp_path, settings, spec)

    assert isinstance(record, Excluded)
    assert record.rule == rule
    assert record.decisions[0].value == "3 of 3 objects"
    assert not list(folder.iterdir())


def test_a_localizer_among_the_slices_is_dropped_and_counted(tmp_path, settings):
    def edit(dataset, k):
        if k == 0:
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    record, folder = run(tmp_path, settings, SeriesSpec(edit=edit))

    assert record.instances == len(list(folder.iterdir())) == 2
    assert ("image_type", "1 of 3 objects") in [(one.rule, one.value) for one in record.decisions]


def test_an_overlay_in_unused_bits_of_the_pixels_is_left_out(tmp_path, settings):
    def edit(dataset, k):
        dataset.add_new(0x60000100, "US", 16)
        dataset.add_new(0x60000102, "US", 12)

    record, _ = run(tmp_path, settings, SeriesSpec(edit=edit, bits_stored=12))

    assert record.rule == "overlay_bits"


@pytest.mark.parametrize(
    ("cut", "code"), [(1, "TRUNCATED_FILE"), (60, "TRUNCATED_FILE"), (10_000, "UNREADABLE_DICOM")]
)
@pytest.mark.parametrize("syntax", [Syntax.EXPLICIT_LITTLE, Syntax.RLE, Syntax.EXPLICIT_BIG])
def test_a_file_that_is_cut_off_is_refused(syntax, cut, code, tmp_path, settings):
    source = tmp_path / "source"
    path = write_series(source / "series", SeriesSpec(syntax=syntax), VOXELS)[1]
    path.write_bytes(path.read_bytes()[:-cut])
    (tmp_path / "out").mkdir()

    with pytest.raises(ItemError) as caught:
        anonymize.work(exported(), settings, source, tmp_path / "out")

    assert caught.value.code == code
    assert "file 2 of 3" in caught.value.message


def test_bytes_behind_the_image_in_pixel_data_are_refused(tmp_path, settings):
    def edit(dataset, k):
        dataset.PixelData += b"IVANOV IVAN "

    with pytest.raises(ItemError) as caught:
        run(tmp_path, settings, SeriesSpec(edit=edit))

    assert caught.value.code == "BAD_PIXELS"


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"])
def test_an_object_without_its_uids_is_refused(keyword, tmp_path, settings):
    source = tmp_path / "source"
    for path in write_series(source / "series", SeriesSpec(), VOXELS):
        dataset = pydicom.dcmread(path)
        dataset[keyword].value = ""
        dataset.save_as(path)
    (tmp_path / "out").mkdir()

    with pytest.raises(ItemError) as caught:
        anonymize.work(exported(), settings, source, tmp_path / "out")

    assert caught.value.code == "MISSING_ATTRIBUTE"


def test_two_objects_of_one_uid_are_no_study(tmp_path, settings):
    def edit(dataset, k):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"

    with pytest.raises(ItemError) as caught:
        run(tmp_path, settings, SeriesSpec(edit=edit))

    assert caught.value.code == "CONFLICTING_DUPLICATE"


def test_fewer_files_than_were_exported_are_no_study(tmp_path, settings):
    with pytest.raises(ItemError) as caught:
        run(tmp_path, settings, record=exported(instances=4))

    assert caught.value.code == "INCOMPLETE_STUDY"


def test_deep_nesting_is_refused(tmp_path, settings):
    def edit(dataset, k):
        for _ in range(50):
            outer = Dataset()
            outer.AnatomicRegionSequence = dataset.get("AnatomicRegionSequence", Sequence([]))
            dataset.AnatomicRegionSequence = Sequence([outer])

    with pytest.raises(ItemError) as caught:
        run(tmp_path, settings, SeriesSpec(edit=edit))

    assert caught.value.code == "UNREADABLE_DICOM"


# --- the recipe


def test_a_recipe_of_ones_own_is_done_and_no_more_claimed_than_is_true(tmp_path, settings):
    own = tmp_path / "own.deid"
    own.write_text(
        "FORMAT dicom\n%header\nKEEP StudyDate\nREPLACE SeriesDescription грудь\nREMOVE KVP\n"
    )

    record, folder = run(tmp_path, replace(settings, recipes=(own,)))

    for image in read_all(folder):
        assert image.StudyDate == "20200401"
        assert image.SeriesDescription == "грудь"
        assert "KVP" not in image
        assert [item.CodeValue for item in image.DeidentificationMethodCodeSequence] == ["113108"]
    assert ("recipe", "StudyDate") in [(one.rule, one.value) for one in record.decisions]


def test_device_identity_stays_only_on_request(tmp_path, settings):
    _, folder = run(tmp_path, settings, name="without")
    _, kept = run(tmp_path, replace(settings, retain_device_identity=True), name="with")

    assert {image.DeviceSerialNumber for image in read_all(folder)} == {"REMOVED"}
    assert {image.DeviceSerialNumber for image in read_all(kept)} == {"PHSN4711"}


def test_explain_has_a_line_for_every_rule_with_a_reason(settings):
    rows = explain(settings)

    by_keyword = {row.keyword: row for row in rows}
    assert len(rows) > 690
    assert all(row.why and row.action for row in rows)
    assert by_keyword["PatientAddress"].action == "remove"
    assert by_keyword["ConvolutionKernel"].action == "keep"
    assert by_keyword["private elements"].action == "remove"


# --- the mask


def nifti(order="<", *, extension=b"", extra=b"", **fields):
    header = bytearray(352)
    values = {0: ("i", 348), 70: ("2h", 2, 8), 108: ("f", 352 + len(extension)), 112: ("2f", 1, 0)}
    values |= {40: ("8h", 3, 4, 4, 2, 1, 1, 1, 1), 76: ("8f", 1, 0.7, 0.7, 2, 0, 0, 0, 0)}
    values |= {252: ("2h", 1, 1), 280: ("12f", *range(12))} | fields.get("values", {})
    for offset, (kind, *what) in values.items():
        struct.pack_into(order + kind, header, offset, *what)
    header[148:228] = b"Ivanov scanned at 10:15".ljust(80, b"\0")
    header[228:252] = b"/data/Ivanov.dcm".ljust(24, b"\0")
    header[14:32] = b"IVANOV".ljust(18, b"\0")
    header[344:348] = b"n+1\0"
    header[348] = bool(extension)
    return bytes(header) + extension + bytes(range(32)) + extra


def test_readings_and_dose_go_on_as_they_are(tmp_path, settings):
    readings = (Reading(reader="R-0A0A0A", category=Category.CT_3),)
    known = exported(readings=readings, dose_length_product_mgy_cm=312.5)

    record, _ = run(tmp_path, settings, record=known)

    assert (record.readings, record.dose_length_product_mgy_cm) == (readings, 312.5)


def run_mask(tmp_path, settings, content):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "mask.nii.gz").write_bytes(content)
    return run(tmp_path, settings, record=exported(masks=(ReaderMask(file="mask.nii.gz"),)))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("is_gzip", [True, False])
def test_a_mask_keeps_its_geometry_and_voxels_and_nothing_else(order, is_gzip, tmp_path, settings):
    import nibabel

    content = nifti(
        order, extension=struct.pack(order + "2i", 16, 44) + b"IVANOV\0\0", extra=b"IVANOV"
    )
    if is_gzip:
        (tmp_path / "Ivanov.nii").write_bytes(content)
        packed = tmp_path / "packed.gz"
        with packed.open("wb") as raw, gzip.GzipFile("Ivanov.nii", "wb", fileobj=raw) as file:
            file.write(content)
        record, folder = run_mask(tmp_path, settings, packed.read_bytes())
    else:
        record, folder = run_mask(tmp_path, settings, content)

    written = (folder / record.masks[0].file).read_bytes()
    before = nibabel.Nifti1Image.from_bytes(content)
    after = nibabel.Nifti1Image.from_bytes(gzip.decompress(written))
    assert b"vanov" not in (written + gzip.decompress(written)).lower()
    assert written[4:8] == bytes(4)
    assert not written[3]
    np.testing.assert_array_equal(before.affine, after.affine)
    np.testing.assert_array_equal(before.get_fdata(), after.get_fdata())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"IVANOV" * 100,
        nifti()[:-1],
        gzip.compress(nifti(), mtime=0)[:-12],
        gzip.compress(nifti()[:200], mtime=0),
        gzip.compress(nifti(), mtime=0)[:-6],
        gzip.compress(nifti(), 0).replace(bytes(range(32)), bytes(range(31)) + b"!"),
        nifti(values={40: ("8h", 3, 30000, 30000, 30000, 1, 1, 1, 1)}),
        nifti(values={40: ("8h", 9, 4, 4, 2, 1, 1, 1, 1)}),
        nifti(values={40: ("8h", 3, 4, -4, 2, 1, 1, 1, 1)}),
        nifti(values={70: ("2h", 128, 24)}),
        nifti(values={108: ("f", float("nan"))}),
        nifti(values={108: ("f", 1e30)}),
        gzip.compress(nifti() + bytes(1 << 22), mtime=0),
    ],
)
def test_what_is_no_mask_is_refused(content, tmp_path, settings):
    with pytest.raises(ItemError) as caught:
        run_mask(tmp_path, settings, content)

    assert caught.value.code == "UNREADABLE_MASK"


def test_a_place_that_a_mask_s_header_does_not_use_hides_nothing(tmp_path, settings):
    text = b"IVANOV".ljust(24)
    content = nifti(values={252: ("2h", 0, 1), 256: ("24s", text)})

    record, folder = run_mask(tmp_path, settings, content)

    assert b"IVANOV" not in gzip.decompress((folder / record.masks[0].file).read_bytes())


# --- echoes


@pytest.mark.parametrize("text", ["PH-000001", "ФАНТОМОВ", "dr ivan", "POLYCLINIC 5", "1.2.3.4.5"])
def test_an_echo_of_the_identity_in_a_kept_attribute_stops_the_study(text, tmp_path, settings):
    spec = SeriesSpec(
        patient_name="Фантомов^Ivan",
        institution_name="Polyclinic 5",
        study_instance_uid="1.2.3.4.5",
        elements={"ConvolutionKernel": text},
    )

    with pytest.raises(PrivacyError) as caught:
        run(tmp_path, settings, spec, exported(identifying_values=()))

    assert "ConvolutionKernel (0018,1210)" in caught.value.message
    assert text not in caught.value.message
    assert not list((tmp_path / "out").iterdir())


def test_a_counter_that_repeats_the_patient_s_number_is_blanked_and_counted(tmp_path, settings):
    spec = SeriesSpec(patient_id="0123456", elements={"SeriesNumber": "0123456"})

    record, *_ = run(tmp_path, settings, spec, exported(identifying_values=()))

    assert {str(image.SeriesNumber) for image in read_all(tmp_path / "out")} == {"None"}
    assert "echo " in record.decisions[0].outcome


@pytest.mark.parametrize("syntax", [Syntax.EXPLICIT_BIG, Syntax.IMPLICIT_LITTLE, Syntax.DEFLATED])
def test_an_echo_is_found_in_every_encoding_of_the_header(syntax, tmp_path, settings):
    spec = SeriesSpec(syntax=syntax, elements={"ConvolutionKernel": "ivan"}, patient_name="Do^Ivan")

    with pytest.raises(PrivacyError):
        run(tmp_path, settings, spec)


def test_an_echo_in_the_code_of_compressed_pixels_stops_the_study(tmp_path, settings):
    def edit(dataset, k):
        frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
        dataset.PixelData = encapsulate([frame + b"PH-000001 Doe."], has_bot=False)

    with pytest.raises(PrivacyError, match="PixelData"):
        run(tmp_path, settings, SeriesSpec(syntax=Syntax.RLE, edit=edit))


# --- what it costs


def test_what_scanners_write_is_anonymized_without_any_imaging_library(tmp_path, settings):
    write_series(tmp_path / "in", SeriesSpec(patient_name="Фантомов^Иван"), VOXELS)
    script = (
        "import sys; from mosmedcli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code\n"
        "slow = 'pydicom numpy deid pandas rich multiprocessing'.split()\n"
        "print([name for name in slow if name in sys.modules])"
    )
    arguments = ["anonymize", tmp_path / "in", tmp_path / "out", "--key", settings.key]

    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[1:] == ["[]"]
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == len(VOXELS)
