"""Real images through a real archive, an archive with odd answers, and a line that is encrypted."""

import ssl
import subprocess
import sys

import pytest

from pipelines.core.errors import PeerError, SettingsError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.identity import Exported
from pipelines.io.index import refresh
from pipelines.peers import opening
from pipelines.peers.archives import INDEX_NAME

pytest.importorskip("pynetdicom", reason="no pynetdicom here (pip install '.[pacs]')")

from pipelines import export
from tests.network_studies import candidate, data_sets, exported, from_folder, objects_of
from tests.pacs import orthanc, qrscp
from tests.scripted_pacs import Script, scripted
from tests.test_peers_dimse import no_waiting, pacs  # noqa: F401  fixtures

# pynetdicom leaves a socket to the garbage collector where nobody listens
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def siemens(shared_data):
    return shared_data / "chest_siemens_8mm"


@pytest.fixture(scope="module")
def server(siemens):
    with orthanc(siemens) as running:
        yield running


@pytest.mark.parametrize("transport", ["c-get", "c-move"])
def test_a_real_chest_comes_as_it_lies_in_the_folder(server, siemens, tmp_path, transport):
    source = tmp_path / "source"
    refresh(siemens, source / INDEX_NAME)
    uid = _study_of(siemens)
    who = candidate(accession_number=None, study_instance_uid=uid, expected_instances=60)
    found = {}
    for place in (siemens, server.address):
        settings = ExportSettings(
            pacs=place, kernels=("B40f",), descriptions=(), whole_study=False,
            transport=transport, receivers=(server.receiver,),
        )  # fmt: skip
        out = tmp_path / str(len(found))
        out.mkdir()
        result = export.work(who, settings, source, out)
        assert isinstance(result, Exported)
        assert result.instances == 30
        found[str(place)] = data_sets(out)

    folder, network = found.values()
    assert network == folder


def _study_of(folder):
    from pydicom import dcmread

    path = next(path for path in sorted(folder.rglob("*.dcm")))
    return str(dcmread(path, stop_before_pixels=True).StudyInstanceUID)


def test_an_archive_that_answers_once_an_object_gives_the_study_once(pacs, tmp_path):  # noqa: F811
    with qrscp(pacs) as running:
        result = exported(running.address, tmp_path)

    assert isinstance(result, Exported)
    # The test's own store has changed the transfer syntax, and nothing else
    came, lay = data_sets(tmp_path / "out"), data_sets(from_folder(pacs, tmp_path))
    assert {name: content for name, (_, content) in came.items()} == {
        name: content for name, (_, content) in lay.items()
    }


# --- TLS


@pytest.fixture
def certificates(tmp_path):
    """A certificate for each side, as PEM: the archive's and our own."""
    made = {}
    for who in ("pacs", "mosmed"):
        made[who] = (tmp_path / f"{who}.pem", tmp_path / f"{who}.key")
        command = [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", f"/CN={who}", "-addext", "subjectAltName=IP:127.0.0.1",
            "-out", made[who][0], "-keyout", made[who][1],
        ]  # fmt: skip
        try:
            subprocess.run(command, capture_output=True, check=True)
        except FileNotFoundError:
            pytest.skip("no openssl here")
    return made


def test_both_sides_show_who_they_are_by_tls(pacs, tmp_path, certificates):  # noqa: F811
    theirs, ours = certificates["pacs"], certificates["mosmed"]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ours[0])
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*theirs)
    shown = {"tls_ca": theirs[0], "tls_certificate": ours[0], "tls_key": ours[1]}
    with scripted(Script(objects_of(pacs)), tls=context) as running:
        address = running.address.replace("dicom:", "dicoms:")

        assert isinstance(exported(address, tmp_path, **shown), Exported)

        for wrong in (shown | {"tls_ca": ours[0]}, {"tls_ca": theirs[0]}):
            with pytest.raises(PeerError, match="by TLS"):
                exported(address, tmp_path, patience_minutes=0, **wrong)


def test_a_certificate_that_is_not_there_is_a_setting_to_mend(tmp_path):
    with pytest.raises(SettingsError) as error:
        exported("dicoms://PACS@127.0.0.1:1", tmp_path, tls_ca=tmp_path / "none.pem")

    assert "tls_ca" in error.value.hint


def test_without_its_library_the_extra_is_named(tmp_path, monkeypatch):
    def missing(name, *args, **kwargs):
        if name == "pipelines.peers.association":
            raise ModuleNotFoundError(name="pynetdicom")
        return real(name, *args, **kwargs)

    real = __import__
    monkeypatch.delitem(sys.modules, "pipelines.peers.dimse", raising=False)
    monkeypatch.setattr("builtins.__import__", missing)

    with pytest.raises(PeerError) as error:
        opening.open_node("dicom://PACS@127.0.0.1:1", ExportSettings(), None)

    assert ".[pacs]" in error.value.hint
