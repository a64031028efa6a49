"""Real DICOM that nobody here wrote, all of it one PACS folder, with a RIS that names its studies.

The chest volumes have to come out right; everything else has to end with a code and a reason.
"""

import csv
import gzip
import warnings
from collections import defaultdict

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest

from tests.workspaces import contents, mosmed, mosmed_json

HEAD = "head_phantom_philips"
FIRST_ROW = 2
CHEST = ("chest_siemens_8mm", "chest_ge_16")
SETTINGS = """
[select]
ris = "ris.csv"
studies = {studies}
reserves = 0
seed = "real"
rules = ["identified", "body_part", "category"]

[export]
pacs = "{pacs}"
descriptions = ["%B40f", "STD%", "HELICAL%", "Image%", "Body%", "STANDARD%", "PHANTOM%", ""]
minimum_instances = 1

[select.columns]
body_part = "Область"

[convert]
minimum_slices = 2
"""


def instances_of(folder):
    """Every file pydicom reads below a folder, by StudyInstanceUID."""
    studies = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    dataset = pydicom.dcmread(path, stop_before_pixels=True)
                    uid = dataset.StudyInstanceUID
                except Exception:
                    continue
            studies[uid].append(path)
    return studies


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory):
    root = tmp_path_factory.mktemp("real")
    studies = {
        uid: paths[0].relative_to(shared_data).parts[0]
        for uid, paths in instances_of(shared_data).items()
    }
    with (root / "ris.csv").open("w", encoding="cp1251", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(("UID исследования", "ID пациента", "Область", "Категория КТ"))
        for number, uid in enumerate(sorted(studies)):
            region = "Голова" if studies[uid] == HEAD else "ОГК"
            writer.writerow((uid, f"P{number}", region, f"КТ-{number % 5}"))
        writer.writerow(("1.2.3.4.5.6.7", "absent", "ОГК", "КТ-0"))
    settings = SETTINGS.format(studies=len(studies) + 1, pacs=shared_data)
    (root / "mosmed.toml").write_text(settings)
    before = {path: path.stat().st_mtime_ns for path in shared_data.rglob("*")}

    done = mosmed("run", "-w", root, "--jobs", 2)

    assert {path: path.stat().st_mtime_ns for path in shared_data.rglob("*")} == before
    return root, studies, done


@pytest.fixture(scope="module")
def ends(real):
    """The end of each study's way: (folder of the data, stage, rule or code, state)."""
    root, studies, _ = real
    found = {}
    for row, uid in enumerate(sorted(studies), start=FIRST_ROW):
        name = studies[uid]
        study = f"row {row}" if name == HEAD else uid  # a row that was never drawn has no name
        last = mosmed_json("why", study, "-w", root)["way"][-1]
        found[uid] = (name, last["stage"], last["rule"], last["state"])
    return found


def test_the_run_ends_with_status_3_and_every_study_in_one_place(real, ends):
    root, studies, done = real
    report = mosmed_json("status", "-w", root)

    assert done.exit_code == 3, done.output
    assert report["published"] == len(CHEST)
    fell_out = [r for stage in report["stages"] for r in stage["reasons"]]
    assert (
        sum(len(reason["studies"]) for reason in fell_out) == len(studies) + 1 - len(CHEST) - 1
    )  # the head
    assert all(reason["example"] for reason in fell_out)
    assert not any(stage["pending"] for stage in report["stages"])
    codes = {reason["code"] for reason in fell_out}
    assert not codes & {"INTERNAL", "WORKER_DIED", "DISK", "READERS_DISAGREE", "IDENTITY_LEFT"}


def test_nothing_but_the_chests_is_published(ends):
    published = {name for name, stage, _, _ in ends.values() if stage == "build-registry"}
    states = {state for name, _, _, state in ends.values() if name not in CHEST}

    assert published == set(CHEST)
    assert states <= {"excluded", "failed"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chest_siemens_8mm", [("build-registry", "number")]),
        ("chest_ge_16", [("build-registry", "number")]),
        (HEAD, [("select", "body_part")]),
        ("chest_toshiba_singles", [("convert", "TOO_FEW_SLICES")] * 2),
        ("chest_pair_bare_header", [("export", "series")]),
        (
            "geometry_bad",
            [("convert", "GANTRY_TILT")] * 2
            + [("convert", "SAME_POSITION")]
            + [("export", "series")] * 3,
        ),
        ("enhanced_multiframe_ct", [("export", "series")]),
        ("phi_planted", [("export", "CONFLICTING_DUPLICATE"), ("export", "series")]),
        ("syntaxes_chest_slice", [("export", "CONFLICTING_DUPLICATE"), ("export", "series")]),
        ("corrupt_fuzz", [("export", "CONFLICTING_DUPLICATE")]),
    ],
)
def test_each_set_ends_as_it_has_to(ends, name, expected):
    found = sorted((stage, rule) for folder, stage, rule, _ in ends.values() if folder == name)

    assert found == sorted(expected)


def test_a_study_that_is_not_there_is_said_to_be_missing(real):
    way = mosmed_json("why", "1.2.3.4.5.6.7", "-w", real[0])["way"]

    assert (way[-1]["stage"], way[-1]["rule"]) == ("export", "NOT_IN_ARCHIVE")


@pytest.mark.parametrize("name", CHEST)
def test_the_chest_volumes_hold_the_hu_of_their_dicom_at_the_kept_instances(
    real, shared_data, name
):
    root, studies, _ = real
    uid = next(uid for uid, folder in studies.items() if folder == name)
    number = int(mosmed_json("why", uid, "-w", root)["way"][-1]["value"])
    registry = pd.read_excel(root / "dataset" / "dataset_registry.xlsx").set_index("study_id")
    image = nib.load(f"{root}/dataset{registry.study_file[number]}")
    voxels = np.asarray(image.dataobj)

    kept = {}
    for path in instances_of(shared_data)[uid]:
        dataset = pydicom.dcmread(path)
        is_chosen = "B70f" not in str(dataset.get("SeriesDescription"))
        if is_chosen and dataset.InstanceNumber % 10 == 0:
            kept[float(dataset.ImagePositionPatient[2])] = dataset
    assert voxels.shape[2] == len(kept) > 0
    for k, z in enumerate(sorted(kept)):
        dataset = kept[z]
        hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
        by_position = hu_at_world(hu, dataset, image, k, voxels.shape[:2])
        np.testing.assert_array_equal(voxels[:, :, k], by_position)


def hu_at_world(hu, dataset, image, k, shape):
    """The HU of a DICOM image at the patient positions of the volume's voxels in slice k."""
    i, j = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), indexing="ij")
    index = np.stack([i, j, np.full_like(i, k), np.ones_like(i)], axis=-1)
    lps = (index @ image.affine.T)[..., :3] * (-1, -1, 1)
    away = lps - np.array(dataset.ImagePositionPatient, dtype=float)
    cosines = np.array(dataset.ImageOrientationPatient, dtype=float).reshape(2, 3)
    between_rows, between_columns = (float(value) for value in dataset.PixelSpacing)
    column = away @ cosines[0] / between_columns
    row = away @ cosines[1] / between_rows
    off_plane = away @ np.cross(*cosines)
    assert np.abs(off_plane).max() < 0.05
    return hu[np.rint(row).astype(int), np.rint(column).astype(int)]


def test_no_identifier_of_the_real_headers_is_in_the_dataset(real, shared_data):
    values = set()
    for name in CHEST:
        for path in (shared_data / name).rglob("*.dcm"):
            header = pydicom.dcmread(path, stop_before_pixels=True)
            for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "StudyDate"):
                values.add(str(header.get(keyword, "")))
    values.discard("")
    assert len(values) > 5

    for name, data in contents(real[0] / "dataset").items():
        plain = gzip.decompress(data)[:352] if name.endswith(".gz") else data
        plain = plain.replace(b"(D:20000101000000", b"")  # the date that every PDF bears
        assert not [value for value in values if value.encode() in plain or value in name]
