"""The archive folder as a peer: found by exact keys, copied byte for byte, never written to."""

import hashlib
import os
import shutil
import unicodedata
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import DicomError, ItemError, PeerError, SettingsError
from pipelines.core.export_settings import ExportSettings
from pipelines.io.attributes import canonical_accession
from pipelines.io.index import refresh
from pipelines.peers.archives import INDEX_NAME, FolderArchive
from pipelines.peers.opening import open_archive
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec

VOXELS_HU = np.arange(4 * 8 * 6, dtype=np.int16).reshape(4, 8, 6)


@pytest.fixture
def pacs(tmp_path):
    folder = tmp_path / "pacs"
    write_series(folder / "plain", SeriesSpec(), VOXELS_HU)
    loose = write_series(tmp_path / "loose", SeriesSpec(accession_number="Ж-12.й"), VOXELS_HU)
    for spec in ("MH12", "MH123"):
        write_series(folder / spec, SeriesSpec(accession_number=spec), VOXELS_HU[:1])
    with zipfile.ZipFile(folder / "cd.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in loose:
            archive.write(path, f"../{path.name}")
    return folder


@pytest.fixture
def archive(pacs, tmp_path):
    refresh(pacs, tmp_path / INDEX_NAME)
    with FolderArchive(pacs, tmp_path / INDEX_NAME) as opened:
        yield opened


def find(archive, accession_number=None, study_instance_uid=None):
    return archive.find(accession_number=accession_number, study_instance_uid=study_instance_uid)


def test_a_study_is_found_by_either_key_and_the_uid_goes_first(archive):
    by_accession = find(archive, "PH20-000001")
    uid = by_accession[0].header.study_instance_uid

    assert len(by_accession) == 4
    assert find(archive, None, uid) == by_accession
    assert find(archive, "MH12", uid) == by_accession
    assert find(archive) == ()


@pytest.mark.parametrize("key", ["ж-12.Й", " Ж-12.й ", unicodedata.normalize("NFD", "ж-12.й")])
def test_accession_numbers_compare_without_case_blanks_and_composition(archive, key):
    assert len(find(archive, key)) == 4


@pytest.mark.parametrize("key", ["MH*", "MH1?", "MH1_", "MH%", "*", "MH12\\MH123", "' OR 1=1 --"])
def test_wildcards_match_nothing(archive, key):
    assert find(archive, key) == ()
    assert find(archive, None, key) == ()


def test_one_number_is_not_the_beginning_of_another(archive):
    assert [one.header.accession_number for one in find(archive, "MH12")] == ["MH12"]


@given(st.text(max_size=20))
def test_a_canonical_number_is_canonical(text):
    once = canonical_accession(text)

    assert canonical_accession(once) == once
    assert canonical_accession(f" {text}\0") == once


@pytest.mark.parametrize("key", ["PH20-000001", "Ж-12.й"])
def test_objects_are_copied_byte_for_byte_from_folders_and_zips(archive, tmp_path, key):
    originals = {
        path.read_bytes()
        for path in (tmp_path / "pacs" / "plain", tmp_path / "loose")
        for path in path.iterdir()
    }

    for k, one in enumerate(find(archive, key)):
        archive.fetch(one, tmp_path / f"{k}.dcm")

        copied = (tmp_path / f"{k}.dcm").read_bytes()
        assert copied in originals
        assert archive.digest(one) == hashlib.sha256(copied).hexdigest()


def test_a_copy_never_overwrites(archive, tmp_path):
    target = tmp_path / "there.dcm"
    target.write_text("mine")

    with pytest.raises(FileExistsError):
        archive.fetch(find(archive, "MH12")[0], target)

    assert target.read_text() == "mine"


@pytest.mark.parametrize("change", ["vanish", "grow", "link", "replace"])
def test_what_changed_since_it_was_indexed_is_refused_and_leaves_nothing(
    archive, pacs, tmp_path, change
):
    one = find(archive, "MH12")[0]
    path = pacs / os.fsdecode(one.path)
    data = path.read_bytes()
    if change == "grow":
        path.write_bytes(data + b"more")
    elif change == "replace":
        path.write_bytes(data[:-2] + b"\1\2")
    else:
        path.unlink()
    if change == "link":
        (tmp_path / "elsewhere").write_bytes(data)
        path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ItemError) as error:
        archive.fetch(one, tmp_path / "copy.dcm")

    assert error.value.code == "INCOMPLETE_STUDY"
    assert not (tmp_path / "copy.dcm").exists()


def test_what_is_replaced_while_it_is_copied_is_refused_and_leaves_nothing(
    archive, pacs, tmp_path, monkeypatch
):
    one = find(archive, "MH12")[0]
    path = pacs / os.fsdecode(one.path)

    def copy(source, target, _):
        target.write(source.read())
        (tmp_path / "other").write_bytes(b"x" * one.size_bytes)
        (tmp_path / "other").replace(path)

    monkeypatch.setattr(shutil, "copyfileobj", copy)

    with pytest.raises(ItemError) as error:
        archive.fetch(one, tmp_path / "copy.dcm")

    assert error.value.code == "INCOMPLETE_STUDY"
    assert not (tmp_path / "copy.dcm").exists()


@pytest.mark.parametrize("kind", ["garbage", "fewer"])
def test_a_zip_that_changed_is_refused(archive, pacs, tmp_path, kind):
    *_, last = find(archive, "Ж-12.й")
    if kind == "garbage":
        (pacs / "cd.zip").write_bytes(b"PK garbage")
    else:
        with zipfile.ZipFile(pacs / "cd.zip", "w") as changed:
            changed.writestr("one", b"1")

    with pytest.raises((DicomError, ItemError)) as error:
        archive.fetch(last, tmp_path / "copy.dcm")

    assert error.value.code in {"UNREADABLE_DICOM", "INCOMPLETE_STUDY"}
    assert not (tmp_path / "copy.dcm").exists()


def test_neither_archive_nor_index_is_written_to(archive, pacs, tmp_path):
    def state():
        paths = [*sorted(pacs.rglob("*")), archive.database]
        return [(p, p.stat().st_mtime_ns, p.is_file() and p.read_bytes()) for p in paths]

    before = state()

    for k, one in enumerate(find(archive, "Ж-12.й")):
        archive.digest(one)
        archive.fetch(one, tmp_path / f"{k}.dcm")

    assert state() == before
    assert [path.name for path in tmp_path.glob(f"{INDEX_NAME}*")] == [INDEX_NAME]


def test_an_archive_that_is_not_there_says_what_to_do(pacs, tmp_path):
    for settings in (
        ExportSettings(),
        ExportSettings(pacs=tmp_path / "nowhere"),
        ExportSettings(pacs=pacs),
    ):
        with pytest.raises((PeerError, SettingsError)) as error:
            open_archive(settings, source=tmp_path, scratch=tmp_path / "scratch")

        assert error.value.hint


def test_an_index_that_is_no_database_is_a_peer_error(pacs, tmp_path):
    (tmp_path / INDEX_NAME).write_text("no database")

    with pytest.raises(PeerError, match="cannot be read"):
        find(FolderArchive(pacs, tmp_path / INDEX_NAME), "MH12")
