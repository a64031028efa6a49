"""The key of the pseudonyms: made once, for its owner alone, and refused where it is none."""

import errno

import pytest

from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.errors import SettingsError, WorkspaceError
from pipelines.io.keys import make_key, read_key
from tests.test_stage_anonymize import run


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path):
    path = tmp_path / "key"

    make_key(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert len(read_key(path)) == 32
    with pytest.raises(WorkspaceError):
        make_key(path)


def test_half_a_key_is_no_key(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    with pytest.raises(WorkspaceError, match="No space left"):
        make_key(tmp_path / "key")

    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize("content", ["", "5a" * 31, "5a" * 33, "zz" * 32, "\xff" * 64])
def test_what_is_no_key_is_refused(content, tmp_path):
    path = tmp_path / "key"
    path.write_text(content, encoding="latin-1")
    path.chmod(0o600)

    with pytest.raises(WorkspaceError):
        read_key(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(mode, tmp_path):
    path = tmp_path / "key"
    make_key(path)
    path.chmod(mode)

    with pytest.raises(WorkspaceError, match="read by others"):
        read_key(path)


def test_without_a_key_nothing_is_done(tmp_path):
    with pytest.raises(SettingsError):
        run(tmp_path, AnonymizeSettings())
