"""Several readers' masks made one, and what a mask is checked for, against independent truth."""

import os
from itertools import combinations

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipelines.core.codec import canonical_json
from pipelines.core.convert_settings import MASK_FAULTS, ThinSettings
from pipelines.core.errors import ItemError, SettingsError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.grids import Mask, Volume, las_storage
from pipelines.core.identity import Candidate
from pipelines.core.lesions import Lesions, judge, measure
from pipelines.core.model import Category, Fusion
from pipelines.io.fusion import fuse, majority, staple
from pipelines.io.nifti import read_mask, read_volume
from pipelines.io.one_mask import one_mask
from pipelines.peers.masks import find_masks

AFFINE = np.diag([-0.7, 0.7, 8.0, 1.0])
masks = arrays(np.uint8, (4, 5, 6), elements=st.integers(0, 1))


def em(decisions, rounds=2000):
    """STAPLE as Warfield et al. 2004 write it, equations 14 to 20, for binary masks."""
    marks = np.stack([mask.ravel().astype(float) for mask in decisions])
    prior = marks.mean()
    p = q = np.full(len(marks), 0.99999)
    for _ in range(rounds):
        yes = prior * np.prod(np.where(marks == 1, p[:, None], 1 - p[:, None]), axis=0)
        no = (1 - prior) * np.prod(np.where(marks == 0, q[:, None], 1 - q[:, None]), axis=0)
        likely = yes / (yes + no)
        p_new = (marks * likely).sum(1) / likely.sum()
        q_new = ((1 - marks) * (1 - likely)).sum(1) / (1 - likely).sum()
        if max(abs(p_new - p).max(), abs(q_new - q).max()) < 1e-9:
            break
        p, q = p_new, q_new
    return likely.reshape(decisions[0].shape)


def balls(*centres, radius=5, shape=(24, 24, 8)):
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return [
        (np.linalg.norm((grid - centre) * (1, 1, 2), axis=-1) <= radius).astype(np.uint8)
        for centre in centres
    ]


READERS = balls((12, 12, 4), (13, 12, 4), (12, 13, 4), (11, 12, 4), (15, 15, 4))


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_staple_is_the_expectation_maximization_of_the_paper(count):
    readers = READERS[:count]
    likely = em(readers)
    assert (np.abs(likely - 0.5) > 1e-3).all()

    np.testing.assert_array_equal(staple(readers), likely >= 0.5)


def test_staple_is_that_of_simpleitk_called_by_itself():
    images = [SimpleITK.GetImageFromArray(mask) for mask in READERS]
    likely = SimpleITK.GetArrayFromImage(SimpleITK.STAPLE(images, 1.0))

    np.testing.assert_array_equal(staple(READERS), likely >= 0.5)


def test_two_good_readers_outweigh_a_careless_one():
    good, careless = READERS[0], balls((4, 4, 2))[0]

    fused, _ = fuse([good, good, careless], Fusion.STAPLE)

    np.testing.assert_array_equal(fused, good)


@given(st.lists(masks, min_size=2, max_size=4), st.sampled_from(Fusion))
def test_what_all_mark_is_marked_and_what_nobody_marks_is_not(readers, by):
    fused, made_by = fuse(readers, by)

    assert (fused >= np.all(readers, axis=0)).all()
    assert (fused <= np.any(readers, axis=0)).all()
    if made_by is Fusion.MAJORITY:
        np.testing.assert_array_equal(fused, np.sum(readers, axis=0) * 2 > len(readers))
        np.testing.assert_array_equal(fused, fuse(readers[::-1], made_by)[0])


@given(masks, st.integers(2, 4), st.sampled_from(Fusion))
def test_readers_who_agree_are_left_as_they_are(mask, count, by):
    np.testing.assert_array_equal(fuse([mask] * count, by)[0], mask)


def test_of_two_readers_the_majority_is_what_both_marked():
    np.testing.assert_array_equal(majority(READERS[:2]), READERS[0] & READERS[1])


# --- on the grid of the image


def volume(shape=(24, 24, 8), hu=-400):
    return Volume(voxels_hu=np.full(shape, hu, dtype=np.int16), affine_ras=AFFINE)


def mask(marked, affine=AFFINE):
    return Mask(marked=np.asarray(marked, dtype=np.uint8), affine_ras=affine)


def test_dice_between_every_two_readers_is_recorded():
    drawn = {f"R-{n}": mask(marked) for n, marked in enumerate(READERS[:3])}

    fused, agreements, decisions = one_mask(drawn, volume(), Fusion.STAPLE)

    for agreement, (one, other) in zip(agreements, combinations(sorted(drawn), 2), strict=True):
        a, b = drawn[one].marked.astype(bool), drawn[other].marked.astype(bool)
        assert (agreement.first, agreement.second) == (one, other)
        assert agreement.dice == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()), abs=1e-6)
    np.testing.assert_array_equal(fused.marked, fuse(READERS[:3], Fusion.STAPLE)[0])
    assert decisions[-1].rule == "mask_fusion"


def test_readers_on_different_slices_are_refused():
    part = np.diag([-0.7, 0.7, 16.0, 1.0])
    drawn = {"R-1": mask(READERS[0]), "R-2": mask(READERS[1][:, :, ::2], part)}

    with pytest.raises(ItemError) as error:
        one_mask(drawn, volume(), Fusion.STAPLE)

    assert error.value.code == "MASK_OFF_GRID"


def test_one_reader_alone_is_not_changed():
    drawn, agreements, _ = one_mask({"": mask(READERS[0])}, volume(), Fusion.STAPLE)

    np.testing.assert_array_equal(drawn.marked, READERS[0])
    assert agreements == ()


# --- who drew what, by the names of the files


def candidate(accession_number):
    return Candidate(
        public_id="s1", rank=1, patient_key="k", accession_number=accession_number,
        study_instance_uid="1.2.3", category=None, patient_age_years=None, patient_sex="O",
        expected_instances=None, identifying_values=(),
    )  # fmt: skip


def found(folder, *names, accession_number="A-1"):
    for name in names:
        (folder / name).write_bytes(b"mask")
    settings = ExportSettings(masks=folder)
    return [
        (one.reader, one.path.name) for one in find_masks(candidate(accession_number), settings)
    ]


def test_the_readers_of_a_mask_stand_in_its_name(tmp_path):
    names = (
        "A-1__Petrov.nii.gz",
        "a-1_mask__Ivanova.dcm",
        "1.2.3__X.seg",
        "A-11__Y.nii",
        "A-1.txt",
    )

    assert found(tmp_path, *names) == [
        ("Ivanova", "a-1_mask__Ivanova.dcm"),
        ("Petrov", "A-1__Petrov.nii.gz"),
        ("X", "1.2.3__X.seg"),
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("A-1.nii", "A-1_mask.nii.gz"),
        ("A-1.nii", "A-1__Petrov.nii"),
        ("A-1__Petrov.nii", "A-1_mask__petrov.dcm"),
    ],
)
def test_masks_that_nobody_can_tell_apart_are_ambiguous(tmp_path, names):
    with pytest.raises(ItemError) as error:
        found(tmp_path, *names)

    assert error.value.code == "MASK_AMBIGUOUS"


def test_an_accession_number_may_hold_the_mark_of_a_reader(tmp_path):
    assert found(tmp_path, "A__1.nii", accession_number="A__1") == [("", "A__1.nii")]


def test_a_reader_may_be_named_in_the_characters_of_windows(tmp_path):
    names = [os.fsdecode(b"A-1__" + name.encode("cp1251") + b".nii") for name in ("Кац", "Жук")]

    readers = [reader for reader, _ in found(tmp_path, *names)]

    assert len(set(readers)) == 2
    assert canonical_json(readers).encode()


# --- what a mask is checked for


def chest(lesion_hu=-400):
    """A box of tissue with two lungs of 1000 voxels each in every slice, and lesions in one."""
    voxels_hu = np.full((64, 64, 5), -1000, dtype=np.int16)
    voxels_hu[4:60, 4:60] = 40
    voxels_hu[8:28, 7:57] = voxels_hu[36:56, 7:57] = -850
    marked = np.zeros(voxels_hu.shape, dtype=np.uint8)
    marked[8:28, 7:32, :2] = 1
    voxels_hu[marked == 1] = lesion_hu
    return Volume(voxels_hu=voxels_hu, affine_ras=AFFINE), mask(marked)


def test_volume_density_and_share_are_those_of_the_drawing():
    lesions = measure(*chest())

    assert lesions.voxels == 1000
    assert lesions.volume_ml == pytest.approx(1000 * 0.7 * 0.7 * 8 / 1000)
    assert lesions.mean_hu == -400
    assert lesions.share_percent == pytest.approx(100 * 1000 / 10000)


@given(st.integers(-1000, 400), st.integers(0, 9))
def test_the_share_of_the_lungs_does_not_depend_on_how_dense_a_lesion_is(hu, seed):
    image, drawn = chest(hu)

    assert measure(image, drawn).share_percent == pytest.approx(10, abs=0.01)


def test_without_lungs_the_share_is_unknown_and_without_marks_the_density():
    image, drawn = chest()
    nothing = mask(np.zeros_like(drawn.marked))
    solid = Volume(voxels_hu=np.full_like(image.voxels_hu, 40), affine_ras=AFFINE)

    assert measure(solid, drawn).share_percent is None
    assert measure(image, nothing).mean_hu is None


def lesions(**changes):
    known = {"voxels": 10, "volume_ml": 1.0, "mean_hu": -400.0, "share_percent": 10.0}
    return Lesions(**{**known, **changes})


CASES = [
    ("MASK_EMPTY", lesions(voxels=0, mean_hu=None, share_percent=0.0), Category.CT_1),
    ("MASK_DENSITY", lesions(mean_hu=-705.0), Category.CT_1),
    ("MASK_DENSITY", lesions(mean_hu=40.0), Category.CT_1),
    ("MASK_SHARE", lesions(share_percent=25.01), Category.CT_1),
    ("MASK_SHARE", lesions(share_percent=0.01), Category.CT_0),
    ("MASK_SHARE", lesions(share_percent=10.0), Category.CT_4),
]


@pytest.mark.parametrize(("code", "found", "category"), CASES)
def test_what_is_odd_is_told_or_refused_as_the_settings_say(code, found, category):
    [told] = judge(found, category, ThinSettings())
    assert told.outcome.startswith(code)

    with pytest.raises(ItemError) as error:
        judge(found, category, ThinSettings(refuse_masks=MASK_FAULTS))
    assert error.value.code == code
    others = tuple(fault for fault in MASK_FAULTS if fault != code)
    assert judge(found, category, ThinSettings(refuse_masks=others)) == (told,)


@pytest.mark.parametrize("hu", [-700.0, -130.0])
@pytest.mark.parametrize(("share", "category"), [(25.0, Category.CT_1), (25.0, Category.CT_2)])
def test_bounds_belong_to_both_sides(hu, share, category):
    [told] = judge(lesions(mean_hu=hu, share_percent=share), category, ThinSettings())

    assert told.outcome == "as expected"


def test_a_fault_that_is_none_is_a_wrong_setting():
    with pytest.raises(SettingsError):
        ThinSettings(refuse_masks=("MASK_UGLY",))


# --- a real torso, marked by TotalSegmentator


def test_on_real_files_lobes_are_lung_and_the_liver_is_too_dense_for_a_lesion(shared_data):
    folder = shared_data / "nifti_ct_masks"
    stored = read_volume(folder / "example_ct_sm.nii.gz")
    storage = las_storage(stored.affine_ras)
    image = Volume(
        voxels_hu=storage.apply(stored.voxels_hu),
        affine_ras=storage.apply_affine(stored.affine_ras, stored.shape_ijk),
    )
    parts = {name: folder / "example_seg_fast" / f"{name}.nii.gz" for name in ("liver", "heart")}
    lobe = folder / "example_seg_fast" / "lung_lower_lobe_right.nii.gz"
    numbered = read_mask(folder / "example_seg_fast.nii.gz", labels=("14",))

    of_lobe, of_liver = measure(image, read_mask(lobe)), measure(image, read_mask(parts["liver"]))

    np.testing.assert_array_equal(read_mask(lobe).affine_ras, image.affine_ras)
    assert of_lobe.voxels == 2579
    assert of_lobe.mean_hu < -500
    assert of_liver.mean_hu > 0
    assert "MASK_DENSITY" in judge(of_liver, None, ThinSettings())[0].outcome
    assert (
        "MASK_EMPTY"
        in judge(measure(image, read_mask(parts["heart"])), None, ThinSettings())[0].outcome
    )
    np.testing.assert_array_equal(numbered.marked, read_mask(lobe).marked)
    with pytest.raises(ItemError) as error:
        read_mask(folder / "example_seg_fast.nii.gz")
    assert error.value.code == "MASK_NOT_BINARY"
