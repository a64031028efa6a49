"""What the hospital has rejected is in the archive, and is not used."""

import zipfile
from dataclasses import replace

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid

from pipelines import export
from pipelines.core.export_settings import ExportSettings
from pipelines.core.identity import Exported
from pipelines.core.model import Excluded
from pipelines.io.index import refresh
from pipelines.peers.archives import INDEX_NAME
from pipelines.peers.forecast import forecast
from pipelines.phantom.instances import file_meta, study_dataset, write_dataset, write_series
from pipelines.phantom.spec import Syntax

pytest.importorskip("pynetdicom", reason="no pynetdicom here (pip install '.[pacs]')")

from tests.network_studies import (
    BODY,
    KERNELS,
    SLICES,
    VOXELS_HU,
    candidate,
    exported,
    objects_of,
    refused,
)
from tests.pacs import orthanc
from tests.scripted_pacs import Script, scripted
from tests.scripted_web import WebScript, scripted_web
from tests.test_export_listing import told
from tests.test_peers_dicomweb import web
from tests.test_peers_dimse import no_waiting  # noqa: F401  fixtures

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
THIN = replace(BODY, series_number=3, convolution_kernel="FC18", series_description="BODY 2")
OBJECTS = 2 * SLICES + 1
REASONS = {
    "113001": "rejected for quality reasons",
    "113037": "rejected for patient safety reasons",
    "113038": "rejected: incorrect modality worklist entry",
    "113039": "data retention policy expired",
}


def code(value, scheme="DCM"):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "a title"
    return item


def note(rejected, title="113001", scheme="DCM", study=None):
    """A key object document of this title on some objects (PS3.3 A.35.4)."""
    document = study_dataset(BODY)
    document.SOPClassUID, document.SOPInstanceUID = KEY_OBJECTS, generate_uid(entropy_srcs=["note"])
    document.file_meta = file_meta(KEY_OBJECTS, document.SOPInstanceUID, Syntax.EXPLICIT_LITTLE)
    document.Modality, document.SeriesNumber, document.InstanceNumber = "KO", 9100, 1
    document.SeriesInstanceUID = generate_uid(entropy_srcs=["note series"])
    document.ValueType, document.ConceptNameCodeSequence = "CONTAINER", [code(title, scheme)]
    evidence = Dataset()
    evidence.StudyInstanceUID = study or rejected[0].StudyInstanceUID
    evidence.ReferencedSeriesSequence = []
    for uid in sorted({one.SeriesInstanceUID for one in rejected}):
        series = Dataset()
        series.SeriesInstanceUID, series.ReferencedSOPSequence = uid, []
        for one in rejected:
            if one.SeriesInstanceUID == uid:
                item = Dataset()
                item.ReferencedSOPClassUID = one.SOPClassUID
                item.ReferencedSOPInstanceUID = one.SOPInstanceUID
                series.ReferencedSOPSequence.append(item)
        evidence.ReferencedSeriesSequence.append(series)
    document.CurrentRequestedProcedureEvidenceSequence = [evidence]
    return document


def make_study(folder):
    """Two series that match."""
    for name, spec in (("body", BODY), ("thin", THIN)):
        write_series(folder / name, spec, VOXELS_HU)
    return folder


@pytest.fixture
def study(tmp_path):
    """A study of two series that match, of which FC07 is better; not yet with a note."""
    return make_study(tmp_path / "pacs")


def reject(folder, series, *, some=slice(None), **changes):
    """Put a note on the objects of a series beside them."""
    objects = sorted(objects_of(folder / series), key=lambda one: one.InstanceNumber)[some]
    write_dataset(folder / "note", note(objects, **changes))
    return {str(one.SOPInstanceUID) for one in objects}


def by_folder(folder, tmp_path, **settings):
    out, source = tmp_path / "out", tmp_path / "source"
    out.mkdir()
    refresh(folder, source / INDEX_NAME)
    chosen = ExportSettings(pacs=folder, **(KERNELS | settings))
    return export.work(candidate(expected_instances=OBJECTS), chosen, source, out)


def by_zip(folder, tmp_path, **settings):
    packed = tmp_path / "zipped"
    packed.mkdir()
    with zipfile.ZipFile(packed / "study.zip", "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder))
    return by_folder(packed, tmp_path, **settings)


def by_dimse(folder, tmp_path, **settings):
    script = Script(objects_of(folder))
    with scripted(script) as running:
        who = candidate(expected_instances=OBJECTS)
        result = exported(running.address, tmp_path, who, **settings)
    by_dimse.sent = set(script.sent)
    return result


def by_dicomweb(folder, tmp_path, **settings):
    with scripted_web(WebScript(objects_of(folder))) as address:
        return exported(address, tmp_path, candidate(expected_instances=OBJECTS), **settings)


def by_orthanc(folder, tmp_path, **settings):
    with orthanc(folder) as running:
        place = settings.pop("place", lambda one: one.address)(running)
        return exported(place, tmp_path, candidate(expected_instances=OBJECTS), **settings)


WAYS = (by_folder, by_zip, by_dimse, by_dicomweb, by_orthanc)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_rejected_series_is_not_taken_and_the_next_best_one_is(study, tmp_path, way):
    reject(study, "body")

    result = way(study, tmp_path)

    assert isinstance(result, Exported)
    assert told(result, "rejected") == [
        "8 objects of series 2 'BODY 1.0 CE' FC07: rejected for quality reasons: not used; "
        "no image of the series is left"
    ]
    assert any(
        one.rule == "series" and one.outcome == "chosen" and "FC18" in one.value
        for one in result.decisions
    )


def test_what_is_rejected_is_not_transferred(study, tmp_path):
    rejected = reject(study, "body")

    by_dimse(study, tmp_path, whole_study=True)

    assert by_dimse.sent
    assert not by_dimse.sent & rejected


def test_a_dry_run_does_not_count_what_is_rejected(study, tmp_path):
    reject(study, "body")
    script = Script(objects_of(study))
    with scripted(script) as running:
        settings = ExportSettings(pacs=running.address, **(KERNELS | {"whole_study": False}))
        who = candidate(expected_instances=OBJECTS)
        coming = forecast([who], settings, source=tmp_path / "source", scratch=tmp_path / "scratch")

    assert (coming.studies, coming.series, coming.instances) == (1, 1, SLICES)
    assert len(script.sent) == 1
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("title", sorted(REASONS))
def test_every_title_of_a_rejection_is_understood(study, tmp_path, title):
    reject(study, "body", title=title)

    (decision,) = told(by_folder(study, tmp_path), "rejected")

    assert REASONS[title] in decision


@pytest.mark.parametrize(
    "changes",
    [{"title": "113000"}, {"scheme": "99X"}, {"study": "1.2.3"}],
    ids=["of-interest", "other-scheme", "other-study"],
)
def test_other_key_objects_reject_nothing(study, tmp_path, changes):
    reject(study, "body", **changes)

    result = by_folder(study, tmp_path)

    assert isinstance(result, Exported)
    assert told(result, "rejected") == []
    assert any("FC07" in one.value and one.outcome == "chosen" for one in result.decisions)


@pytest.mark.parametrize("way", [by_folder, by_dimse], ids=lambda way: way.__name__)
def test_a_study_of_which_all_is_rejected_is_left_out_and_says_why(study, tmp_path, way):
    objects = objects_of(study)
    write_dataset(study / "note", note(objects, title="113038"))

    result = way(study, tmp_path)

    assert isinstance(result, Excluded)
    assert "FC07: rejected: incorrect modality worklist entry" in result.reason
    assert "FC18: rejected: incorrect modality worklist entry" in result.reason


@pytest.mark.parametrize("way", [by_folder, by_dimse], ids=lambda way: way.__name__)
def test_single_slices_that_are_rejected_are_left_out_of_their_series(study, tmp_path, way):
    reject(study, "body", some=slice(0, 2))

    result = way(study, tmp_path)

    assert isinstance(result, Exported)
    assert result.instances == SLICES - 2
    assert told(result, "rejected")[0].startswith("2 objects of series 2")


class Hiding(Script):
    """A PACS that counts what was rejected, but neither lists nor sends it."""

    gone: frozenset[str] = frozenset()

    def matching(self, identifier):
        return [
            one for one in super().matching(identifier) if str(one.SOPInstanceUID) not in self.gone
        ]

    def _answer(self, identifier, members, level):
        answer = super()._answer(identifier, members, level)
        if level == "STUDY":
            answer.NumberOfStudyRelatedInstances = len(self.objects)
        return answer


def test_what_is_counted_but_hidden_is_missed_only_where_no_note_explains_it(study, tmp_path):
    gone = frozenset(reject(study, "body", some=slice(0, 3)))
    script = Hiding(objects_of(study))
    script.gone = gone
    with scripted(script) as running:
        result = exported(running.address, tmp_path, candidate(expected_instances=OBJECTS))
        assert isinstance(result, Exported)
        assert result.instances == SLICES - 3

        script.objects = [one for one in script.objects if one.SOPClassUID != KEY_OBJECTS]
        refused("INCOMPLETE_TRANSFER", tmp_path, running.address, tries=2)


@pytest.mark.parametrize("share", [0.9, 0.99])
def test_a_note_that_is_cut_is_told_to_be_unread(study, tmp_path, share):
    reject(study, "body")
    (path,) = (
        path for path in study.rglob("*") if path.is_file() and b"113001" in path.read_bytes()
    )
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])

    result = by_folder(study, tmp_path)

    assert isinstance(result, Exported)
    assert told(result, "rejected") == [
        "1 key object documents: cannot be read: whether they reject anything is not known"
    ]


def test_a_note_larger_than_any_is_told_to_be_unread_and_not_brought_into_memory(
    study, tmp_path, monkeypatch
):
    reject(study, "body")
    monkeypatch.setattr("pipelines.peers.retired.NOTE_LIMIT_BYTES", 100)
    monkeypatch.setattr("pipelines.peers.archives.FolderArchive.content", None)

    result = by_folder(study, tmp_path)

    assert isinstance(result, Exported)
    assert "cannot be read" in told(result, "rejected")[0]


def test_a_real_archive_sends_what_is_left_by_dicomweb(study, tmp_path):
    reject(study, "body")

    assert isinstance(by_orthanc(study, tmp_path, place=web), Exported)
