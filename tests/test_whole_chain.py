"""The main job: the sample's RIS export and PACS folder in, a MosMedData-shaped dataset out."""

import contextlib
import gzip
import shutil

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from pipelines.io.tables import read_table
from tests.workspaces import KEY, SAMPLE, contents, make_workspace, mosmed, mosmed_json

STAGES = ("export", "anonymize", "convert", "thin")


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    root = make_workspace(tmp_path_factory.mktemp("demo") / "demo")
    done = mosmed("run", "-w", root, "--jobs", 2)
    assert done.exit_code == 3, done.output
    return root


@pytest.fixture(scope="session")
def registry(demo):
    return pd.read_excel(demo / "dataset" / "dataset_registry.xlsx")


def test_the_registry_reads_as_the_published_one(registry):
    assert list(registry.columns) == ["study_id", "category", "study_file", "mask_file"]
    assert registry.study_id.dtype == np.int64
    assert list(registry.study_id) == list(range(1, 13))
    assert list(registry.category) == sorted(registry.category)
    for row in registry.itertuples():
        assert row.study_file == f"/studies/{row.category}/study_{row.study_id:04d}.nii.gz"
    masked = registry[registry.mask_file.notna()]
    assert len(masked) == 4
    for row in masked.itertuples():
        assert row.mask_file == f"/masks/study_{row.study_id:04d}_mask.nii.gz"


def test_studies_with_masks_come_first_in_their_category(registry):
    for _, rows in registry.groupby("category"):
        has_mask = list(rows.mask_file.notna())
        assert has_mask == sorted(has_mask, reverse=True)


def test_the_registry_and_the_files_name_each_other(demo, registry):
    named = {path for column in ("study_file", "mask_file") for path in registry[column].dropna()}
    there = {f"/{path}" for path in contents(demo / "dataset") if path.endswith(".nii.gz")}

    assert named == there


def test_nibabel_and_simpleitk_read_the_same_volumes_with_a_step_of_8_mm(demo, registry):
    for path in registry.study_file:
        image = nib.load(f"{demo}/dataset{path}")
        other = sitk.ReadImage(f"{demo}/dataset{path}")

        voxels = np.asarray(image.dataobj)
        np.testing.assert_array_equal(voxels, sitk.GetArrayFromImage(other).T)
        assert image.header.get_zooms()[2] == pytest.approx(8.0, abs=1e-6)
        assert nib.aff2axcodes(image.affine) == ("L", "A", "S")
        for index in ((0, 0, 0), (5, 7, 2)):
            lps = other.TransformIndexToPhysicalPoint(index)
            ras = image.affine @ (*index, 1)
            np.testing.assert_allclose(ras[:3], (-lps[0], -lps[1], lps[2]), atol=1e-3)


def test_every_mask_lies_on_its_image(demo, registry):
    for row in registry.dropna().itertuples():
        image, mask = (nib.load(f"{demo}/dataset{p}") for p in (row.study_file, row.mask_file))

        assert mask.shape == image.shape
        np.testing.assert_allclose(mask.affine, image.affine, atol=1e-5)
        marked = np.asarray(image.dataobj)[np.asarray(mask.dataobj) == 1]
        assert -700 <= marked.mean() <= -130


def test_every_study_opened_ends_in_exactly_one_place(demo, registry):
    report = mosmed_json("status", "-w", demo)

    fell_out = sum(len(r["studies"]) for s in report["stages"] for r in s["reasons"])
    assert report["opened"] == len(registry) + fell_out
    assert report["shortfall"] == {}
    for before, after in zip(report["stages"], report["stages"][1:], strict=False):
        came = after["done"] + after["kept"] + after["excluded"] + after["failed"]
        assert came == before["done"] + before["kept"]


def test_what_a_dataset_should_have_before_it_is_given_away_is_told(demo, monkeypatch):
    told = mosmed("status", "-w", demo).stdout
    monkeypatch.setenv("MOSMED_REGISTRY_HOLDER", "City Hospital 1")

    assert "set under [registry]: holder, contact, release_date\n" in told
    assert mosmed_json("status", "-w", demo)["untold"] == ["contact", "release_date"]


def test_nothing_of_the_ris_is_in_any_byte_of_the_dataset(demo):
    table = read_table(SAMPLE / "ris_export.xlsx")
    secret = ("Номер исследования", "UID исследования", "ID пациента", "ФИО пациента")
    values = {str(row[title]) for _, row in table.rows for title in secret if row[title]}
    values |= {part for value in values for part in value.split() if len(part) > 4}
    assert len(values) > 50

    for place in ("dataset", "work"):
        for name, data in contents(demo / place).items():
            plain = gzip.decompress(data) if name.endswith(".gz") else data
            head = plain[:352] if name.endswith(".gz") else plain.partition(b"\xe0\x7f\x10\x00")[0]
            for value in values:
                assert value not in name
                assert not any(spelling in head for spelling in spellings(value))


def spellings(value):
    """The bytes of a value in the character sets of a Russian hospital."""
    for encoding in ("utf-8", "cp1251", "koi8-r", "iso8859-5", "utf-16-le"):
        for text in (value, value.upper(), value.lower()):
            with contextlib.suppress(UnicodeEncodeError):  # a Latin-1 name in a Cyrillic set
                yield text.encode(encoding)


def test_what_is_private_is_for_the_owner_alone(demo):
    assert (demo / "private").stat().st_mode & 0o077 == 0
    for name in ("key", "linkage.xlsx", "mosmed.log"):
        assert (demo / "private" / name).stat().st_mode & 0o077 == 0
    for name, data in contents(demo).items():
        assert KEY.encode() not in data or name == "private/key"


def test_a_second_run_does_no_work_but_to_try_again_what_failed(demo):
    before = {path: path.stat().st_mtime_ns for path in (demo / "dataset").rglob("*")}

    report = mosmed_json("run", "-w", demo, "--jobs", 1)

    assert {stage["stage"]: stage["done"] for stage in report["stages"]} == dict.fromkeys(
        (*STAGES, "build-registry"), 0
    )
    assert {path: path.stat().st_mtime_ns for path in (demo / "dataset").rglob("*")} == before


def test_one_job_and_seven_commands_by_hand_give_the_same_bytes(demo, tmp_path):
    root = make_workspace(tmp_path / "by_hand")
    select = mosmed("select", "-w", root)
    assert f"next: mosmed export -w {root}" in select.output
    for stage in STAGES * 2:  # the second time round for the reserves
        done = mosmed(stage, "-w", root, "--jobs", 1)
        assert done.exit_code in (0, 3), done.output
        assert "next: mosmed " in done.output
    done = mosmed("build-registry", "-w", root)

    assert done.exit_code == 3, done.output
    assert contents(root / "dataset") == contents(demo / "dataset")


def test_the_dataset_does_not_depend_on_where_the_pacs_lies_or_how_it_is_packed(demo, tmp_path):
    pacs = tmp_path / "another place" / "архив"
    shutil.copytree(SAMPLE / "pacs", pacs)
    for number, folder in enumerate(sorted(pacs.iterdir())):
        if folder.is_dir() and number % 2:
            shutil.make_archive(str(folder), "zip", folder)
            shutil.rmtree(folder)

    root = make_workspace(tmp_path / "moved", pacs=pacs)
    mosmed("run", "-w", root, "--jobs", 1)

    assert contents(root / "dataset") == contents(demo / "dataset")


def test_why_tells_the_whole_way_of_a_published_study(demo):
    way = mosmed_json("why", "study_0001", "-w", demo)["way"]

    assert {step["stage"] for step in way} == {"select", *STAGES, "build-registry"}
    decided = [(s["stage"], s["rule"], s["value"]) for s in way if s["rule"] != "files"]
    assert len(set(decided)) == len(decided)


def test_why_tells_the_rule_for_a_row_that_was_not_drawn(demo):
    reasons = {}
    table = read_table(SAMPLE / "ris_export.xlsx")
    for _, row in table.rows:
        if row["Номер исследования"]:
            name = row["Номер исследования"]
            result = mosmed_json("why", name, "-w", demo)
            last = result["way"][-1]
            reasons.setdefault((last["stage"], last["rule"]), []).append(name)

    assert {"age", "pregnancy", "spo2", "payer", "referrer", "facility", "window"} <= {
        rule for stage, rule in reasons if stage == "select"
    }
    assert ("export", "NOT_IN_ARCHIVE") in reasons
    assert ("convert", "SLICE_GAP") in reasons


def test_a_changed_setting_makes_stale_just_its_own_stage_and_what_follows(demo, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(demo, root)

    report = mosmed_json("thin", "-w", root, "--every", 20)

    export, anonymize, convert, thin = report["stages"][:4]
    assert [stage["done"] for stage in (export, anonymize, convert)] == [0, 0, 0]
    off_grid = [r["studies"] for r in thin["reasons"] if r["code"] == "MASK_OFF_GRID"]
    assert len(off_grid[0]) == 2  # the masks that were drawn on every 10th slice
    assert (thin["done"], thin["failed"]) == (10, 2)


def test_a_stage_that_came_too_early_names_the_one_before_it(tmp_path):
    root = make_workspace(tmp_path / "early")
    mosmed("select", "-w", root)

    assert "next: mosmed export" in mosmed("thin", "-w", root).output


def test_a_setting_that_holds_for_one_command_only_is_told(tmp_path):
    root = make_workspace(tmp_path / "flags")

    asked = mosmed("select", "-w", root, "--studies", 3, "--dry-run")
    as_it_stands = mosmed("select", "-w", root, "--studies", 12, "--dry-run")

    assert "`studies` under [select] is changed for this command only" in asked.stderr
    assert "for this command only" not in as_it_stands.stderr


def test_a_dry_run_counts_what_a_run_would_begin_with_in_the_order_of_the_stages(demo, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(demo, root)
    settings = (root / "mosmed.toml").read_text().replace("# every = 10", "every = 5")
    (root / "mosmed.toml").write_text(settings)

    pending = mosmed_json("run", "-w", root, "--dry-run")["pending"]

    assert list(pending) == [stage for stage in STAGES if stage in pending]
    assert pending["thin"] > pending["export"] > 0


def test_a_file_that_is_lost_is_made_again_to_the_same_bytes(demo, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(demo, root)
    lost = sorted((root / "work" / "convert").glob("s*/volume.nii"))[3]
    before = lost.read_bytes()
    lost.unlink()

    report = mosmed_json("run", "-w", root, "--jobs", 1)

    assert {s["stage"]: s["done"] for s in report["stages"]}["convert"] == 1
    assert lost.read_bytes() == before


def test_a_file_of_somebody_else_in_the_dataset_is_not_removed(demo, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(demo, root)
    (root / "dataset" / "notes.txt").write_text("mine")

    result = mosmed("build-registry", "-w", root, "--name", "Another")

    assert result.exit_code == 1
    assert "notes.txt" in result.output
    assert (root / "dataset" / "notes.txt").read_text() == "mine"


def test_too_few_studies_to_draw_from_is_said(tmp_path):
    root = make_workspace(tmp_path / "greedy", studies=50)

    report = mosmed_json("run", "-w", root, "--jobs", 2)

    assert report["published"] == 12
    assert report["shortfall"] == {"all": 38}
    assert report["exit_status"] == 3


def test_a_dry_run_changes_nothing(tmp_path):
    root = make_workspace(tmp_path / "dry")
    before = contents(root)
    assert mosmed("select", "-w", root, "--dry-run").exit_code == 0
    mosmed("select", "-w", root)

    result = mosmed("run", "-w", root, "--dry-run")

    assert "export: 12 studies to do" in result.output
    assert set(before) < set(contents(root))
    assert not (root / "private" / "export").exists()
