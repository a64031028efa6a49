"""Every trap of `tests/edge`: the volume is the truth, or the series is refused by its code."""

import json
import os

import pytest

from pipelines.core.faults import FAULTS
from tests.edge.folder import case_of, volumes_of, write_cases
from tests.edge.grading import fault_of
from tests.edge.pixel_cases import CASES
from tests.edge.series import Base
from tests.workspaces import contents, mosmed, mosmed_json

EVERY = 10


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    """The folder of the cases and of what two commands made of it, and the truth."""
    root = tmp_path_factory.mktemp("edge")
    made = write_cases(root / "cases", Base())
    for stage, source, out, *options in (
        ("convert", "cases", "full"),
        ("thin", "full", "thin"),
        ("convert", "cases", "short", "--thin"),
    ):
        done = mosmed(stage, root / source, root / out, "--json", "--jobs", 1, *options)
        (root / f"{out}.json").write_text(done.stdout)
    return root, made


def told(root, out):
    """The codes of failures and the rules of exclusion, by case."""
    report = json.loads((root / f"{out}.json").read_text())
    by_case = {name: set() for name in CASES}
    for item in report["failed"]:
        by_case[case_of(item["public_id"])].add(item["code"])
    for item in report["excluded"]:
        by_case[case_of(item["public_id"])].add(item["rule"])
    return by_case


def published_part(truth):
    """The slices that thinning has to keep, found without the project's code."""
    upward = sorted(truth, key=lambda one: one.position_mm[2])
    numbers = [one.number for one in upward]
    first = numbers[0] or 0
    counts = [list(range(first, first + s * len(numbers), s)) for s in (1, -1)]
    counted = numbers if numbers in counts else range(1, len(numbers) + 1)
    return [one for one, number in zip(upward, counted, strict=True) if number % EVERY == 0]


@pytest.mark.parametrize("name", CASES)
def test_a_trap_ends_in_right_volumes_or_in_its_code(edge, name):
    root, made = edge
    case, volumes = CASES[name], volumes_of(root / "full", name)

    assert told(root, "full")[name] == case.codes
    assert len(volumes) == case.volumes
    truths = list(made[name].truths)
    for volume in volumes:
        faults = [fault_of(volume, truth, hu_tolerance=0) for truth in truths]
        assert "" in faults, faults
        truths.pop(faults.index(""))  # two volumes are two truths


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.volumes])
def test_what_is_kept_of_a_right_volume_is_right(edge, name):
    root, made = edge
    volumes = volumes_of(root / "thin", name)
    parts = [published_part(truth) for truth in made[name].truths]

    if not any(parts):
        assert told(root, "thin")[name] == {"NOTHING_KEPT"}
        assert not volumes
        return
    assert len(volumes) == CASES[name].volumes
    for volume in volumes:
        faults = [fault_of(volume, part, hu_tolerance=0) for part in parts]
        assert "" in faults, faults
        step_mm = json.loads(volume.with_suffix("").with_suffix(".json").read_text())
        assert step_mm["thinned_every"] == EVERY


def test_the_short_way_comes_to_the_same_bytes_and_the_same_codes(edge):
    root, _ = edge

    assert contents(root / "short") == contents(root / "thin")
    full, thin, short = (told(root, out) for out in ("full", "thin", "short"))
    assert short == {name: full[name] | thin[name] for name in CASES}


def test_nothing_ended_in_an_error_that_nobody_expected(edge):
    root, _ = edge
    for out in ("full", "thin", "short"):
        report = json.loads((root / f"{out}.json").read_text())
        codes = {failed["code"] for failed in report["failed"]}

        assert codes <= set(FAULTS)
        assert not codes & {"INTERNAL", "WORKER_DIED", "DISK", "READERS_DISAGREE"}
        assert report["exit_status"] == 3


def test_workers_and_a_second_call_give_the_same_bytes(edge, tmp_path):
    root, _ = edge

    mosmed("convert", root / "cases", tmp_path / "two", "--jobs", 2)
    again = mosmed_json("convert", root / "cases", tmp_path / "two")

    assert contents(tmp_path / "two") == contents(root / "full")
    assert not again["done"]


# --- files that are no plain files


def only_case(tmp_path, name="instance_ascending"):
    base = Base()
    made = CASES[name].make(base)
    folder = tmp_path / "in"
    folder.mkdir()
    for file, data in made.files(name, base).items():
        (folder / file).write_bytes(data)
    return folder, made.truths[0]


def test_links_and_pipes_are_told_and_not_followed(tmp_path):
    folder, truth = only_case(tmp_path)
    outside = tmp_path / "outside.dcm"
    outside.write_bytes(next(folder.iterdir()).read_bytes())
    (folder / "link.dcm").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "dangling.dcm").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.dcm")

    report = mosmed_json("convert", folder, tmp_path / "out")

    assert fault_of(tmp_path / "out" / "in.nii.gz", truth, hu_tolerance=0) == ""
    [excluded] = report["excluded"]
    for name in ("link.dcm", "loop", "dangling.dcm", "pipe.dcm"):
        assert name in excluded["reason"]


def test_a_slice_that_is_only_a_link_is_a_gap(tmp_path):
    folder, _ = only_case(tmp_path)
    middle = folder / "IM000013.dcm"
    middle = sorted(folder.iterdir())[11]
    outside = middle.replace(tmp_path / "elsewhere.dcm")
    middle.symlink_to(outside)

    report = mosmed_json("convert", folder, tmp_path / "out")

    assert [failed["code"] for failed in report["failed"]] == ["SLICE_GAP"]
    assert not list((tmp_path / "out").rglob("*.nii*"))


@pytest.mark.parametrize(
    "folder", ["with spaces", "КТ грудной клетки", "x" * 200, "new\nline", "a;b$(c)"]
)
def test_any_name_of_a_folder_works(tmp_path, folder):
    source, truth = only_case(tmp_path)
    source = source.rename(tmp_path / folder)

    done = mosmed("convert", source, tmp_path / "out")

    assert done.exit_code == 0, done.output
    [volume] = (tmp_path / "out").rglob("*.nii.gz")
    assert fault_of(volume, truth, hu_tolerance=0) == ""


def test_another_volume_of_that_name_is_left_alone(tmp_path):
    folder, _ = only_case(tmp_path)
    there = tmp_path / "out" / "in.nii.gz"
    there.parent.mkdir()
    there.write_bytes(b"another")

    report = mosmed_json("convert", folder, tmp_path / "out")

    assert [failed["code"] for failed in report["failed"]] == ["OUTPUT_EXISTS"]
    assert there.read_bytes() == b"another"
