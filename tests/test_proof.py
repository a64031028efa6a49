"""The proof finds a value in whatever it is packed, and nothing where there is nothing."""

import gzip
import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.core.errors import PrivacyError
from pipelines.core.grids import Volume
from pipelines.core.needles import BLOCK_BYTES, Needles
from pipelines.core.registry_settings import RegistrySettings
from pipelines.core.traces import Traces, traces_of
from pipelines.io.nifti import write_volume
from pipelines.io.pdf import Document, pdf_bytes
from pipelines.io.sheets import Sheet
from pipelines.io.workbook import write_workbook
from pipelines.proof import Sought, _found_in_an_empty_dataset, prove, refuse
from tests.workspaces import contents, make_workspace, mosmed, mosmed_json

NAME, NUMBER, BIRTH, UID = "Зыкмундов Иворий", "77120345", "19610423", "1.2.643.5.1.2020.77"
VALUES = (NAME, NUMBER, BIRTH, UID)
SOUGHT = Sought(Needles(traces_of(VALUES)))


def found(folder):
    return [(one.code, one.file, one.place) for one in prove(folder, SOUGHT).findings]


def volume(path):
    affine = np.diag([-0.7, 0.7, 8.0, 1.0])
    voxels = np.zeros((4, 5, 6), dtype=np.int16, order="F")
    write_volume(path, Volume(voxels_hu=voxels, affine_ras=affine), gzip_level=1)
    return path


def in_nifti(path, edit, *, behind=b""):
    """A volume with another header; `edit(bytearray)` changes it."""
    plain = bytearray(gzip.decompress(volume(path).read_bytes()))
    edit(plain)
    path.write_bytes(gzip.compress(bytes(plain) + behind, mtime=0))


def in_zip(path, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.xml", content)


def png(*chunks):
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, data in (*chunks, (b"IEND", b"")):
        parts += [struct.pack(">I", len(data)), name, data, struct.pack(">I", zlib.crc32(data))]
    return b"".join(parts)


CARRIERS = {
    "text": lambda p: (p / "README.md").write_text(f"patient {NAME}"),
    "text in another charset": lambda p: (p / "a.txt").write_bytes(NAME.upper().encode("cp1251")),
    "json": lambda p: (p / "a.json").write_text('{"a": "\\u0417\\u044b\\u043a\\u043c\\u0443'
                                                '\\u043d\\u0434\\u043e\\u0432"}'),
    "html": lambda p: (p / "a.html").write_text("".join(f"&#{ord(c)};" for c in NAME)),
    "csv": lambda p: (p / "a.csv").write_text("id\n23.04.1961\n"),
    "file name": lambda p: (p / f"{NUMBER}.nii.gz").write_bytes(volume(p / "v").read_bytes()),
    "folder name": lambda p: (p / NUMBER).mkdir(),
    "xlsx cell": lambda p: write_workbook(
        p / "a.xlsx", [Sheet(name="S", header=("a",), rows=[(NAME,)])]),
    "zip member": lambda p: in_zip(p / "a.zip", f"<a>{UID}</a>"),
    "zip in zip": lambda p: (in_zip(p / "b", UID), in_zip(p / "a.zip", (p / "b").read_bytes()),
                             (p / "b").unlink()),
    "zip member's name": lambda p: zipfile.ZipFile(p / "a.zip", "w").writestr(NUMBER, "a"),
    "NIfTI description": lambda p: in_nifti(
        p / "a.nii.gz", lambda h: h.__setitem__(slice(148, 156), NUMBER.encode())),
    "NIfTI extension": lambda p: in_nifti(p / "a.nii.gz", extension),
    "png text": lambda p: (p / "a.png").write_bytes(png((b"tEXt", b"c\0" + NUMBER.encode()))),
    "png packed text": lambda p: (p / "a.png").write_bytes(
        png((b"zTXt", b"c\0\0" + zlib.compress(NAME.encode())))),
    "pdf stream": lambda p: (p / "a.pdf").write_bytes(
        b"%PDF-1.4\n1 0 obj stream\n" + zlib.compress(b"[(7712)-20(0345)] TJ") + b"\nendstream"),
    "pdf page": lambda p: (p / "a.pdf").write_bytes(document(f"Для {NAME} и {NUMBER}")),
    "pdf title": lambda p: (p / "a.pdf").write_bytes(document("# Набор", title=NAME)),
    "utf-16 in an unknown kind": lambda p: (p / "a.bin").write_bytes(
        b"\0\1\2" + NAME.encode("utf-16-le")),
    "behind a megabyte": lambda p: (p / "a.bin").write_bytes(bytes(BLOCK_BYTES - 3) + UID.encode()),
}  # fmt: skip


def in_bytes(compression):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", compression) as archive:
        archive.writestr("имя", "text" * 100)
    return memory.getvalue()


def document(markdown, title="Набор"):
    texts = {"markdown": markdown, "title": title, "author": "", "language": "ru", "footer": ""}
    return pdf_bytes(Document(**texts, page=lambda number, pages: f"{number}/{pages}"))


def extension(head):
    struct.pack_into("<f", head, 108, 384.0)
    head[348:352] = b"\1\0\0\0"
    head[352:352] = struct.pack("<ii", 32, 6) + NUMBER.encode().ljust(24, b"\0")


@pytest.mark.parametrize("carrier", CARRIERS.values(), ids=CARRIERS)
def test_a_value_is_found_in_whatever_it_is_packed(carrier, tmp_path):
    carrier(tmp_path)

    assert "IDENTITY_LEFT" in {code for code, _, _ in found(tmp_path)}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: p.write_bytes(gzip.compress(b"a", mtime=1_600_000_000)),
        lambda p: gzip.GzipFile(p.with_suffix(".name"), "wb", mtime=0).close(),
        lambda p: in_nifti(p, bytearray.copy, behind=b"more"),
        lambda p: p.write_bytes(volume(p).read_bytes()[:40]),
        lambda p: p.write_bytes(b"PK\x03\x04 broken"),
        lambda p: p.symlink_to("/etc/hostname"),
        lambda p: p.write_bytes(b"%PDF-1.4 /Encrypt"),
        lambda p: p.write_bytes(b"%PDF-1.4 nothing of a document"),
        lambda p: p.write_bytes(b"\x1f\x8b"),
        lambda p: p.write_bytes(in_bytes(zipfile.ZIP_LZMA).replace(b"\x5d\0\0\x80", b"\xff" * 4)),
        lambda p: p.write_bytes(in_bytes(zipfile.ZIP_STORED).replace("имя".encode(), b"\xff" * 6)),
    ],
    ids=[
        "gzip time",
        "gzip name",
        "behind voxels",
        "cut off",
        "broken zip",
        "link",
        "encrypted",
        "broken PDF",
        "two bytes of gzip",
        "broken LZMA",
        "a member without a name",
    ],
)
def test_what_cannot_be_looked_into_is_not_proven(spoil, tmp_path):
    spoil(tmp_path / "a.nii.gz")

    assert {code for code, _, _ in found(tmp_path)} == {"NOT_PROVEN"}


def test_neither_a_finding_nor_the_error_holds_the_value(tmp_path):
    folder = tmp_path / NUMBER
    folder.mkdir()
    (folder / f"{NAME}.txt").write_text(UID)

    proof = prove(tmp_path, SOUGHT)

    assert {one.file for one in proof.findings} == {"[…]/[…]"}
    with pytest.raises(PrivacyError) as error:
        refuse(proof, "dataset")
    assert error.value.exit_status == 4
    for value in (*VALUES, "Зыкмундов"):
        assert value not in f"{proof}{error.value}{error.value.hint}"


def test_what_stands_in_every_dataset_is_nobodys_identity():
    """Morozov wrote the paper, every workbook has a font called Calibri: neither is a leak."""
    needles = Needles(traces_of(["Morozov^Roman", "MosMedData", "Calibri", "Зыкмундов"]))

    by_right = _found_in_an_empty_dataset(needles, RegistrySettings(holder="Институт"))

    assert {"MosMedData", "Calibri", "Morozov"} <= by_right
    assert "Зыкмундов" not in by_right
    assert "Morozov^Roman" not in by_right


words = st.text("abcdefghIJKLмнопрСТУФ", min_size=4, max_size=12)
numbers = st.integers(100_000, 10**9).map(str)


@settings(max_examples=200, deadline=None)
@example(values=["IIII"], pieces=["IIII", "x", "\0"], encoding="utf-8")
@example(values=["771203"], pieces=["771203", "7", "\0"], encoding="utf-8")
@given(
    values=st.lists(words | numbers, min_size=1, max_size=8),
    pieces=st.lists(
        words | numbers | st.sampled_from([" ", ".", "\0", "-", "x", "7"]), max_size=30
    ),
    encoding=st.sampled_from(["utf-8", "cp1251", "koi8-r"]),
)
def test_many_values_at_once_are_found_as_one_by_one(values, pieces, encoding):
    traces = traces_of(values)
    content = "".join(pieces).encode(encoding)

    together = Needles(traces).found_in(io.BytesIO(content))

    alone = {text for text in traces.texts if Traces(frozenset({text})).found_in(content)}
    assert together >= alone
    assert all(text.lower() in content.decode(encoding).lower() for text in together)


@settings(max_examples=60, deadline=None)
@given(before=st.integers(BLOCK_BYTES - 60, BLOCK_BYTES + 60), boundary=st.sampled_from(" x7"))
def test_where_a_block_ends_makes_no_difference(before, boundary):
    content = (b" " * before) + boundary.encode() + b"771203" + boundary.encode() + b"tail" * 20
    needles = Needles(traces_of(["771203"]))

    assert bool(needles.found_in_bytes(content)) == (boundary != "7")


@pytest.mark.parametrize(
    ("content", "is_found"),
    [
        (b"Nr 77120345.", True),
        (b"77120345.nii", True),
        (b"0.77120345", False),
        (b"77120345.5", False),
        (b"a\0iorj\0b", True),
        (b"aiorj", False),
        ("a iorj".encode("utf-16-le"), True),
        ("aiorj".encode("utf-16-le"), False),
        ("яiorj".encode("utf-16-be"), False),
    ],
)
def test_a_number_or_a_short_word_counts_only_as_a_whole(content, is_found):
    needles = Needles(traces_of(["77120345", "Iorj"]))

    assert bool(needles.found_in_bytes(content)) is is_found


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = make_workspace(tmp_path_factory.mktemp("proof") / "w", studies=2)
    mosmed("run", "-w", root, "--jobs", 1)
    return root


def test_a_published_dataset_is_proven(root):
    proof = mosmed_json("prove", "-w", root)

    assert (proof["exit_status"], proof["findings"]) == (0, [])
    assert proof["files"]["nii.gz"] >= 2
    assert proof["values"] > 20
    original = mosmed_json("prove", root / "private" / "export", "-w", root)
    assert original["exit_status"] == 4
    assert len(original["findings"]) > 40


def test_a_finding_is_explained_once_however_often_it_is_made(root):
    result = mosmed("prove", root / "private" / "export", "-w", root)

    assert result.exit_code == 4
    assert result.output.count("IDENTITY_LEFT  ") > 40
    assert result.output.count("a value of the patient is still in the output") == 1
    assert result.output.count("Add a rule for the place that is named") == 1


def test_an_empty_folder_proves_nothing(root, tmp_path):
    result = mosmed("prove", tmp_path, "-w", root)

    assert result.exit_code == 2
    assert "is empty: nothing is proven" in result.output


def test_a_leak_stops_the_publication_with_status_4(root, monkeypatch):
    before = contents(root / "dataset")
    accession = mosmed_json("reidentify", "study_0002", "-w", root)["accession_number"]
    from pipelines import build_registry

    original = build_registry.documents

    def leaking(listed, settings, **how):
        leak = {"LICENSE": f"for {accession}".encode()} if listed else {}
        return original(listed, settings, **how) | leak

    monkeypatch.setattr(build_registry, "documents", leaking)
    result = mosmed("build-registry", "-w", root, "--name", "Another")

    assert result.exit_code == 4, result.output
    assert "LICENSE: text" in result.output
    assert accession not in result.output
    assert contents(root / "dataset") == before
    assert not list(root.glob(".part-*"))
