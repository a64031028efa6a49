import errno
import os
import stat
import subprocess
import sys

import pytest

from pipelines.core.errors import WorkspaceError
from pipelines.io import disk, sealing
from pipelines.io.disk import swap_in, write_whole
from pipelines.io.sealing import is_whole, seal
from pipelines.io.workspace import Workspace


def folder_with(path, **files):
    for name, text in files.items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return path


def test_what_was_sealed_is_whole_until_a_file_goes_grows_or_comes(tmp_path):
    folder = folder_with(tmp_path / "made", a="one", b="two")

    outputs = seal(folder)

    assert (outputs.files, outputs.size_bytes) == (2, 6)
    assert is_whole(folder, outputs)
    (folder / "a").write_text("longer")
    assert not is_whole(folder, outputs)
    (folder / "a").unlink()
    assert not is_whole(folder, outputs)
    assert not is_whole(tmp_path / "absent", outputs)


def test_the_seal_depends_on_names_and_contents_alone(tmp_path):
    first = folder_with(tmp_path / "first", a="one", b="two")
    second = folder_with(tmp_path / "second", b="two", a="one")
    os.utime(second / "a", (0, 0))

    assert seal(first) == seal(second)
    assert seal(folder_with(tmp_path / "third", a="two", b="one")) != seal(first)


def test_a_new_result_takes_the_place_of_the_old_one(tmp_path):
    place = folder_with(tmp_path / "place", old="old")
    made = folder_with(tmp_path / "made", new="new")

    swap_in(made, place)

    assert [path.name for path in tmp_path.iterdir()] == ["place"]
    assert [path.name for path in place.iterdir()] == ["new"]


def test_the_private_folder_is_for_the_owner_alone(tmp_path):
    Workspace(tmp_path).make_folders()

    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o700


def test_a_second_process_is_refused_until_the_first_has_died(tmp_path):
    holder = (
        "import sys; from pathlib import Path; from pipelines.io.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1])).locked():\n    print('held', flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"

    with pytest.raises(WorkspaceError, match="another mosmed"), Workspace(tmp_path).locked():
        pass
    process.kill()
    process.communicate()

    with Workspace(tmp_path).locked():
        pass


def test_what_a_killed_process_left_half_made_is_swept_away(tmp_path):
    folder_with(tmp_path / "work" / "thin" / ".part-s1", half="")
    kept = folder_with(tmp_path / "work" / "thin" / "s2", whole="")

    with Workspace(tmp_path).locked():
        pass

    assert list((tmp_path / "work" / "thin").iterdir()) == [kept]


@pytest.mark.parametrize("place", ["private", "private/quarantine/export", "work/thin", "."])
def test_nothing_half_made_is_left_wherever_it_was_made(tmp_path, place):
    folder_with(tmp_path / place / ".part-old-s1", half="")
    (tmp_path / place / ".part-linkage.xlsx").touch()

    with Workspace(tmp_path).locked():
        pass

    assert not list(tmp_path.rglob(".part-*"))


def test_what_others_have_laid_into_memory_under_our_name_is_not_touched(tmp_path):
    folder_with(tmp_path / "theirs", file="")
    workspace = Workspace(tmp_path / "w")
    workspace.root.mkdir()
    workspace.in_memory.symlink_to(tmp_path / "theirs")
    try:
        with workspace.locked():
            pass

        with pytest.raises(WorkspaceError, match="not ours alone"):
            workspace.make_in_memory()
        assert (tmp_path / "theirs" / "file").exists()
    finally:
        workspace.in_memory.unlink()


def test_a_disk_without_locks_is_no_other_process(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(disk.fcntl, "flock", flock)

    with pytest.raises(WorkspaceError, match="cannot be locked"), Workspace(tmp_path).locked():
        pass


def test_a_disk_that_syncs_no_folders_will_do(tmp_path, monkeypatch):
    sync = os.fsync

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(disk.os, "fsync", fsync)

    swap_in(folder_with(tmp_path / "made", new="new"), tmp_path / "place")
    write_whole(tmp_path / "file", b"whole")

    assert (tmp_path / "place" / "new").read_text() == "new"
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_a_file_that_is_for_the_owner_never_was_for_others(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("old")
    seen = []
    monkeypatch.setattr(
        disk.os, "fsync", lambda descriptor: seen.append(os.fstat(descriptor).st_mode & 0o777)
    )

    write_whole(tmp_path / "file", b"new", mode=0o600)

    assert seen[0] == (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_many_files_are_sealed_as_few_are(tmp_path, monkeypatch):
    folder = folder_with(tmp_path / "made", **{f"{number}/file": "x" for number in range(12)})
    at_once = seal(folder)
    monkeypatch.setattr(sealing, "FEW_FILES", 12)

    assert seal(folder) == at_once
    assert (at_once.files, at_once.size_bytes) == (12, 12)
