"""The synthetic chest and its DICOM: honest pixels, honest geometry, the same bytes every time."""

from dataclasses import replace
from hashlib import sha256

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pydicom import dcmread
from pydicom.dataset import Dataset

from pipelines.phantom.documents import dose_report_sr, localizer, secondary_capture
from pipelines.phantom.instances import instance_dataset, write_dataset, write_series
from pipelines.phantom.masks import MaskGrid, write_mask
from pipelines.phantom.spec import SeriesSpec, Syntax
from pipelines.phantom.thorax import LESION_SHARES, Kernel, ThoraxSpec, make_thorax

SMALL = ThoraxSpec(slices=6, rows=40, columns=48, pixel_spacing_mm=(8.0, 7.0))


@pytest.fixture(scope="module")
def thorax():
    return make_thorax(ThoraxSpec(slices=20, category="CT-2", seed=4))


def read_with_sitk(paths):
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in paths])
    return reader.Execute()


def test_the_same_spec_gives_the_same_voxels():
    first, second = make_thorax(SMALL), make_thorax(replace(SMALL))

    assert_array_equal(first.voxels_hu, second.voxels_hu)
    assert_array_equal(first.lesion_mask, second.lesion_mask)


def test_the_voxels_are_the_same_on_every_machine():
    digest = sha256(make_thorax(SMALL).voxels_hu.astype("<i2").tobytes()).hexdigest()

    assert digest == "5b391e37e2abc19c74a2ea5e48be236a3e9b8c7ce75271b14e1ae9241f7d3c08"


def test_another_seed_is_another_chest():
    assert not np.array_equal(
        make_thorax(SMALL).voxels_hu, make_thorax(replace(SMALL, seed=1)).voxels_hu
    )


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_lesions_grow_with_the_category_and_have_the_density_that_experts_mark(seed):
    shares = []
    for category in LESION_SHARES:
        made = make_thorax(ThoraxSpec(category=category, seed=seed, slices=24))
        marked = made.lesion_mask > 0
        shares.append(marked.sum() / made.lung_mask.sum())
        assert not (marked & (made.lung_mask == 0)).any()
        if category != "CT-0":
            assert -700 < made.voxels_hu[marked].mean() < -130

    assert shares[0] == 0
    assert 0.08 < shares[1] < 0.25 < shares[2] < 0.5 < shares[3] < 0.75 < shares[4]


def test_outside_the_circle_is_padding_and_inside_is_a_chest(thorax):
    middle = thorax.voxels_hu[10]

    assert middle[0, 0] == middle[-1, -1] == -2048
    assert middle[middle != -2048].min() >= -1024
    assert 0.05 < thorax.lung_mask.mean() < 0.3
    assert middle.max() > 300


def test_the_lung_kernel_is_noisier_than_the_soft_one():
    def noise_hu(kernel):
        made = make_thorax(ThoraxSpec(slices=4, kernel=kernel, category="CT-0"))
        return made.voxels_hu[0, 44:52, 26:34].std()  # liver

    assert noise_hu(Kernel.LUNG) > 2 * noise_hu(Kernel.SOFT)


@pytest.mark.parametrize("syntax", Syntax)
@pytest.mark.parametrize(
    "stored",
    [{}, {"bits_stored": 12, "is_signed": False, "rescale_intercept": -1024.0}],
    ids=["signed 16 bits", "unsigned 12 bits"],
)
def test_every_transfer_syntax_decodes_to_the_same_pixels(tmp_path, thorax, syntax, stored):
    wanted = np.maximum(thorax.voxels_hu[8:11], -1024)
    paths = write_series(tmp_path, SeriesSpec(syntax=syntax, **stored), wanted)

    assert all(dcmread(path).file_meta.TransferSyntaxUID == syntax for path in paths)
    assert_array_equal(SimpleITK.GetArrayFromImage(read_with_sitk(paths)), wanted)


@pytest.mark.parametrize("syntax", Syntax)
def test_the_same_series_gives_the_same_bytes(tmp_path, thorax, syntax):
    spec = SeriesSpec(syntax=syntax)

    first = write_series(tmp_path / "a", spec, thorax.voxels_hu[:2])
    second = write_series(tmp_path / "b", spec, thorax.voxels_hu[:2])

    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@settings(max_examples=20, deadline=None)
@given(
    position=st.tuples(*[st.floats(-900, 900).map(lambda mm: round(mm, 2))] * 3),
    spacing=st.tuples(*[st.floats(0.4, 5.0).map(lambda mm: round(mm, 3))] * 2),
    step=st.floats(0.3, 10.0).map(lambda mm: round(mm, 3)),
    descending=st.booleans(),
)
def test_simpleitk_finds_the_series_where_the_spec_puts_it(
    tmp_path_factory, position, spacing, step, descending
):
    spec = SeriesSpec(
        first_position_lps_mm=position,
        pixel_spacing_mm=spacing,
        slice_step_mm=step,
        instance_numbers=range(4, 0, -1) if descending else range(1, 5),
    )
    folder = tmp_path_factory.mktemp("series")
    image = read_with_sitk(write_series(folder, spec, make_thorax(SMALL).voxels_hu[:4]))

    assert_allclose(image.GetOrigin(), position, atol=1e-4)
    assert_allclose(image.GetSpacing(), (spacing[1], spacing[0], step), atol=1e-4)
    assert_allclose(image.GetDirection(), np.eye(3).ravel(), atol=1e-9)


def test_a_gantry_tilt_turns_the_image_but_not_the_steps():
    spec = SeriesSpec(gantry_tilt_deg=20.0, slice_step_mm=5.0)
    voxels = make_thorax(SMALL).voxels_hu

    first, second = (instance_dataset(spec, k, voxels[k]) for k in (0, 1))

    step = np.subtract(second.ImagePositionPatient, first.ImagePositionPatient)
    row, column = np.reshape(first.ImageOrientationPatient, (2, 3)).astype(float)
    assert_allclose(step, (0, 0, 5), atol=1e-6)
    assert_allclose(np.cross(row, column) @ step, 5 * np.cos(np.radians(20)), atol=1e-6)
    assert abs(np.dot(column, step)) > 1


def test_instance_numbers_may_be_anything_or_absent():
    spec = SeriesSpec(instance_numbers=(30, None, 30))
    voxels = make_thorax(SMALL).voxels_hu

    datasets = [instance_dataset(spec, k, voxels[k]) for k in range(3)]

    assert [dataset.get("InstanceNumber") for dataset in datasets] == [30, None, 30]


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        (("ISO_IR 100",), "Fantôme^Renée"),
        (("ISO_IR 144",), "Фантомов^Лавр^Корнеевич"),
        (("ISO_IR 192",), "Грёзина^Агния"),
        (("", "ISO 2022 IR 144"), "Эхов^Савва"),
    ],
)
def test_names_survive_in_every_character_set(tmp_path, charset, name):
    spec = SeriesSpec(specific_character_set=charset, patient_name=name)
    [path] = write_series(tmp_path, spec, make_thorax(SMALL).voxels_hu, only=[3])

    assert str(dcmread(path).PatientName) == name


def test_a_test_can_plant_elements_and_edit_each_instance(tmp_path):
    def plant(dataset: Dataset, k: int) -> None:
        dataset.private_block(0x0099, "CANARY", create=True).add_new(1, "LO", f"canary {k}")

    spec = SeriesSpec(elements={"PatientComments": "canary"}, edit=plant)
    paths = write_series(tmp_path, spec, make_thorax(SMALL).voxels_hu)

    for k, path in enumerate(paths):
        dataset = dcmread(path)
        assert dataset.PatientComments == "canary"
        assert dataset.private_block(0x0099, "CANARY")[1].value == f"canary {k}"


def test_identity_is_planted_in_sequences_and_in_a_private_block():
    spec = SeriesSpec(patient_id="PID-4242")
    dataset = instance_dataset(spec, 0, make_thorax(SMALL).voxels_hu[0])

    assert "PID-4242" in dataset.RequestAttributesSequence[0].RequestedProcedureDescription
    assert "PID-4242" in dataset.private_block(0x7005, "TOSHIBA_MEC_CT3")[0x11].value
    assert dataset.ReferencedStudySequence[0].ReferencedSOPInstanceUID == spec.study_uid


def test_the_dose_report_holds_the_total_dose_length_product():
    dataset = dose_report_sr(SeriesSpec(), dlp_mgy_cm=321.5)

    [accumulated] = [
        item
        for item in dataset.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == "113811"
    ]
    [total] = [
        item
        for item in accumulated.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == "113813"
    ]
    assert dataset.ContentTemplateSequence[0].TemplateIdentifier == "10011"
    assert float(total.MeasuredValueSequence[0].NumericValue) == 321.5


def test_localizer_and_dose_page_can_be_read(tmp_path, thorax):
    scout = write_dataset(tmp_path / "scout", localizer(SeriesSpec(), thorax.voxels_hu))
    page = write_dataset(tmp_path / "page", secondary_capture(SeriesSpec(), who="EKHOV SAVVA"))

    assert SimpleITK.ReadImage(str(scout)).GetSize() == (96, 20, 1)
    assert "LOCALIZER" in dcmread(scout).ImageType
    assert set(np.unique(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(page))))) == {0, 255}


def test_a_page_shows_another_name_in_other_pixels():
    pages = [secondary_capture(SeriesSpec(), who=who).PixelData for who in ("ANNA B", "ANNA C")]

    assert pages[0] != pages[1]


@pytest.mark.parametrize("grid", MaskGrid)
@pytest.mark.parametrize("descending", [False, True])
def test_a_mask_lies_on_the_slices_it_was_drawn_on(tmp_path, thorax, grid, descending):
    spec = SeriesSpec(instance_numbers=range(20, 0, -1) if descending else range(1, 21))
    path = write_mask(tmp_path / "mask.nii.gz", spec, thorax.lesion_mask, grid)
    mask, ct = (
        SimpleITK.ReadImage(str(path)),
        read_with_sitk(write_series(tmp_path / "ct", spec, thorax.voxels_hu)),
    )

    assert nib.aff2axcodes(nib.Nifti1Image.from_filename(path).affine) == ("L", "A", "S")
    voxels_kji = SimpleITK.GetArrayFromImage(mask)
    for k, j, i in np.argwhere(voxels_kji)[::37].tolist():
        there = ct.TransformPhysicalPointToIndex(mask.TransformIndexToPhysicalPoint((i, j, k)))
        assert thorax.lesion_mask[there[2], there[1], there[0]] == 1
        assert spec.instance_numbers[there[2]] % grid.value == 0
    kept = [k for k in range(20) if spec.instance_numbers[k] % grid.value == 0]
    assert voxels_kji.sum() == thorax.lesion_mask[kept].sum() > 0
