"""`mosmed validate`: what mosmed publishes is clean, and every planted fault and leak is found."""

import csv
import gzip
import shutil
import struct
import zipfile

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from PIL import Image, PngImagePlugin

from pipelines.core.checks import CHECKS, Finding, Severity
from pipelines.core.leaks import has_foreign_uid, has_identity_column, leaks_in, tells_time
from pipelines.io.pdf import Document, pdf_bytes
from pipelines.validation.dataset import Validation, validate
from tests.workspaces import contents, make_workspace, mosmed, mosmed_json

NAME, ACCESSION, UID = "IVANOV^IVAN", "MH20-774411", "1.2.643.5.1.13.2.77.20200401.101530.5"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = make_workspace(tmp_path_factory.mktemp("validate") / "w", studies=5)
    mosmed("run", "-w", root, "--jobs", 1)
    return root


@pytest.fixture
def dataset(workspace, tmp_path):
    """A copy of a published dataset, its own files: no link leads back."""
    return shutil.copytree(workspace / "dataset", tmp_path / "COVID19")


@pytest.fixture
def bare(dataset):
    """The same without checksums and tables, which every planted fault would touch."""
    for name in ("SHA256SUMS", "studies.csv"):
        (dataset / name).unlink()
    return dataset


def codes_of(root):
    return {finding.code for finding in validate(root, jobs=1).findings}


def first_volume(root):
    return min(root.glob("studies/*/*.nii.gz"))


def first_pair(root):
    mask = min(root.glob("masks/*"))
    stem = mask.name.removesuffix("_mask.nii.gz")
    return next(root.glob(f"studies/*/{stem}.nii.gz")), mask


def repack(path, change):
    """Change the bytes of a NIfTI file and pack them as published."""
    data = bytearray(gzip.decompress(path.read_bytes()))
    change(data)
    path.write_bytes(gzip.compress(bytes(data), mtime=0))


def put(path, offset, layout, *values):
    repack(path, lambda data: struct.pack_into(layout, data, offset, *values))


def save(path, voxels, affine, dtype=np.int16):
    header = nibabel.Nifti1Image(voxels.astype(dtype), affine)
    header.set_qform(affine, 1)
    header.set_sform(affine, 1)
    header.header.set_xyzt_units("mm", "sec")
    path.write_bytes(gzip.compress(header.to_bytes(), mtime=0))


def with_voxels(path, change):
    image = nibabel.Nifti1Image.from_filename(path)
    voxels = np.asanyarray(image.dataobj)
    save(path, change(voxels), image.affine)


def with_registry(root, change):
    book = load_workbook(root / "dataset_registry.xlsx")
    change(book.worksheets[0])
    book.properties.creator = ""
    book.save(root / "dataset_registry.xlsx")
    repacked_without_times(root / "dataset_registry.xlsx")


def repacked_without_times(path):
    """openpyxl always notes when it saved."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, b"<p/>" if name.startswith("docProps/core") else data)


# --- what is clean


def test_what_mosmed_publishes_is_clean(workspace):
    done = mosmed("validate", "-w", workspace)

    assert done.exit_code == 0, done.output
    assert "0 identity, 0 fault, 0 warning" in done.output


def test_no_number_of_workers_changes_what_is_told_and_nothing_is_written(dataset):
    first_volume(dataset).unlink()
    before = contents(dataset)

    one = mosmed("validate", dataset, "--json", "--jobs", 1)
    two = mosmed("validate", dataset, "--json", "--jobs", 2)

    assert (one.exit_code, one.stdout) == (two.exit_code, two.stdout)
    assert one.exit_code == 3
    assert contents(dataset) == before


# --- planted faults


def unlist_a_row(root):
    with_registry(root, lambda sheet: sheet.delete_rows(3))


def set_cell(column, value):
    return lambda root: with_registry(
        root, lambda sheet: setattr(sheet[f"{column}3"], "value", value)
    )


def shift_mask(root):
    _, mask = first_pair(root)
    image = nibabel.Nifti1Image.from_filename(mask)
    affine = image.affine.copy()
    affine[0, 3] += 1
    save(mask, np.asanyarray(image.dataobj), affine)


def thin_mask(root):
    _, mask = first_pair(root)
    image = nibabel.Nifti1Image.from_filename(mask)
    save(mask, np.asanyarray(image.dataobj)[:, :, 1:], image.affine)


def flip_volume(root):
    image = nibabel.Nifti1Image.from_filename(first_volume(root))
    affine = image.affine @ np.diag([-1, 1, 1, 1])
    save(first_volume(root), np.asanyarray(image.dataobj), affine)


def shear_volume(root):
    path = first_volume(root)
    image = nibabel.Nifti1Image.from_filename(path)
    put(path, 280 + 16 + 8, "<f", float(image.affine[1, 1]) / 8)


def link_volume(root):
    path = first_volume(root)
    path.symlink_to(path.rename(root.parent / "elsewhere.nii.gz"))


def lose_rescale(root):
    with_voxels(first_volume(root), lambda voxels: voxels + 1024)


def marked_elsewhere(root):
    _, mask = first_pair(root)
    with_voxels(mask, lambda voxels: voxels * 0 + (np.arange(voxels.shape[2]) == 0))


FAULTS = {
    "no registry": (lambda r: (r / "dataset_registry.xlsx").unlink(), {"REGISTRY_MISSING"}),
    "a registry that is no workbook": (
        lambda r: (r / "dataset_registry.xlsx").write_bytes(b"PK\3\4junk"),
        {"REGISTRY_MISSING", "NOT_PROVEN"},
    ),
    "another column": (
        lambda r: with_registry(r, lambda sheet: setattr(sheet["B1"], "value", "class")),
        {"REGISTRY_COLUMNS"},
    ),
    "a fifth column": (
        lambda r: with_registry(r, lambda sheet: setattr(sheet["E1"], "value", "age")),
        {"REGISTRY_COLUMNS"},
    ),
    "a number twice": (set_cell("A", 1), {"ROW_NUMBER", "ROW_PATH", "ROW_ORDER"}),
    "a number as text": (set_cell("A", "two"), {"ROW_NUMBER", "ROW_PATH", "ROW_ORDER"}),
    "no category": (set_cell("B", "КТ-1"), {"ROW_CATEGORY", "ROW_PATH", "ROW_ORDER"}),
    "another path": (
        set_cell("C", "/studies/CT-0/study_0009.nii.gz"),
        {"ROW_PATH", "FILE_MISSING", "FILE_UNLISTED"},
    ),
    "a number of thousands of digits": (
        set_cell("C", f"/studies/CT-0/study_{'9' * 5000}.nii.gz"),
        {"ROW_PATH", "FILE_MISSING", "FILE_UNLISTED"},
    ),
    "a path out of the folder": (set_cell("C", "/../x.nii.gz"), {"ROW_PATH", "FILE_UNLISTED"}),
    "a row less": (unlist_a_row, {"ROW_ORDER", "FILE_UNLISTED"}),
    "a file less": (lambda r: first_volume(r).unlink(), {"FILE_MISSING"}),
    "a file more": (
        lambda r: shutil.copy(first_volume(r), r / "studies" / "CT-4" / "study_0099.nii.gz"),
        {"FILE_UNLISTED"},
    ),
    "a link": (link_volume, {"FILE_LINK", "FILE_MISSING"}),
    "no licence": (lambda r: (r / "LICENSE").unlink(), {"DOCUMENT_MISSING"}),
    "a volume cut off": (
        lambda r: first_volume(r).write_bytes(first_volume(r).read_bytes()[:-2000]),
        {"VOLUME_UNREADABLE"},
    ),
    "an empty volume": (lambda r: first_volume(r).write_bytes(b""), {"VOLUME_UNREADABLE"}),
    "axes to the right": (flip_volume, {"VOLUME_AXES"}),
    "a tilted gantry": (shear_volume, {"VOLUME_SHEARED", "VOLUME_STEP", "READERS_DIFFER"}),
    "floats": (lambda r: floats(first_volume(r)), {"VOLUME_TYPE"}),
    "an intercept": (
        lambda r: put(first_volume(r), 112, "<2f", 1, -1024),
        {"VOLUME_TYPE", "HU_IMPLAUSIBLE"},
    ),
    "no qform": (lambda r: put(first_volume(r), 252, "<h", 0), {"VOLUME_CODES"}),
    "no units": (lambda r: put(first_volume(r), 123, "<B", 0), {"VOLUME_CODES"}),
    "another step in pixdim": (
        lambda r: put(first_volume(r), 88, "<f", 5.0),
        {"VOLUME_STEP", "STEP_DIFFERS", "READERS_DIFFER"},
    ),
    "a rescale that is lost": (lose_rescale, {"HU_IMPLAUSIBLE"}),
    "a constant volume": (
        lambda r: with_voxels(first_volume(r), lambda voxels: voxels * 0),
        {"HU_IMPLAUSIBLE"},
    ),
    "a mask beside its image": (shift_mask, {"MASK_GRID"}),
    "a mask of other slices": (thin_mask, {"MASK_GRID"}),
    "a mask with labels": (
        lambda r: with_voxels(first_pair(r)[1], lambda voxels: voxels * 2),
        {"MASK_VALUES"},
    ),
    "an empty mask": (
        lambda r: with_voxels(first_pair(r)[1], lambda voxels: voxels * 0),
        {"MASK_EMPTY"},
    ),
    "a mask of something else": (marked_elsewhere, {"MASK_DENSITY"}),
    "a mask that is none": (
        lambda r: first_pair(r)[1].write_bytes(b"mask"),
        {"MASK_UNREADABLE"},
    ),
    "a time in the header": (
        lambda r: put(first_volume(r), 148, "<16s", b"Time=60724.850"),
        {"HEADER_TIME"},
    ),
    "text in the header": (
        lambda r: put(first_pair(r)[1], 228, "<8s", b"BODY"),
        {"HEADER_TEXT"},
    ),
    "an extension": (lambda r: put(first_volume(r), 348, "<B", 1), {"HEADER_EXTENSION"}),
    "a name in gzip": (lambda r: named_gzip(first_volume(r)), {"GZIP_TELLS"}),
    "an encrypted document": (
        lambda r: (r / "README_EN.pdf").write_bytes(b"%PDF-1.4\n/Encrypt 1 0 R\n"),
        {"NOT_PROVEN"},
    ),
}  # fmt: skip


def floats(path):
    image = nibabel.Nifti1Image.from_filename(path)
    save(path, np.asanyarray(image.dataobj), image.affine, dtype=np.float32)


def named_gzip(path):
    data = gzip.decompress(path.read_bytes())
    with path.open("wb") as raw, gzip.GzipFile("study.nii", "wb", fileobj=raw, mtime=1) as packed:
        packed.write(data)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_by_its_codes_and_no_other(bare, name):
    plant, expected = FAULTS[name]
    assert not codes_of(bare)

    plant(bare)

    assert codes_of(bare) == expected


def test_checksums_that_are_wrong_absent_or_for_nothing_are_found(dataset):
    volume = first_volume(dataset)
    volume.write_bytes(volume.read_bytes() + b"\0")
    (dataset / "LICENSE").unlink()
    (dataset / "NEWS.md").write_text("new")

    assert {"CHECKSUM_WRONG", "CHECKSUM_ABSENT", "FILE_MISSING"} <= codes_of(dataset)


def test_a_patient_in_two_splits_and_a_table_of_others_are_found(dataset):
    (dataset / "SHA256SUMS").unlink()
    table = dataset / "studies.csv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row["patient"], row["split"] = "1", ("train", "test")[number % 2]
    rows[0]["study_id"] = "77"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)

    assert codes_of(dataset) == {"SPLIT_LEAK", "TABLE_DIFFERS"}


def test_a_table_that_is_not_utf_8_is_found(dataset):
    (dataset / "SHA256SUMS").unlink()
    (dataset / "studies.csv").write_bytes("номер".encode("cp1251"))

    assert codes_of(dataset) == {"TABLE_UNREADABLE"}


# --- planted leaks, one in each kind of file


def in_workbook(root, value):
    book = Workbook()
    book.active["A1"] = value
    book.save(root / "more.xlsx")
    repacked_without_times(root / "more.xlsx")


def workbook_by(root, value):
    book = load_workbook(root / "dataset_registry.xlsx")
    book.properties.lastModifiedBy = value
    book.save(root / "dataset_registry.xlsx")


def in_pdf(root, value):
    texts = {"markdown": value, "title": "x", "author": "", "language": "en", "footer": ""}
    pages = pdf_bytes(Document(**texts, page=lambda number, _: f"{number}"))
    (root / "README_EN.pdf").write_bytes(pages)


def in_png(root, value):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Comment", value, zip=True)
    Image.new("L", (4, 4)).save(root / "preview.png", pnginfo=texts)


def in_jpeg(root, value):
    Image.new("L", (4, 4)).save(root / "preview.jpg", comment=value.encode())


def in_zip(root, value):
    with zipfile.ZipFile(root / "more.zip", "w") as archive:
        archive.writestr("notes/readme.txt", value)


def in_dicom(root, value):
    element = b"\x10\0\x10\0PN" + struct.pack("<H", len(value)) + value.encode()
    (root / "slice.dcm").write_bytes(bytes(128) + b"DICM" + element)


def in_text(name, text="{}"):
    return lambda root, value: (root / name).write_text(text.format(value), "utf-8")


LEAKS = {
    "README": (in_text("README_EN.md", "By {}."), NAME, "NAME_OF_PERSON"),
    "Cyrillic text": (in_text("LICENSE"), "Петрова^Анна", "NAME_OF_PERSON"),
    "HTML": (in_text("report.html", "<p title='{}'>x</p>"), UID, "FOREIGN_UID"),
    "HTML of an author": (
        in_text("report.html", '<meta name="author" content="{}">'), "Petrova", "AUTHOR",
    ),
    "JSON": (in_text("croissant.json", '{{"PatientID": "{}"}}'), "77", "IDENTITY_LABEL"),
    "a table": (in_text("more.csv", "id,PatientName\n1,{}\n"), "Ivanov", "IDENTITY_LABEL"),
    "text with a label": (in_text("notes.txt", "Accession No: {}"), ACCESSION, "IDENTITY_LABEL"),
    "a path": (in_text("notes.yaml", "{}"), "/home/petrova/ct", "LOCAL_PATH"),
    "a workbook's cell": (in_workbook, NAME, "NAME_OF_PERSON"),
    "a workbook's properties": (workbook_by, "Petrova", "AUTHOR"),
    "PDF": (in_pdf, NAME, "NAME_OF_PERSON"),
    "PNG": (in_png, "Petrova", "PICTURE_TEXT"),
    "JPEG": (in_jpeg, "Petrova", "PICTURE_TEXT"),
    "an archive": (in_zip, NAME, "NAME_OF_PERSON"),
    "DICOM": (in_dicom, NAME, "NAME_OF_PERSON"),
    "a NIfTI header": (
        lambda r, v: put(first_volume(r), 148, "<24s", v.encode()), NAME, "NAME_OF_PERSON",
    ),
    "a mask's header": (
        lambda r, v: put(first_pair(r)[1], 228, "<20s", v.encode()), "2020-04-01", "HEADER_TIME",
    ),
    "a file's name": (
        lambda r, v: (r / f"{v}.txt").write_text("x"), UID, "FOREIGN_UID",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", LEAKS)
def test_a_leak_in_any_kind_of_file_is_found_named_and_not_repeated(bare, kind):
    plant, value, code = LEAKS[kind]
    plant(bare, value)

    done = mosmed("validate", bare)

    assert done.exit_code == 4, done.output
    assert code in done.output
    assert value not in done.output
    assert value not in mosmed("validate", bare, "--json").stdout


@pytest.mark.parametrize("kind", ["README", "a workbook's cell", "PDF", "PNG", "an archive"])
def test_with_a_workspace_the_patients_own_values_are_found(workspace, bare, kind):
    plant, _, _ = LEAKS[kind]
    value = accession_of(workspace)
    plant(bare, value)

    done = mosmed("validate", bare, "-w", workspace)

    assert done.exit_code == 4, done.output
    assert "IDENTITY_LEFT" in done.output
    assert value not in done.output


def accession_of(workspace):
    return mosmed_json("reidentify", "1", "-w", workspace)["accession_number"]


# --- the layout as MosMedData published it


def test_the_published_layout_is_accepted_and_its_known_leaks_are_named(bare):
    """Time= in descrip, gzip with name and time, an author in the workbook: section 5 of ours."""
    for path in [*bare.glob("studies/*/*"), *bare.glob("masks/*")]:
        put(path, 148, "<16s", b"Time=60724.850")
        named_gzip(path)
    workbook_by(bare, "User")

    found = mosmed_json("validate", bare)

    identity = {one["code"] for one in found["findings"] if one["severity"] == "identity"}
    assert identity == {"HEADER_TIME", "AUTHOR"}
    assert {one["code"] for one in found["findings"] if one["severity"] == "fault"} == {
        "GZIP_TELLS"
    }
    assert found["counts"]["HEADER_TIME"] == len([*bare.glob("*/**/*.nii.gz")])


def test_without_a_registry_the_volumes_are_still_looked_at(bare):
    (bare / "dataset_registry.xlsx").unlink()
    flip_volume(bare)

    assert codes_of(bare) == {"REGISTRY_MISSING", "VOLUME_AXES"}


# --- the table of checks, and what the patterns take for a leak


def test_every_code_is_explained_and_found_by_a_test():
    planted = set().union(*(codes for _, codes in FAULTS.values()))
    planted |= {code for _, _, code in LEAKS.values()}
    planted |= {"CHECKSUM_WRONG", "CHECKSUM_ABSENT", "TABLE_UNREADABLE", "TABLE_DIFFERS"}
    planted |= {"SPLIT_LEAK", "IDENTITY_LEFT", "MAKING_TIME", "DATA_CONNECTION", "INTERNAL"}

    assert planted == set(CHECKS)
    assert all(check.meaning and check.hint for check in CHECKS.values())


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("IVANOV^IVAN^PETROVICH", {"NAME_OF_PERSON"}),
        ("10^6 voxels, a^b, CT^ and ^x", set()),
        ("StudyInstanceUID (0020,000D) 1.2.840.10008.5.1.4.1.1.2", set()),
        ("2.25.123456789012345678901234567890", set()),
        ("1.3.12.2.1107.5.1.4.50714.3000", {"FOREIGN_UID"}),
        ("version 1.2.3.4, doi 10.1148/radiol.2021203957", set()),
        ("M0.5.5.5.5.5.5 path of an svg", set()),
        ('"StudyDate": "20200401"', {"IDENTITY_LABEL"}),
        ('"PatientID": ""', set()),
        ("Номер карты: 123456", {"IDENTITY_LABEL"}),
        ("C:\\Users\\petrova\\ct", {"LOCAL_PATH"}),
        ("https://mosmed.ai/datasets/home/", set()),
        ("<cp:lastModifiedBy>User</cp:lastModifiedBy>", {"AUTHOR"}),
        ("<dc:creator></dc:creator>", set()),
        ("/CreationDate (D:20200428172017)", {"MAKING_TIME"}),
        ("<connections xmlns='x'>", {"DATA_CONNECTION"}),
    ],
)
def test_a_pattern_hits_what_it_means_and_nothing_else(text, codes):
    assert set(leaks_in(text.encode())) == codes


def test_packed_bytes_are_no_name_by_chance_but_hold_one():
    noise = np.random.default_rng(1).bytes(1 << 20)
    assert "NAME_OF_PERSON" not in set(leaks_in(noise))
    assert "NAME_OF_PERSON" in set(leaks_in(noise + b"IVANOV^IVAN" + noise))


def test_times_and_days_are_told_from_other_texts_of_headers():
    for text in (b"Time=60724.850", b"Time=92921.000", b"2020-04-28", b"17:20:17", b"20200428"):
        assert tells_time(text)
    for text in (b"FSL5.0", b"BODY 1.0", b"thinned 10", b"v2020"):
        assert not tells_time(text)


@settings(max_examples=200)
@given(content=st.binary(max_size=400))
def test_any_bytes_can_be_searched(content):
    assert all(code in CHECKS for code in leaks_in(content))
    has_identity_column(content)
    has_foreign_uid(content)
    tells_time(content)


def test_severities_decide_the_exit_status():
    statuses = {Severity.IDENTITY: 4, Severity.FAULT: 3, Severity.WARNING: 0}
    for code, check in CHECKS.items():
        found = validation_with(code)
        assert found.exit_status == statuses[check.severity]


def validation_with(code):
    finding = Finding(code=code, file="x", place="y")
    return Validation(files=1, studies=0, findings=(finding,))
