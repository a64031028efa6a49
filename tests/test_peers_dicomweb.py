"""A PACS by DICOMweb: the dataset is that of the folder, and a cut answer is never a whole one."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import ItemError, PeerError, SettingsError
from pipelines.core.identity import Exported
from pipelines.io.multipart import BrokenOffError, Multipart
from tests.network_studies import (
    candidate,
    data_sets,
    exported,
    from_folder,
    objects_of,
    refused,
)
from tests.pacs import Proxy, orthanc
from tests.scripted_web import WebScript, scripted_web
from tests.test_peers_dimse import from_the_folder, no_waiting, pacs  # noqa: F401  fixtures
from tests.workspaces import SAMPLE, contents, make_workspace, mosmed


def web(running) -> str:
    """The address of an Orthanc's DICOMweb."""
    if not Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so").exists():
        pytest.skip("no DICOMweb here (Debian package: orthanc-dicomweb)")
    return f"http://127.0.0.1:{running.http}/dicom-web"


@pytest.fixture(scope="module")
def server(pacs):  # noqa: F811
    with orthanc(pacs) as running:
        yield running


# --- a real archive


@pytest.mark.parametrize("whole_study", [True, False], ids=["whole-study", "series"])
def test_what_comes_by_dicomweb_is_what_lies_in_the_folder(server, pacs, tmp_path, whole_study):  # noqa: F811
    result = exported(web(server), tmp_path, whole_study=whole_study)

    assert isinstance(result, Exported)
    expected = from_folder(pacs, tmp_path, whole_study=whole_study)
    assert data_sets(tmp_path / "out") == data_sets(expected)


@pytest.mark.parametrize("key", ["*", "PH20*", "PH20-00000?", "PH20-000002", "PH20 000001"])
def test_no_study_is_found_by_a_pattern_or_a_likeness(server, tmp_path, key):
    with pytest.raises(ItemError) as error:
        exported(web(server), tmp_path, candidate(accession_number=key))

    assert error.value.code == "NOT_IN_ARCHIVE"


def test_the_dataset_has_the_same_bytes_over_dicomweb(from_the_folder, tmp_path):  # noqa: F811
    with orthanc(SAMPLE / "pacs") as hospital:
        root = make_workspace(tmp_path / "network", studies=5, pacs=web(hospital))

        assert mosmed("run", "-w", root).exit_code in {0, 3}

    assert contents(root / "dataset") == from_the_folder


@pytest.mark.parametrize("is_reset", [False, True], ids=["cut", "reset"])
def test_a_line_that_breaks_anywhere_ends_in_the_same_bytes(server, pacs, tmp_path, is_reset):  # noqa: F811
    expected = data_sets(from_folder(pacs, tmp_path))
    to = int(web(server).split(":")[2].split("/")[0])
    for budget in (10, 900, 5_000, 20_000):
        with Proxy(to, budgets=[budget] * 3, is_reset=is_reset) as line:
            exported(f"http://127.0.0.1:{line.port}/dicom-web", tmp_path)

        assert data_sets(tmp_path / "out") == expected
        assert not (tmp_path / "out" / "receiving").exists()


# --- an archive that fails


@pytest.mark.parametrize("fault", ["cut", "no-end", "drop", "206", "503", "429", "500", "404"])
def test_what_may_pass_is_tried_again_until_all_is_here(pacs, tmp_path, fault):  # noqa: F811
    with scripted_web(WebScript(objects_of(pacs), faults=[fault])) as address:
        result = exported(address, tmp_path)

    assert isinstance(result, Exported)
    assert data_sets(tmp_path / "out") == data_sets(from_folder(pacs, tmp_path))


@pytest.mark.parametrize("fault", ["cut", "206", "drop"])
def test_what_is_never_whole_is_a_failure_and_no_volume(pacs, tmp_path, fault):  # noqa: F811
    with scripted_web(WebScript(objects_of(pacs), faults=[fault] * 99)) as address:
        refused("INCOMPLETE_TRANSFER", tmp_path, address, tries=2, whole_study=False)


def test_what_is_final_is_asked_once(pacs, tmp_path):  # noqa: F811
    script = WebScript(objects_of(pacs), faults=["406"] * 9)
    with scripted_web(script) as address:
        refused("REFUSED_BY_ARCHIVE", tmp_path, address)

    assert len(script.faults) == 8


@pytest.mark.parametrize(
    ("fault", "said"), [("301", "another address"), ("single", "as they are stored")]
)
def test_a_server_that_is_no_archive_stops_all_and_is_not_followed(pacs, tmp_path, fault, said):  # noqa: F811
    with (
        scripted_web(WebScript(objects_of(pacs), faults=[fault] * 9)) as address,
        pytest.raises(PeerError, match=said) as error,
    ):
        exported(address, tmp_path)

    assert error.value.hint


@pytest.mark.parametrize("most_matches", [1, 3, 1000])
@pytest.mark.parametrize("has_metadata", [True, False])
def test_pages_of_any_length_are_read_to_the_end(pacs, tmp_path, most_matches, has_metadata):  # noqa: F811
    script = WebScript(
        objects_of(pacs), most_matches=most_matches, is_warning=most_matches < 1000,
        has_metadata=has_metadata,
    )  # fmt: skip
    if most_matches < 1000:
        with scripted_web(script) as address:
            message = refused("INCOMPLETE_TRANSFER", tmp_path, address, tries=2)
        assert "does not tell all" in message
        return
    with scripted_web(script) as address:
        exported(address, tmp_path)

    assert data_sets(tmp_path / "out") == data_sets(from_folder(pacs, tmp_path))


def test_only_the_chosen_series_is_sent(pacs, tmp_path):  # noqa: F811
    script = WebScript(objects_of(pacs))
    with scripted_web(script) as address:
        exported(address, tmp_path, whole_study=False)

    sent = [path for path in script.asked if "?" not in path and not path.endswith("/metadata")]
    assert len(sent) <= 3


ODD = b'[{"0020000D": %b}]'


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (b"<html>back at six</html>", "is it DICOMweb"),
        (b"[" * 100_000, "is it DICOMweb"),
        (b'{"errors": []}', "no list of matches"),
        (ODD % b'"1.2.3"', ""),
        (ODD % b'{"vr": "UI", "Value": {"a": 1}}', ""),
        (ODD % b'{"vr": [], "Value": ["1.2.3", null, {}]}', ""),
    ],
    ids=["html", "deep", "no list", "no attribute", "no values", "no type"],
)
def test_a_check_tells_what_else_answers_at_an_address(tmp_path, says, told):
    root = make_workspace(tmp_path / "w", studies=1)

    with scripted_web(WebScript([], says=says)) as address:
        result = mosmed("export", "--check", "--pacs", address, "-w", root)

    assert result.exit_code == (1 if told else 0), result.output
    assert told in result.output
    assert "did not expect" not in result.output


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://[::1/dicom-web", "cannot be read"),
        ("https://reader:s3cret@pacs/dicom-web", "holds a password"),
    ],
)
def test_an_address_is_refused_before_anybody_is_asked(tmp_path, address, told):
    root = make_workspace(tmp_path / "w", studies=1)

    result = mosmed("export", "--check", "--pacs", address, "-w", root)

    assert result.exit_code == 2
    assert told in result.output
    assert "s3cret" not in result.output


# --- who we are


def test_a_token_or_a_password_is_shown_and_its_lack_is_told(pacs, tmp_path, monkeypatch):  # noqa: F811
    script = WebScript(objects_of(pacs), authorization="Bearer t0ken")
    with scripted_web(script) as address:
        with pytest.raises(PeerError, match="401") as error:
            exported(address, tmp_path)
        assert "MOSMED_PACS_TOKEN" in error.value.hint

        monkeypatch.setenv("MOSMED_PACS_TOKEN", "t0ken")
        assert isinstance(exported(address, tmp_path), Exported)

        monkeypatch.delenv("MOSMED_PACS_TOKEN")
        monkeypatch.setenv("MOSMED_PACS_PASSWORD", "s3cret")
        script.authorization = "Basic cmVhZGVyOnMzY3JldA=="
        assert isinstance(exported(address.replace("//", "//reader@"), tmp_path), Exported)


def test_no_password_goes_over_a_line_that_anybody_can_read(tmp_path, monkeypatch):
    monkeypatch.setenv("MOSMED_PACS_TOKEN", "t0ken")

    with pytest.raises(SettingsError, match="unprotected"):
        exported("http://pacs.hospital/dicom-web", tmp_path)


def test_an_archive_is_trusted_by_its_certificate_only(pacs, tmp_path):  # noqa: F811
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    pem = tmp_path / "pacs.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", pem, "-out",
         tmp_path / "ca.pem", "-days", "2", "-subj", "/CN=pacs",
         "-addext", "subjectAltName=IP:127.0.0.1"], capture_output=True, check=True,
    )  # fmt: skip
    pem.write_text(pem.read_text() + (tmp_path / "ca.pem").read_text())
    with scripted_web(WebScript(objects_of(pacs)), certificate=str(pem)) as address:
        assert isinstance(exported(address, tmp_path, tls_ca=tmp_path / "ca.pem"), Exported)
        with pytest.raises(PeerError, match="certificate"):
            exported(address, tmp_path, patience_minutes=0)


# --- parts


def multipart(parts: list[bytes], preamble: bytes = b"") -> bytes:
    body = preamble
    for part in parts:
        body += b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\n" + part
    return body + b"\r\n--b--\r\nepilogue"


def taken_apart(body: bytes, size: int) -> list[bytes]:
    chunks = (body[at : at + size] for at in range(0, len(body), size))
    return [b"".join(part) for part in Multipart(chunks, "b").parts()]


PARTS = st.lists(st.lists(st.sampled_from([b"\r", b"\n", b"-", b"\r\n--", b"x"])).map(b"".join))


@given(parts=PARTS, size=st.integers(1, 60), preamble=st.sampled_from([b"", b"hello", b"--"]))
def test_parts_are_the_same_however_the_line_cuts_them(parts, size, preamble):
    assert taken_apart(multipart(parts, preamble), size) == parts


@given(parts=PARTS.filter(bool), size=st.integers(1, 60), data=st.data())
def test_a_body_that_ends_before_its_closing_boundary_is_refused(parts, size, data):
    body = multipart(parts).removesuffix(b"--\r\nepilogue")
    cut = data.draw(st.integers(0, len(body)))

    with pytest.raises(BrokenOffError):
        taken_apart(body[:cut], size)


def test_a_part_without_an_end_to_its_header_is_refused():
    with pytest.raises(BrokenOffError, match="header"):
        taken_apart(b"--b\r\n" + b"x" * (1 << 16), 1 << 12)
