import gzip
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import nibabel as nib
import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import build_registry
from pipelines.build_registry import build, number
from pipelines.core.errors import ItemError, SettingsError
from pipelines.core.model import Category, Sex
from pipelines.core.registry_settings import RegistrySettings
from pipelines.core.volumes import Thinned
from pipelines.publication.licences import LICENCES


def study(public_id, category, *, mask=False, value=0):
    return Thinned(
        public_id=public_id,
        category=category,
        patient_age_years=40 + value,
        patient_sex=Sex.FEMALE,
        patient_pseudonym=f"P-{public_id}",
        volume="volume.nii.gz",
        mask="mask.nii.gz" if mask else None,
        shape_ijk=(4, 4, 3),
        spacing_ijk_mm=(0.8, 0.8, 8.0),
        instance_numbers=(10, 20, 30),
        slices_before=35,
    )


def write_nifti(path, value):
    image = nib.Nifti1Image(np.full((4, 4, 3), value, np.int16), np.diag([-0.8, 0.8, 8, 1]))
    path.write_bytes(gzip.compress(image.to_bytes(), mtime=0))


def stored(parent, studies):
    """The studies with their files, each volume filled with a value of its own."""
    items = []
    for value, one in enumerate(studies):
        source = parent / one.public_id
        source.mkdir(parents=True)
        write_nifti(source / one.volume, value)
        if one.mask:
            write_nifti(source / one.mask, 1)
        items.append((one, source))
    return items


def small_cohort():
    return [
        study("sbbb", Category.CT_1, value=1),
        study("saaa", Category.CT_1, value=2),
        study("sddd", Category.CT_1, mask=True, value=3),
        study("sccc", None, value=4),
        study("seee", Category.CT_0, value=5),
        study("sfff", Category.CT_4, mask=True, value=6),
    ]


def contents(folder):
    return {
        str(path.relative_to(folder)): (
            oct(path.stat().st_mode & 0o7777),
            path.read_bytes() if path.is_file() else None,
        )
        for path in (folder, *folder.rglob("*"))
    }


def dataset(tmp_path, studies=None, settings=None):
    folder = tmp_path / "dataset"
    folder.mkdir()
    items = stored(tmp_path / "thin", small_cohort() if studies is None else studies)
    return build(items, settings or RegistrySettings(), folder), folder


IDS = st.integers(0, 16**12 - 1).map(lambda n: f"s{n:012x}")
COHORTS = st.lists(
    st.builds(study, IDS, st.sampled_from([*Category, None]), mask=st.booleans()),
    unique_by=lambda one: one.public_id,
    max_size=60,
)


@given(cohort=COHORTS, data=st.data())
def test_numbers_run_without_holes_through_the_categories_masks_first(cohort, data):
    rows = number(cohort)

    assert [row.study_id for row in rows] == list(range(1, len(rows) + 1))
    assert {row.public_id for row in rows} == {one.public_id for one in cohort if one.category}
    by_id = {one.public_id: one for one in cohort}
    assert all(row.category == by_id[row.public_id].category for row in rows)
    assert all((row.mask_file is None) == (by_id[row.public_id].mask is None) for row in rows)
    order = [(row.category, row.mask_file is None, row.public_id) for row in rows]
    assert order == sorted(order)
    assert number(data.draw(st.permutations(cohort))) == rows


@given(cohort=COHORTS)
def test_paths_follow_from_number_and_category(cohort):
    for row in number(cohort):
        assert row.study_file == f"/studies/{row.category}/study_{row.study_id:04d}.nii.gz"
        assert row.mask_file in {None, f"/masks/study_{row.study_id:04d}_mask.nii.gz"}


@pytest.mark.parametrize(("studies", "first"), [(9999, "study_0001"), (10_000, "study_00001")])
def test_numbers_get_more_digits_when_four_are_too_few(studies, first):
    rows = number([study(f"s{n:05d}", Category.CT_0) for n in range(studies)])

    assert rows[0].study_file == f"/studies/CT-0/{first}.nii.gz"
    assert len({len(row.study_file) for row in rows}) == 1


def test_two_studies_of_one_name_are_refused():
    with pytest.raises(ItemError) as raised:
        number([study("saaa", Category.CT_0), study("saaa", Category.CT_1)])

    assert raised.value.code == "DUPLICATE_STUDY"


def test_the_tree_is_that_of_the_published_dataset(tmp_path):
    _, folder = dataset(tmp_path)

    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == [
        "CHANGELOG.md",
        "DATASHEET.md",
        "LICENSE",
        "README_EN.md",
        "README_EN.pdf",
        "README_RU.md",
        "README_RU.pdf",
        "SHA256SUMS",
        "croissant.json",
        "data_dictionary.csv",
        "datacite.json",
        "dataset_registry.xlsx",
        "masks",
        "masks/study_0002_mask.nii.gz",
        "masks/study_0005_mask.nii.gz",
        "report.html",
        "studies",
        "studies.csv",
        "studies/CT-0",
        "studies/CT-0/study_0001.nii.gz",
        "studies/CT-1",
        "studies/CT-1/study_0002.nii.gz",
        "studies/CT-1/study_0003.nii.gz",
        "studies/CT-1/study_0004.nii.gz",
        "studies/CT-2",
        "studies/CT-3",
        "studies/CT-4",
        "studies/CT-4/study_0005.nii.gz",
    ]


def test_the_registry_is_read_as_users_read_it(tmp_path):
    _, folder = dataset(tmp_path)
    frame = pd.read_excel(folder / "dataset_registry.xlsx")

    assert list(frame.columns) == ["study_id", "category", "study_file", "mask_file"]
    assert frame["study_id"].dtype == np.int64
    assert list(frame["mask_file"].notna()) == [False, True, False, False, True]
    values = []
    for _, row in frame.iterrows():
        path = folder / ("." + row["study_file"])
        assert path.parent.name == row["category"]
        assert int(path.name[6:10]) == row["study_id"]
        values.append(int(nib.load(path).get_fdata()[0, 0, 0]))
        if isinstance(row["mask_file"], str):
            assert row["mask_file"].split("/")[-1] == path.name.replace(".nii", "_mask.nii")
            assert nib.load(folder / ("." + row["mask_file"])).get_fdata().min() == 1
    assert values == [4, 2, 1, 0, 5]  # seee, sddd, saaa, sbbb, sfff


def test_the_sheet_looks_as_published(tmp_path):
    _, folder = dataset(tmp_path)

    workbook = openpyxl.load_workbook(folder / "dataset_registry.xlsx")

    assert workbook.sheetnames == ["MosMedData COVID19_1110"]
    sheet = workbook.worksheets[0]
    assert sheet.dimensions == "A1:D6"
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == (None, None)
    widths = [sheet.column_dimensions[letter].width for letter in "ABCD"]
    assert widths == [8, 8.16, 27.83, 28]
    for cell in (sheet["A1"], sheet["A2"], sheet["C3"]):
        assert (cell.font.name, cell.font.size, cell.font.bold) == ("Calibri", 12, False)
    assert (sheet["A2"].data_type, sheet["A2"].number_format) == ("n", "0")
    with ZipFile(folder / "dataset_registry.xlsx") as archive:
        cells = re.findall(rb'r="D\d+"', archive.read("xl/worksheets/sheet1.xml"))
    assert cells == [b'r="D1"', b'r="D3"', b'r="D6"']


def test_a_study_without_a_category_is_excluded_and_published_nowhere(tmp_path):
    registry, folder = dataset(tmp_path)

    assert [(one.public_id, one.rule) for one in registry.excluded] == [("sccc", "category")]
    assert registry.excluded[0].reason
    assert registry.excluded[0].decisions
    assert len(registry.rows) + len(registry.excluded) == len(small_cohort())
    volumes = [path.read_bytes() for path in folder.rglob("study_????.nii.gz")]
    assert len(volumes) == 5
    assert (tmp_path / "thin/sccc/volume.nii.gz").read_bytes() not in volumes


def test_no_pseudonym_is_published(tmp_path):
    _, folder = dataset(tmp_path)

    published = contents(folder)
    with ZipFile(folder / "dataset_registry.xlsx") as archive:
        parts = [archive.read(name) for name in archive.namelist()]
    parts += [gzip.decompress(raw) for name, (_, raw) in published.items() if name.endswith("gz")]
    parts += [raw for _, raw in published.values() if raw] + [" ".join(published).encode()]
    for one in small_cohort():
        assert not [part for part in parts if one.public_id.encode() in part]


def test_the_dataset_does_not_depend_on_the_order_of_the_studies(tmp_path):
    items = stored(tmp_path / "thin", small_cohort())
    registries, folders = [], []
    for name, order in (("one", items), ("two", items[::-1])):
        folders.append(tmp_path / name)
        folders[-1].mkdir()
        registries.append(build(order, RegistrySettings(), folders[-1]))

    assert registries[0] == registries[1]
    assert contents(folders[0]) == contents(folders[1])


def test_the_dataset_does_not_depend_on_day_umask_time_zone_locale_or_working_directory(tmp_path):
    code = (
        "import os, sys, time; from pathlib import Path\n"
        "os.umask(int(sys.argv[2], 8))\n"
        "now = time.time() - 86400 * int(sys.argv[2])\n"
        "local, utc = time.localtime, time.gmtime\n"
        "time.time = lambda: now\n"
        "time.localtime = lambda seconds=None: local(now if seconds is None else seconds)\n"
        "time.gmtime = lambda seconds=None: utc(now if seconds is None else seconds)\n"
        "from test_stage_build_registry import build, dataset\n"
        "root = Path(sys.argv[1]); root.mkdir()\n"
        "dataset(root)\n"
    )
    made = []
    days = (("000", "Asia/Tokyo", "C", "/"), ("077", "UTC", "C.UTF-8", str(tmp_path)))
    for umask, zone, locale, cwd in days:
        root = tmp_path / umask
        environment = {
            "PYTHONPATH": ":".join([str(Path(__file__).parent), *map(os.path.abspath, sys.path)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TZ": zone,
            "LC_ALL": locale,
            "PYTHONHASHSEED": str(len(zone)),
        }
        command = [sys.executable, "-c", code, str(root), umask]
        subprocess.run(command, check=True, env=environment, cwd=cwd)
        made.append(contents(root / "dataset"))

    assert made[0] == made[1]
    assert {mode for mode, content in made[0].values() if content is None} == {"0o755"}
    assert {mode for mode, content in made[0].values() if content is not None} == {"0o644"}


@pytest.mark.parametrize(("mode", "linked"), [(0o644, True), (0o600, False), (0o444, False)])
def test_a_file_is_linked_unless_its_mode_would_have_to_change(tmp_path, mode, linked):
    items = stored(tmp_path / "thin", [study("saaa", Category.CT_0)])
    source = items[0][1] / "volume.nii.gz"
    source.chmod(mode)
    before = source.stat()
    (tmp_path / "dataset").mkdir()

    build(items, RegistrySettings(), tmp_path / "dataset")

    target = tmp_path / "dataset/studies/CT-0/study_0001.nii.gz"
    assert target.samefile(source) == linked
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_mode & 0o777 == 0o644
    assert source.stat().st_mode == before.st_mode


def test_files_are_copied_where_the_disk_has_no_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr(build_registry.os, "link", refuse)

    _, folder = dataset(tmp_path)

    copied = folder / "studies/CT-0/study_0001.nii.gz"
    assert copied.read_bytes() == (tmp_path / "thin/seee/volume.nii.gz").read_bytes()
    assert copied.stat().st_nlink == 1


def test_a_symbolic_link_a_missing_or_an_empty_file_or_a_path_is_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    faults = {
        "missing": lambda path: path.unlink(),
        "empty": lambda path: path.write_bytes(b""),
        "link": lambda path: (path.unlink(), path.symlink_to(secret)),
        "folder": lambda path: (path.unlink(), path.mkdir()),
    }
    for name, spoil in faults.items():
        for field in ("volume", "mask"):
            root = tmp_path / f"{name}-{field}"
            items = stored(root / "thin", [study("saaa", Category.CT_0, mask=True)])
            spoil(items[0][1] / getattr(items[0][0], field))
            (root / "dataset").mkdir()
            with pytest.raises(ItemError) as raised:
                build(items, RegistrySettings(), root / "dataset")
            assert raised.value.code == f"UNREADABLE_{field.upper()}"
            assert str(tmp_path) not in raised.value.message


@pytest.mark.parametrize("name", ["../../secret", "/etc/hostname", "a/b", "..", ""])
def test_a_record_cannot_name_a_file_elsewhere(tmp_path, name):
    (tmp_path / "secret").write_text("secret")
    items = [(replace(study("saaa", Category.CT_0), volume=name), tmp_path / "thin" / "saaa")]
    items[0][1].mkdir(parents=True)
    (tmp_path / "dataset").mkdir()

    with pytest.raises(ItemError, match="saaa"):
        build(items, RegistrySettings(), tmp_path / "dataset")


@pytest.mark.parametrize("settings", [{"name": "x" * 40}, {"name": "a:b"}, {"licence": "MIT"}])
def test_a_setting_that_cannot_be_used_is_refused_before_anything_is_written(tmp_path, settings):
    with pytest.raises(SettingsError):
        dataset(tmp_path, settings=RegistrySettings(**settings))

    assert list((tmp_path / "dataset").iterdir()) == []


def test_no_studies_make_an_empty_dataset_that_can_be_read(tmp_path):
    registry, folder = dataset(tmp_path, [])

    assert (registry.rows, registry.excluded) == ((), ())
    assert pd.read_excel(folder / "dataset_registry.xlsx").empty
    assert "| Number of studies | 0 |" in (folder / "README_EN.md").read_text("utf-8")


def test_readme_and_licence_tell_what_the_settings_and_the_records_say(tmp_path):
    settings = RegistrySettings(licence="CC-BY-4.0", holder="Городская больница", version="2.1")

    _, folder = dataset(tmp_path, settings=settings)

    licence = (folder / "LICENSE").read_bytes().decode("utf-8")
    assert licence.endswith(LICENCES["CC-BY-4.0"].text)
    assert "Городская больница" in licence
    for name in ("README_EN.md", "README_RU.md"):
        text = (folder / name).read_bytes().decode("utf-8")
        assert "https://creativecommons.org/licenses/by/4.0/" in text
        assert "by-nc" not in text
        assert "Городская больница" in text
        assert "| 2.1 |" in text
        assert "| 5 |" in text
        assert "| 41 / 43 / 46 |" in text
