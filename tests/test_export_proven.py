"""Export: a study is whole and proven, or it is a failure with its reason."""

import shutil
from dataclasses import replace

import pytest

from pipelines.core.errors import CodedError
from pipelines.phantom.instances import write_series
from tests.export_studies import (
    BODY,
    SLICES,
    VOXELS_HU,
    WHOLE_STUDY_OBJECTS,
    candidate,
    exported,
    refused,
)


def test_an_absent_study_is_not_in_the_archive(pacs):
    refused(pacs, "NOT_IN_ARCHIVE", candidate(accession_number="NOWHERE"))


def test_a_uid_that_does_not_belong_to_the_number_is_said_to_be_so(pacs):
    message = refused(pacs, "NOT_IN_ARCHIVE", candidate(study_instance_uid="1.2.3"))

    assert "another StudyInstanceUID" in message


def test_a_study_found_by_its_uid_under_another_number_is_noted(pacs):
    who = candidate(study_instance_uid=BODY.study_uid, accession_number="OTHER-1")

    result = exported(pacs, who)

    (note,) = [one for one in result.decisions if one.rule == "accession"]
    assert note.value == f"{WHOLE_STUDY_OBJECTS} of {WHOLE_STUDY_OBJECTS} objects"
    assert "OTHER-1" not in note.outcome


def test_one_number_on_two_studies_is_ambiguous_until_the_uid_is_given(pacs, tmp_path):
    second = replace(BODY, study_instance_uid="2.25.1", series_instance_uid="2.25.2")
    write_series(pacs / "second", second, VOXELS_HU)

    refused(pacs, "AMBIGUOUS_STUDY")
    result = exported(pacs, candidate(study_instance_uid=BODY.study_uid), folder="again")

    assert result.instances == SLICES


def test_fewer_objects_than_expected_are_refused_with_the_count(pacs):
    (pacs / "lung" / "IM0003.dcm").unlink()
    (pacs / "dose").unlink()

    assert refused(pacs, "INCOMPLETE_STUDY") == "49 of 51 objects"


def test_more_objects_than_expected_are_taken_and_noted(pacs):
    result = exported(pacs, candidate(expected_instances=50))

    (note,) = [one for one in result.decisions if one.rule == "completeness"]
    assert (note.value, "more" in note.outcome) == ("51 of 50 objects", True)


def test_identical_copies_are_taken_once_and_do_not_make_up_for_missing_objects(pacs):
    shutil.copyfile(pacs / "body" / "IM0001.dcm", pacs / "copy")
    result = exported(pacs)

    assert result.instances == SLICES
    assert [one.value for one in result.decisions if one.rule == "duplicates"] == ["1 copies"]

    (pacs / "body" / "IM0002.dcm").unlink()
    shutil.rmtree(pacs.parent / "out")
    assert refused(pacs, "INCOMPLETE_STUDY") == "50 of 51 objects"


@pytest.mark.parametrize("same_size", [True, False])
def test_different_objects_under_one_uid_are_refused(pacs, same_size):
    data = bytearray((pacs / "body" / "IM0005.dcm").read_bytes())
    data[-1] ^= 1
    (pacs / "copy").write_bytes(data if same_size else data + b"\0\0")

    assert "instance 5" in refused(pacs, "CONFLICTING_DUPLICATE")


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def test_a_truncated_image_of_the_series_is_refused_by_its_number(pacs):
    data = (pacs / "body" / "IM0007.dcm").read_bytes()
    (pacs / "body" / "IM0007.dcm").write_bytes(data[:-1])

    assert "instance 7" in refused(pacs, "TRUNCATED_FILE")


def test_a_truncated_image_of_another_series_is_noted(pacs):
    data = (pacs / "lung" / "IM0007.dcm").read_bytes()
    (pacs / "lung" / "IM0007.dcm").write_bytes(data[:-1])

    result = exported(pacs)

    assert [one.value for one in result.decisions if one.rule == "truncated"] == ["1 objects"]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_an_image_cut_anywhere_never_shortens_the_series_in_silence(pacs, share):
    cut(pacs / "body" / "IM0007.dcm", share)

    with pytest.raises(CodedError) as error:
        exported(pacs)

    assert error.value.code in {"TRUNCATED_FILE", "INCOMPLETE_STUDY"}
