"""A drawing on its way from the reader's file to the published mask, whatever kind it comes in."""

from dataclasses import replace

import nibabel
import numpy as np
import pydicom
import pytest

from pipelines import chain
from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.convert_settings import ConvertSettings, ThinSettings
from pipelines.core.export_settings import ExportSettings
from pipelines.core.identity import Candidate, Pseudonyms
from pipelines.core.model import Category, Excluded, Fusion, Sex
from pipelines.io.index import refresh
from pipelines.io.nifti import read_mask
from pipelines.peers.archives import INDEX_NAME
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec
from tests.drawings import save, segmentation, structure_set

SLICES, ROWS, COLUMNS = 40, 32, 36
KEY = b"m" * 32
SPECS = {
    "supine": SeriesSpec(),
    "prone": replace(SeriesSpec(), row_cosines=(-1.0, 0.0, 0.0), column_cosines=(0.0, -1.0, 0.0)),
    "descending": replace(SeriesSpec(), instance_numbers=range(SLICES, 0, -1)),
}
TRUTH = np.zeros((SLICES, ROWS, COLUMNS), dtype=bool)
TRUTH[3:32, 6:19, 8:27] = True
SHIFTED = np.roll(TRUTH, 1, axis=2)


@pytest.fixture(params=SPECS)
def spec(request):
    return SPECS[request.param]


@pytest.fixture
def pacs(tmp_path, spec):
    write_series(tmp_path / "pacs", spec, np.where(TRUTH, -400, 30).astype(np.int16))
    return tmp_path / "pacs"


@pytest.fixture
def slices(pacs):
    """In the order of `TRUTH`: along the normal, from the phantom's first slice on."""
    read = [pydicom.dcmread(path) for path in pacs.iterdir()]
    return sorted(read, key=lambda one: float(one.ImagePositionPatient[2]))


def write_nifti(path, spec, truth, *, kind=np.uint8, flip=()):
    """A mask of the full series as a program with other axes would save it."""
    row, column = spec.orientation
    affine = np.eye(4)
    affine[:3, 0] = np.array(row) * spec.pixel_spacing_mm[1]
    affine[:3, 1] = np.array(column) * spec.pixel_spacing_mm[0]
    affine[:3, 2] = (0, 0, spec.slice_step_mm)
    affine[:3, 3] = spec.first_position_lps_mm
    image = nibabel.Nifti1Image(
        truth.transpose(2, 1, 0).astype(kind), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    )
    for axis in flip:
        image = image.as_reoriented([[n, -1 if n == axis else 1] for n in range(3)])
    image.to_filename(path)
    return path


def outlined(slices, truth):
    """The same drawing as contours half a pixel outside the outermost centres."""
    contours = []
    for one, marked in zip(slices, truth, strict=True):
        if marked.any():
            (top, left), (bottom, right) = np.argwhere(marked).min(0), np.argwhere(marked).max(0)
            corners = [(left, top, -1, -1), (right, top, 1, -1), (right, bottom, 1, 1),
                       (left, bottom, -1, 1)]  # fmt: skip
            contours.append((1, [in_patient(one, c + a / 2, r + b / 2) for c, r, a, b in corners]))
    return contours


def in_patient(one, column, row):
    between_rows, between_columns = map(float, one.PixelSpacing)
    cosines = np.array(one.ImageOrientationPatient, dtype=float).reshape(2, 3)
    corner = np.array(one.ImagePositionPatient, dtype=float)
    return corner + cosines[0] * column * between_columns + cosines[1] * row * between_rows


def published(tmp_path, pacs, folder, *, fusion=Fusion.STAPLE, name="way"):
    """The thinned record of the one study, with its folder, by the four stages one by one."""
    key = tmp_path / "key"
    key.write_text(KEY.hex())
    key.chmod(0o600)
    record = Candidate(
        public_id="s1", rank=1, patient_key="k", accession_number="PH20-000001",
        study_instance_uid=None, category=Category.CT_1, patient_age_years=40,
        patient_sex=Sex.MALE, expected_instances=None, identifying_values=(),
    )  # fmt: skip
    source = tmp_path / "index"
    refresh(pacs, source / INDEX_NAME)
    settings = {
        "export": ExportSettings(pacs=pacs, masks=folder),
        "anonymize": AnonymizeSettings(key=key),
        "convert": ConvertSettings(fusion=fusion),
        "thin": ThinSettings(),
    }
    for stage in chain.STAGES:
        out = tmp_path / name / stage.name
        out.mkdir(parents=True)
        record = stage.work(record, settings[stage.name], source, out)
        assert not isinstance(record, Excluded)
        source = out
    return record, source


def mask_bytes(tmp_path, pacs, folder, name):
    record, source = published(tmp_path, pacs, folder, name=name)
    return (source / record.mask).read_bytes()


def test_one_drawing_is_one_mask_in_whatever_file_it_comes(tmp_path, spec, pacs, slices):
    frames = [(slices[k], 1, TRUTH[k]) for k in range(SLICES) if TRUTH[k].any()]
    kinds = {
        "nifti": lambda path: write_nifti(path.with_suffix(".nii.gz"), spec, TRUTH),
        "float": lambda path: write_nifti(
            path.with_suffix(".nii"), spec, TRUTH, kind=np.float32, flip=(0, 2)
        ),
        "seg": lambda path: save(segmentation(slices, frames[::-1]), path.with_suffix(".dcm")),
        "contours": lambda path: save(
            structure_set(slices, outlined(slices, TRUTH)), path.with_suffix(".dcm")
        ),
    }
    made = {}
    for kind, write in kinds.items():
        folder = tmp_path / f"masks-{kind}"
        folder.mkdir()
        write(folder / "PH20-000001")
        made[kind] = mask_bytes(tmp_path, pacs, folder, kind)

    assert len(set(made.values())) == 1
    marked = read_mask(tmp_path / "seg/thin/mask.nii.gz").marked
    numbers = [spec.instance_numbers[k] for k in range(SLICES)]
    kept = [k for k in range(SLICES) if numbers[k] % 10 == 0]
    assert marked.sum() == TRUTH[kept].sum() > 0


def test_several_readers_become_one_mask_and_no_name_of_theirs_is_left(
    tmp_path, spec, pacs, slices
):
    frames = [(slices[k], 1, SHIFTED[k]) for k in range(SLICES) if SHIFTED[k].any()]
    folder = tmp_path / "masks"
    folder.mkdir()
    write_nifti(folder / "PH20-000001__Zaharova.nii.gz", spec, TRUTH)
    write_nifti(folder / "PH20-000001__Petrov.nii.gz", spec, TRUTH)
    save(segmentation(slices, frames), folder / "PH20-000001__Ivanova.dcm")

    record, source = published(tmp_path, pacs, folder)

    names = sorted(map(Pseudonyms(KEY).reader, ("Ivanova", "Petrov", "Zaharova")))
    pairs = [(one.first, one.second) for one in record.mask_agreements]
    assert pairs == [(names[0], names[1]), (names[0], names[2]), (names[1], names[2])]
    overlap = 2 * (TRUTH & SHIFTED).sum() / (TRUTH.sum() + SHIFTED.sum())
    coefficients = sorted(one.dice for one in record.mask_agreements)
    assert coefficients == pytest.approx([overlap, overlap, 1.0], abs=1e-6)
    alone = tmp_path / "alone"
    alone.mkdir()
    write_nifti(alone / "PH20-000001.nii.gz", spec, TRUTH)
    assert (source / record.mask).read_bytes() == mask_bytes(tmp_path, pacs, alone, "alone-way")
    for path in (tmp_path / "way").rglob("*"):
        if path.is_file() and "export" not in path.parts:
            assert not any(name in path.name for name in ("Ivanova", "Petrov", "Zaharova"))
    assert not any(name in repr(record) for name in ("Ivanova", "Petrov", "Zaharova"))


def test_a_segmentation_in_the_study_itself_is_taken_if_it_is_asked_for(
    tmp_path, spec, pacs, slices
):
    frames = [(slices[k], 1, TRUTH[k]) for k in range(SLICES) if TRUTH[k].any()]
    drawn = segmentation(slices, frames)
    drawn.ContentCreatorName = "Reader^Rita"
    save(drawn, pacs / "seg.dcm")
    source, out = tmp_path / "index", tmp_path / "out"
    refresh(pacs, source / INDEX_NAME)
    who = Candidate(
        public_id="s1", rank=1, patient_key="k", accession_number="PH20-000001",
        study_instance_uid=None, category=None, patient_age_years=40,
        patient_sex=Sex.MALE, expected_instances=None, identifying_values=(),
    )  # fmt: skip

    out.mkdir()
    asked = chain.EXPORT.work(who, ExportSettings(pacs=pacs, study_masks=True), source, out)
    other = tmp_path / "other-out"
    other.mkdir()
    not_asked = chain.EXPORT.work(who, ExportSettings(pacs=pacs), source, other)

    assert not_asked.masks == ()
    assert [one.reader for one in asked.masks] == [""]
    assert read_mask(out / asked.masks[0].file).marked.sum() == TRUTH.sum()
