"""DICOMweb to a PACS that wants to know who we are: by certificate, by a token that runs out."""

import shutil
import ssl
import subprocess

import pytest

from pipelines.core.errors import PeerError, SettingsError
from pipelines.core.identity import Exported
from tests.network_studies import data_sets, exported, from_folder, objects_of
from tests.pacs import Proxy, orthanc
from tests.scripted_web import WebScript, scripted_web
from tests.test_peers_dicomweb import web
from tests.test_peers_dimse import no_waiting, pacs  # noqa: F401  fixtures


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Each side's certificate and key in one file, and the certificate alone."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    folder, made = tmp_path_factory.mktemp("tls"), {}
    for who in ("pacs", "mosmed", "stranger"):
        certificate, key = folder / f"{who}.pem", folder / f"{who}.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out",
             certificate, "-days", "2", "-subj", f"/CN={who}",
             "-addext", "subjectAltName=IP:127.0.0.1"], capture_output=True, check=True,
        )  # fmt: skip
        made[who] = (certificate, key)
    return made


def shown(certificates, who):
    certificate, key = certificates[who]
    return {
        "tls_ca": certificates["pacs"][0],
        "tls_certificate": certificate,
        "tls_key": key,
        "patience_minutes": 0,
    }


def test_a_real_archive_behind_tls_takes_us_by_our_certificate(pacs, tmp_path, certificates):  # noqa: F811
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates["mosmed"][0])
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*certificates["pacs"])
    with orthanc(pacs) as running:
        web(running)
        with Proxy(running.http, tls=context) as line:
            address = f"https://127.0.0.1:{line.port}/dicom-web"
            result = exported(address, tmp_path, **shown(certificates, "mosmed"))

    assert isinstance(result, Exported)
    assert data_sets(tmp_path / "out") == data_sets(from_folder(pacs, tmp_path))


@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_an_archive_that_does_not_know_our_certificate_stops_all(
    pacs,  # noqa: F811
    tmp_path,
    certificates,
    who,
):
    theirs = tmp_path / "both.pem"
    theirs.write_text("".join(path.read_text() for path in certificates["pacs"]))
    settings = shown(certificates, "stranger")
    if who == "nobody":
        del settings["tls_certificate"], settings["tls_key"]
    script, ca = WebScript(objects_of(pacs)), certificates["mosmed"][0]
    with (
        scripted_web(script, certificate=str(theirs), client_ca=ca) as address,
        pytest.raises(PeerError) as error,
    ):
        exported(address, tmp_path, **settings)

    assert error.value.hint
    assert not script.asked


# --- a token that runs out


class Renewing(WebScript):
    """A server whose token is good for a few requests; another one lies in a file by then."""

    def __init__(self, objects, file):
        super().__init__(objects, tokens=[f"t{k}" for k in range(99)])
        self.file = file
        file.write_text("t0\n")

    def token_of_now(self):
        token = super().token_of_now()
        self.file.write_text(f"{token}\n")
        return token


def test_a_token_that_has_run_out_is_read_again(pacs, tmp_path, monkeypatch):  # noqa: F811
    script = Renewing(objects_of(pacs), tmp_path / "token")
    monkeypatch.setenv("MOSMED_PACS_TOKEN_FILE", str(script.file))
    with scripted_web(script) as address:
        result = exported(address, tmp_path)

    assert isinstance(result, Exported)
    assert script.file.read_text() != "t0\n"
    assert data_sets(tmp_path / "out") == data_sets(from_folder(pacs, tmp_path))


def test_a_token_that_stays_wrong_is_shown_once(pacs, tmp_path, monkeypatch):  # noqa: F811
    (tmp_path / "token").write_text("stale")
    monkeypatch.setenv("MOSMED_PACS_TOKEN_FILE", str(tmp_path / "token"))
    script = WebScript(objects_of(pacs), authorization="Bearer fresh")
    with scripted_web(script) as address, pytest.raises(PeerError, match="401") as error:
        exported(address, tmp_path)

    assert len(script.asked) == 1
    assert "MOSMED_PACS_TOKEN_FILE" in error.value.hint
    assert "stale" not in f"{error.value.message}{error.value.hint}"


def test_a_file_of_a_token_that_is_not_there_is_a_setting_to_mend(tmp_path, monkeypatch):
    monkeypatch.setenv("MOSMED_PACS_TOKEN_FILE", str(tmp_path / "none"))

    with pytest.raises(SettingsError, match="token") as error:
        exported("https://pacs.hospital/dicom-web", tmp_path)

    assert "MOSMED_PACS_TOKEN_FILE" in error.value.hint
