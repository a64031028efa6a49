"""The masks of a study go with it, named like it and looked for in one folder."""

import shutil
from pathlib import Path

import pytest

from pipelines import export
from pipelines.core.errors import SettingsError
from pipelines.core.export_settings import ExportSettings
from pipelines.peers.masks import find_masks
from tests.export_studies import (
    BODY,
    candidate,
    exported,
    refused,
)
from tests.workspaces import SAMPLE, make_workspace, mosmed, mosmed_json

MASK_NAMES = [
    f"{BODY.accession_number}_mask.nii.gz",
    f"{BODY.accession_number.lower()}.NII",
    f"{BODY.study_uid}_mask.nii",
    f"{BODY.study_uid}.nii.gz",
]


@pytest.mark.parametrize("name", MASK_NAMES)
def test_the_mask_named_like_the_study_goes_with_it(pacs, tmp_path, name):
    masks = tmp_path / "masks"
    masks.mkdir()
    (masks / name).write_bytes(b"mask")
    (masks / "ELSE-1_mask.nii.gz").write_bytes(b"not this")
    who = candidate(study_instance_uid=BODY.study_uid)

    result = exported(pacs, who, masks=masks)

    (mask,) = result.masks
    assert mask.file in {"mask-1.nii", "mask-1.nii.gz"}
    assert mask.file.endswith(name.lower()[-3:])
    assert (tmp_path / "out" / mask.file).read_bytes() == b"mask"


def test_two_masks_of_one_study_are_ambiguous(pacs, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in MASK_NAMES[:2]:
        (masks / name).write_bytes(b"mask")

    refused(pacs, "MASK_AMBIGUOUS", masks=masks)


@pytest.mark.parametrize("ending", [".seg.nrrd", ".NRRD", ".mha", ".hdr", "__Ivanova.nrrd"])
def test_a_mask_of_a_kind_that_is_not_read_is_told_and_not_passed_over(pacs, tmp_path, ending):
    masks = tmp_path / "masks"
    masks.mkdir()
    (masks / f"{BODY.accession_number}{ending}").write_bytes(b"drawn")

    refused(pacs, "UNREADABLE_MASK", masks=masks)


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch], ids=["folder", "no ending"])
def test_what_is_named_like_a_study_and_is_no_mask_is_told(pacs, tmp_path, make):
    masks = tmp_path / "masks"
    masks.mkdir()
    make(masks / BODY.accession_number)

    refused(pacs, "UNREADABLE_MASK", masks=masks)


def test_the_drawing_behind_a_mask_may_lie_beside_it(pacs, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for ending in (".seg.nrrd", ".nii.gz", ".json"):
        (masks / f"{BODY.accession_number}{ending}").write_bytes(b"mask")

    assert len(exported(pacs, candidate(), masks=masks).masks) == 1


def test_an_accession_number_cannot_point_out_of_the_folder_of_masks(tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    (tmp_path / "secret_mask.nii.gz").write_bytes(b"secret")

    for number in ("../secret", str(tmp_path / "secret"), "..", "/"):
        found = find_masks(candidate(accession_number=number), ExportSettings(masks=masks))
        assert found == ()


def test_a_new_mask_or_other_content_of_it_shows_in_outside(tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    settings = ExportSettings(masks=masks)
    seen = [export.outside(candidate(), settings)]
    for content in (b"one", b"two"):
        (masks / MASK_NAMES[0]).write_bytes(content)
        seen.append(export.outside(candidate(), settings))

    assert seen[0] == export.outside(candidate(), ExportSettings()) == ""
    assert len(set(seen)) == 3


@pytest.mark.parametrize("wrong", ["masks", "prefer"])
def test_settings_no_study_could_be_exported_by_are_refused_before_any_is_tried(wrong, tmp_path):
    settings = {"masks": tmp_path / "nowhere"} if wrong == "masks" else {"prefer": ("beauty",)}

    with pytest.raises(SettingsError) as error:
        export.outside(candidate(), ExportSettings(**settings))

    assert error.value.hint


def test_a_run_tells_of_masks_that_are_named_like_no_study_of_the_draw(tmp_path):
    masks = tmp_path / "masks"
    shutil.copytree(SAMPLE / "masks", masks)
    theirs = sorted(path.name for path in masks.iterdir())
    shutil.copy(masks / theirs[0], masks / "MH20-0143__Ivanova.nii.gz")
    (masks / "notes.txt").write_text("none that could be a mask")
    root = make_workspace(tmp_path / "w")

    result = mosmed("run", "-w", root, "-j", 1)
    assert f", {len(theirs)} of them with a mask," in result.stdout
    assert "named like" not in result.stdout

    result = mosmed("export", "-w", root, "-j", 1, "--masks", masks)
    assert "1 mask is named like no study of the draw" in result.stdout
    assert mosmed_json("status", "-w", root)["unclaimed_masks"] == 0
