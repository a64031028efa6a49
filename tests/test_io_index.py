"""The index of an archive folder: every file has its row, and no bytes can harm it."""

import os
import random
import sqlite3
import struct
import warnings
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import DeflatedExplicitVRLittleEndian

from pipelines.core.errors import DicomError, PeerError, WorkspaceError
from pipelines.io import index, inflating, probe, walker
from pipelines.io.index import lookup, refresh
from pipelines.io.probe import Kind, probe_file
from pipelines.phantom.documents import dose_report_sr
from pipelines.phantom.instances import instance_dataset, write_series
from pipelines.phantom.spec import SeriesSpec, Syntax

VOXELS_HU = np.arange(3 * 8 * 6, dtype=np.int16).reshape(3, 8, 6)


def rows_of(database, columns="*"):
    query = f"SELECT {columns} FROM entries ORDER BY path, member_number"
    with sqlite3.connect(database) as connection:
        rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def kinds_of(database):
    return {
        (os.fsdecode(path), member): kind
        for path, member, kind in rows_of(database, "path, member, kind")
    }


def file_bytes(spec=None, k=0):
    buffer = BytesIO()
    instance_dataset(spec or SeriesSpec(), k, VOXELS_HU[k]).save_as(
        buffer, enforce_file_format=True
    )
    return buffer.getvalue()


def probed(folder, data, name="one"):
    path = folder / name
    path.write_bytes(data)
    return probe_file(path, len(data))


@pytest.fixture
def pacs(tmp_path):
    folder = tmp_path / "pacs"
    write_series(folder / "a" / "b", SeriesSpec(), VOXELS_HU)
    (folder / "notes.txt").write_text("not DICOM")
    (folder / "empty").touch()
    return folder


# --- real data


def test_every_real_file_ends_in_exactly_one_row(shared_data, tmp_path):
    database = tmp_path / "index.sqlite3"

    report = refresh(shared_data, database)

    files = {os.fsencode(p.relative_to(shared_data)) for p in shared_data.rglob("*") if p.is_file()}
    rows = rows_of(database, "path, kind, reason")
    assert len(rows) == len(files) == report.files == report.read
    assert {path for path, _, _ in rows} == files
    assert all(reason for _, kind, reason in rows if kind != Kind.INSTANCE)
    assert sum(report.kinds.values()) == len(files)


def test_what_pydicom_reads_of_real_files_the_index_reads_equally(shared_data):
    compared = 0
    for path in sorted(p for p in shared_data.rglob("*") if p.is_file()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                dataset = pydicom.dcmread(path, stop_before_pixels=True)
                expected = (
                    dataset.StudyInstanceUID,
                    dataset.SeriesInstanceUID,
                    dataset.SOPInstanceUID,
                    dataset.get("AccessionNumber") or None,
                    dataset.get("SeriesDescription") or None,
                    dataset.get("InstanceNumber"),
                    dataset.get("SliceThickness"),
                    dataset.get("Rows"),
                )
            except Exception:
                continue
        if not (expected[0] and expected[1] and expected[2]):
            continue

        (entry,) = probe_file(path, path.stat().st_size)

        header = entry.header
        assert entry.kind == Kind.INSTANCE, path
        assert expected == (
            header.study_instance_uid,
            header.series_instance_uid,
            header.sop_instance_uid,
            header.accession_number,
            header.series_description,
            header.instance_number,
            header.slice_thickness_mm,
            header.rows,
        ), path
        compared += 1
    assert compared > 280


def walked_alone(path):
    """What the walk finds that takes any bytes, without the quick reader."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "read_quick_header", lambda _: None)
        return probe_file(path, path.stat().st_size)


def test_the_quick_reader_changes_no_entry_of_a_real_file(shared_data):
    for path in sorted(p for p in shared_data.rglob("*") if p.is_file()):
        assert probe_file(path, path.stat().st_size) == walked_alone(path), path


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_quick_reader_changes_no_entry_of_a_broken_file(tmp_path, shared_data, data):
    files = sorted((shared_data / "syntaxes_chest_slice").glob("*.dcm"))
    content = bytearray(data.draw(st.sampled_from(files)).read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(128, 2300))] = data.draw(st.integers(0, 255))
    path = tmp_path / "broken.dcm"
    path.write_bytes(content[: data.draw(st.integers(200, len(content)))])

    assert probe_file(path, path.stat().st_size) == walked_alone(path)


def test_no_whole_real_file_is_called_truncated(shared_data):
    for path in sorted(shared_data.rglob("*.dcm")):
        if "corrupt_fuzz" not in path.parts:
            (entry,) = probe_file(path, path.stat().st_size)

            assert not entry.header.truncated, path


def test_half_a_real_file_is_called_truncated_in_every_transfer_syntax(shared_data, tmp_path):
    folder = shared_data / "syntaxes_chest_slice"
    for path in sorted(folder.glob("*.dcm")):
        data = path.read_bytes()

        (entry,) = probed(tmp_path, data[: len(data) // 2])

        assert entry.header.truncated, path


# --- one file


@pytest.mark.parametrize("syntax", list(Syntax))
def test_a_whole_file_of_any_syntax_is_whole(syntax, tmp_path):
    spec = SeriesSpec(syntax=syntax)

    (entry,) = probed(tmp_path, file_bytes(spec))

    assert entry.kind == Kind.INSTANCE
    assert not entry.header.truncated
    assert entry.header.has_pixels
    assert entry.header.accession_number == spec.accession_number
    assert (entry.header.rows, entry.header.columns) == (8, 6)


@pytest.mark.parametrize("syntax", list(Syntax))
def test_a_file_cut_anywhere_is_never_taken_for_whole(syntax, tmp_path):
    data = file_bytes(SeriesSpec(syntax=syntax))
    if syntax == Syntax.DEFLATED:
        data = data.rstrip(b"\0")  # a byte that only makes the length even (PS3.5 A.5)
    steps = sorted({*range(0, len(data), 7), *range(len(data) - 40, len(data))})
    for length in steps:
        (entry,) = probed(tmp_path, data[:length])

        whole = entry.kind == Kind.INSTANCE and entry.header.has_pixels
        assert not whole or entry.header.truncated, length


def test_a_header_cut_within_an_element_is_called_truncated(tmp_path):
    report = dose_report_sr(SeriesSpec())
    buffer = BytesIO()
    report.save_as(buffer, enforce_file_format=True)
    data = buffer.getvalue()

    ends = [probed(tmp_path, data[:length])[0] for length in range(132, len(data))]

    between_elements = len(report) + len(report.file_meta) + 1
    assert sum(not entry.header.truncated for entry in ends) <= between_elements


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), flips=st.integers(1, 60), syntax=st.sampled_from(list(Syntax)))
def test_no_bytes_raise(seed, flips, syntax, tmp_path_factory):
    chance = random.Random(seed)
    data = bytearray(CLEAN.setdefault(syntax, file_bytes(SeriesSpec(syntax=syntax))))
    for _ in range(flips):
        data[chance.randrange(132, len(data))] = chance.choice([0, 0xFF, chance.randrange(256)])
    path = tmp_path_factory.getbasetemp() / "fuzzed"
    path.write_bytes(data)

    entries = probe_file(path, len(data))

    assert len(entries) == 1


CLEAN: dict[Syntax, bytes] = {}


def test_pixels_shorter_than_the_matrix_are_truncated(tmp_path):
    def halve(dataset, _k):
        dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 2]

    dataset = instance_dataset(SeriesSpec(), 0, VOXELS_HU[0])
    halve(dataset, 0)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)

    (entry,) = probed(tmp_path, buffer.getvalue())

    assert entry.kind == Kind.INSTANCE
    assert entry.header.truncated


def test_a_preamble_that_was_cut_away_is_unreadable_and_not_overlooked(tmp_path):
    (entry,) = probed(tmp_path, file_bytes()[132:])

    assert entry.kind == Kind.UNREADABLE
    assert "preamble" in entry.reason


def nested(levels):
    sequence = struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, walker.UNDEFINED_LENGTH)
    item = struct.pack("<HHL", 0xFFFE, 0xE000, walker.UNDEFINED_LENGTH)
    item_end = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
    sequence_end = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    return (sequence + item) * levels + (item_end + sequence_end) * levels


def test_sequences_nested_a_hundred_thousand_deep_are_walked(tmp_path):
    data = file_bytes()
    at = data.index(struct.pack("<HH", 0x0008, 0x0016))

    (entry,) = probed(tmp_path, data[:at] + nested(100_000) + data[at:])

    assert entry.kind == Kind.INSTANCE
    assert not entry.header.truncated


def test_endless_elements_are_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(walker, "ELEMENT_LIMIT", 1000)
    element = struct.pack("<HH2sH", 0x0009, 0x0010, b"LO", 0)

    (entry,) = probed(tmp_path, bytes(128) + b"DICM" + element * 2000)

    assert entry.kind == Kind.UNREADABLE
    assert "1000 elements" in entry.reason


def test_a_data_set_that_inflates_without_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(inflating, "INFLATED_LIMIT_BYTES", 1 << 16)
    clean = file_bytes(SeriesSpec(syntax=Syntax.EXPLICIT_LITTLE))
    meta = clean[: clean.index(struct.pack("<HH", 0x0008, 0x0005))]
    syntax = struct.pack("<HH2sH", 2, 0x10, b"UI", 22) + DeflatedExplicitVRLittleEndian.encode()
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = engine.compress(bytes(1 << 22)) + engine.flush()

    (entry,) = probed(tmp_path, meta[:132] + syntax + bomb)

    assert entry.kind == Kind.UNREADABLE
    assert "without end" in entry.reason


@pytest.mark.parametrize("charset", ["ISO_IR 192", "ISO_IR 144", "ISO 2022 IR 144"])
def test_a_cyrillic_description_is_read_in_any_character_set(charset, tmp_path):
    spec = SeriesSpec(
        specific_character_set=(charset,), series_description="ОГК мягкие", patient_name="A^B"
    )

    (entry,) = probed(tmp_path, file_bytes(spec))

    assert entry.header.series_description == "ОГК мягкие"


# --- zips


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a name that is there twice
                archive.writestr(name, data)
    return path


def test_members_of_a_zip_are_indexed_whatever_their_names(tmp_path):
    names = ["../../etc/passwd", "a/b", "a/b", "/abs", "тест.dcm", "x" * 5000]
    path = zipped(
        tmp_path / "CD.ZIP", [(name, file_bytes(k=k % 3)) for k, name in enumerate(names)]
    )

    own, *members = probe_file(path, path.stat().st_size)

    assert own.kind == Kind.ZIP
    assert [member.kind for member in members] == [Kind.INSTANCE] * len(names)
    assert [member.member_number for member in members] == list(range(1, len(names) + 1))
    assert [member.header.instance_number for member in members] == [1, 2, 3, 1, 2, 3]


def test_a_zip_in_a_zip_and_junk_are_there_with_their_reason(tmp_path):
    inner = zipped(tmp_path / "inner.zip", [("one", file_bytes())]).read_bytes()
    path = zipped(tmp_path / "outer.zip", [("inner.zip", inner), ("readme", b"hello"), ("d/", b"")])

    own, *members = probe_file(path, path.stat().st_size)

    assert own.kind == Kind.ZIP
    assert [(m.kind, bool(m.reason)) for m in members] == [
        (Kind.UNREADABLE, True),
        (Kind.NOT_DICOM, True),
    ]


def test_a_zip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "INFLATION_ALLOWANCE_BYTES", 1 << 16)
    bomb = file_bytes() + bytes(1 << 20)
    path = zipped(tmp_path / "bomb.zip", [(str(k), bomb) for k in range(40)])

    _, *members = probe_file(path, path.stat().st_size)

    unpacked = sum(m.size_bytes for m in members if m.kind == Kind.INSTANCE)
    assert len(members) == 40
    assert unpacked <= probe.INFLATION_LIMIT * path.stat().st_size + (1 << 16) < 40 * len(bomb)
    assert all("unpacks to far more" in m.reason for m in members if m.kind != Kind.INSTANCE)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_zip_raises(seed, tmp_path_factory):
    chance = random.Random(seed)
    folder = tmp_path_factory.getbasetemp()
    if "zip" not in ZIPS:
        ZIPS["zip"] = zipped(
            folder / "c.zip", [(str(k), file_bytes(k=k)) for k in range(3)]
        ).read_bytes()
    data = bytearray(ZIPS["zip"])
    for _ in range(chance.randrange(1, 30)):
        # Most of the structure stands in the central directory at the end
        start = 0 if chance.random() < 0.5 else len(data) - 250
        data[chance.randrange(start, len(data))] = chance.randrange(256)
    path = folder / "fuzzed.zip"
    path.write_bytes(data[: chance.randrange(len(data) // 2, len(data) + 1)])

    entries = probe_file(path, path.stat().st_size)

    assert entries[0].kind in {Kind.ZIP, Kind.UNREADABLE}


ZIPS: dict[str, bytes] = {}


# --- the tree


def test_links_pipes_and_odd_names_have_their_row_and_are_not_followed(pacs, tmp_path):
    outside = tmp_path / "outside"
    write_series(outside, SeriesSpec(accession_number="OUTSIDE-1"), VOXELS_HU)
    (pacs / "loop").symlink_to(pacs)
    (pacs / "out").symlink_to(outside)
    (pacs / "file-link").symlink_to(outside / "IM0001.dcm")
    (pacs / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(pacs / "pipe")
    (Path(os.fsdecode(os.fsencode(pacs) + b"/\xff\xfe.dcm"))).write_bytes(file_bytes())
    database = tmp_path / "index.sqlite3"

    report = refresh(pacs, database)

    kinds = kinds_of(database)
    for name in ("loop", "out", "file-link", "dangling", "pipe"):
        assert kinds[name, ""] == Kind.SKIPPED
    assert kinds["\udcff\udcfe.dcm", ""] == Kind.INSTANCE
    assert report.files == len(kinds) == 11
    assert not lookup(database, accession_number="OUTSIDE-1", study_instance_uid=None)


def test_a_folder_that_is_not_there_or_empty_does_not_empty_the_index(pacs, tmp_path):
    database = tmp_path / "index.sqlite3"
    refresh(pacs, database)
    before = rows_of(database)
    pacs.rename(tmp_path / "unmounted")

    with pytest.raises(PeerError, match="not there") as missing:
        refresh(pacs, database)
    pacs.mkdir()
    with pytest.raises(PeerError, match="empty"):
        refresh(pacs, database)

    assert missing.value.hint
    assert rows_of(database) == before


def test_an_index_within_the_archive_folder_does_not_index_itself(pacs):
    database = pacs / "index.sqlite3"

    first, second = refresh(pacs, database), refresh(pacs, database)

    assert (first.files, first.read) == (5, 5)
    assert (second.files, second.read) == (5, 0)


# --- again and again


def test_what_did_not_change_is_not_opened_again(pacs, tmp_path, monkeypatch):
    database = tmp_path / "index.sqlite3"
    refresh(pacs, database)
    monkeypatch.setattr(index, "probe_file", lambda *_: pytest.fail("was opened"))

    report = refresh(pacs, database)

    assert (report.read, report.kept) == (0, 5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_an_index_brought_up_to_date_equals_one_made_anew(seed, tmp_path_factory):
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("again")
    pacs = folder / "pacs"
    write_series(pacs, SeriesSpec(), VOXELS_HU)
    zipped(pacs / "z.zip", [("a", file_bytes(k=0)), ("b", file_bytes(k=1))])
    kept, anew = folder / "kept.sqlite3", folder / "anew.sqlite3"

    for _ in range(3):
        refresh(pacs, kept)
        paths = sorted(p for p in pacs.rglob("*") if p.is_file())
        match chance.randrange(4):
            case 0:
                chance.choice(paths).rename(pacs / f"moved{chance.random()}")
            case 1:
                chance.choice(paths[:-1]).unlink()
            case 2:
                chance.choice(paths).write_bytes(b"overwritten")
            case 3:
                zipped(pacs / "z.zip", [("only", file_bytes(k=2))])
    refresh(pacs, kept)
    refresh(pacs, anew)

    assert rows_of(kept) == rows_of(anew)


def test_an_index_that_was_stopped_goes_on_to_the_same_end(pacs, tmp_path, monkeypatch):
    monkeypatch.setattr(index, "BATCH_FILES", 2)
    stopped, unbroken = tmp_path / "stopped.sqlite3", tmp_path / "unbroken.sqlite3"

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refresh(pacs, stopped, progress=stop)
    report = refresh(pacs, stopped)
    refresh(pacs, unbroken)

    assert report.read == 3
    assert rows_of(stopped) == rows_of(unbroken)


def test_workers_make_the_same_index(shared_data, tmp_path, monkeypatch):
    monkeypatch.setattr(index, "POOL_FILES", 1)
    one, two = tmp_path / "one.sqlite3", tmp_path / "two.sqlite3"

    alone, together = refresh(shared_data, one), refresh(shared_data, two, jobs=2)

    assert alone == together
    assert rows_of(one) == rows_of(two)


def test_another_folder_or_a_file_that_is_no_database_makes_the_index_anew(pacs, tmp_path):
    database = tmp_path / "index.sqlite3"
    database.write_bytes(b"this is not a database" * 100)
    first = refresh(pacs, database)
    pacs.rename(tmp_path / "moved")

    second = refresh(tmp_path / "moved", database)

    assert first == second
    assert second.read == 5


def test_an_index_that_cannot_be_written_is_a_workspace_error(pacs, tmp_path):
    (tmp_path / "folder.sqlite3").mkdir()

    with pytest.raises(WorkspaceError, match="cannot be written"):
        refresh(pacs, tmp_path / "folder.sqlite3")


def test_the_archive_folder_is_not_touched(pacs, tmp_path):
    def state():
        return {
            path: (path.read_bytes() if path.is_file() else b"", path.stat().st_mtime_ns)
            for path in sorted(pacs.rglob("*"))
        }

    before = state()

    refresh(pacs, tmp_path / "index.sqlite3")

    assert state() == before


def test_a_walk_of_something_else_says_so():
    with pytest.raises(DicomError, match="preamble"):
        walker.walk(BytesIO(b"hello"), 5, frozenset())
