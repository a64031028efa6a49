"""A run that brings only what thinning keeps: the dataset of the six steps, to the byte."""

import json
import shutil

import pydicom
import pytest

from pipelines.io.slice_table import TABLE_NAME
from tests.workspaces import looked_at_first, make_workspace, mosmed, mosmed_json


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """A workspace by the six steps, and one that thins early."""
    roots = []
    for name, options in (("whole", ()), ("early", ("--thin-early",))):
        root = make_workspace(tmp_path_factory.mktemp(name) / "demo")
        done = mosmed("run", "-w", root, "--jobs", 1, *options)
        assert done.exit_code == 3, done.output
        roots.append(root)
    return roots


def told(root):
    """The failures of a run by stage and code."""
    report = mosmed_json("status", "-w", root)
    return {
        (stage["stage"], reason["code"], tuple(sorted(reason["studies"])))
        for stage in report["stages"]
        for reason in stage["reasons"]
    }


def test_a_run_that_thins_early_publishes_the_same_bytes(roots):
    whole, early = roots

    assert looked_at_first(early) == looked_at_first(whole)
    assert len(looked_at_first(early)) > 12


def test_a_run_that_thins_early_refuses_the_same_studies_by_the_same_codes(roots):
    whole, early = roots
    config = (early / "mosmed.toml").read_text()
    (early / "mosmed.toml").write_text(config.replace("# thin_early = false", "thin_early = true"))

    assert told(early) == told(whole)
    assert {code for _, code, _ in told(early)} >= {"SLICE_GAP", "TRUNCATED_FILE"}


def test_nine_tenths_of_the_slices_are_never_brought(roots):
    whole, early = (root / "private/export" for root in roots)
    thinned = sorted(table.parent.name for table in early.glob(f"*/{TABLE_NAME}"))

    assert len(thinned) >= 6
    for name in thinned:
        brought = len(list((early / name / "series").iterdir()))
        assert brought == len(list((whole / name / "series").iterdir())) // 10
    assert not list(whole.glob(f"*/{TABLE_NAME}"))


def test_the_table_that_leaves_anonymize_holds_numbers_and_keyed_uids_alone(roots):
    _, early = roots
    for table in sorted((early / "work/anonymize").glob(f"*/{TABLE_NAME}")):
        rows = json.loads(table.read_text())
        private = json.loads(
            (early / "private/export" / table.parent.name / TABLE_NAME).read_text()
        )

        uids = {row.pop("sop_instance_uid") for row in rows}
        assert all(uid.startswith("2.25.") for uid in uids)
        assert not uids & {row["sop_instance_uid"] for row in private}
        numbers = [n for row in rows for v in row.values() for n in (v if type(v) is list else [v])]
        assert all(isinstance(number, int | float | None) for number in numbers)
        assert {path.stem for path in table.parent.glob("*.dcm")} < uids


def test_a_study_with_a_mask_is_brought_whole(roots):
    _, early = roots
    masked = [path.parent for path in (early / "private/export").glob("*/mask*")]

    assert masked
    assert not any((folder / TABLE_NAME).exists() for folder in masked)


def test_other_rules_of_thinning_bring_other_slices(roots, tmp_path):
    _, early = roots
    root = tmp_path / "demo"
    shutil.copytree(early, root)
    table = next((root / "private/export").glob(f"*/{TABLE_NAME}"))

    mosmed("run", "-w", root, "--jobs", 1, "--thin-early")
    kept = [path.name for path in (table.parent / "series").iterdir()]
    config = (root / "mosmed.toml").read_text().replace("# every = 10", "every = 5")
    (root / "mosmed.toml").write_text(config)
    mosmed("run", "-w", root, "--jobs", 1, "--thin-early")

    assert len(list((table.parent / "series").iterdir())) >= 2 * len(kept)


def test_a_slice_that_is_not_what_the_table_says_fails_its_study(roots, tmp_path):
    from pipelines import convert
    from pipelines.core.convert_settings import ConvertSettings
    from pipelines.core.errors import ItemError
    from tests.test_stage_convert import deidentified

    _, early = roots
    source = tmp_path / "study"
    table = next((early / "work/anonymize").glob(f"*/{TABLE_NAME}"))
    shutil.copytree(table.parent, source)
    path = next(source.glob("*.dcm"))
    dataset = pydicom.dcmread(path)
    dataset.ImagePositionPatient[2] += 1
    dataset.save_as(path)

    for damage in (lambda: None, path.unlink):
        damage()
        out = tmp_path / f"out{path.exists()}"
        out.mkdir()
        with pytest.raises(ItemError) as caught:
            convert.work(deidentified(), ConvertSettings(), source, out)
        assert caught.value.code == "INCOMPLETE_STUDY"
