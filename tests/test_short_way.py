"""Converting and thinning at once: the bytes of the two stages, and their refusals."""

import gzip
import shutil

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.phantom.instances import write_series
from pipelines.phantom.lettering import lettered
from pipelines.phantom.spec import SeriesSpec, Syntax
from tests.workspaces import contents, mosmed, mosmed_json

ROOM = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


def voxels(slices, seed=0):
    shape = (slices, 24, 20)
    return np.random.default_rng(seed).integers(-1000, 1000, shape).astype(np.int16)


def both_ways(root, tmp_path, *options):
    """What the two stages leave one after the other, and what the short way leaves."""
    for name in ("full", "thinned", "short"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    mosmed("convert", root, tmp_path / "full", "--jobs", 1)
    mosmed("thin", tmp_path / "full", tmp_path / "thinned", "--jobs", 1, *options)
    done = mosmed("convert", root, tmp_path / "short", "--thin", "--jobs", 1, *options)
    assert done.exit_code == 0, done.output
    return contents(tmp_path / "thinned"), contents(tmp_path / "short")


@ROOM
@given(
    slices=st.integers(11, 30),
    every=st.integers(2, 9),
    syntax=st.sampled_from([Syntax.EXPLICIT_LITTLE, Syntax.RLE, Syntax.JPEG_2000, Syntax.DEFLATED]),
    by=st.sampled_from(["instance", "position"]),
    descending=st.booleans(),
    seed=st.integers(0, 9),
)
def test_the_short_way_leaves_the_bytes_of_the_two_stages(
    tmp_path, slices, every, syntax, by, descending, seed
):
    shutil.rmtree(tmp_path / "in", ignore_errors=True)
    numbers = range(slices, 0, -1) if descending else range(1, slices + 1)
    spec = SeriesSpec(syntax=syntax, instance_numbers=tuple(numbers))
    write_series(tmp_path / "in/a", spec, voxels(slices, seed))

    thinned, short = both_ways(tmp_path / "in", tmp_path, "--every", every, "--by", by)

    assert set(short) == {"a.nii.gz", "a.json"}
    assert short == thinned


def test_real_series_are_the_same_both_ways(shared_data, tmp_path):
    for folder in ("chest_siemens_8mm", "chest_ge_16", "head_phantom_philips"):
        thinned, short = both_ways(shared_data / folder, tmp_path, "--every", 3)

        assert short == thinned
        assert any(name.endswith(".nii.gz") for name in short)


def test_more_workers_leave_the_same_bytes(tmp_path):
    for name in "abc":
        write_series(
            tmp_path / "in" / name, SeriesSpec(accession_number=name), voxels(20, ord(name))
        )
    for jobs in (1, 2):
        mosmed("convert", tmp_path / "in", tmp_path / f"out{jobs}", "--thin", "--jobs", jobs)

    assert contents(tmp_path / "out1") == contents(tmp_path / "out2")
    assert len(contents(tmp_path / "out1")) == 6


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-40])


def without(keyword):
    def damage(path):
        dataset = pydicom.dcmread(path)
        delattr(dataset, keyword)
        dataset.save_as(path)

    return damage


def with_value(keyword, value):
    def damage(path):
        dataset = pydicom.dcmread(path)
        setattr(dataset, keyword, value)
        dataset.save_as(path)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        cut_short,
        without("ImagePositionPatient"),
        without("PixelData"),
        with_value("Rows", 12),
        with_value("PixelSpacing", [0.5, 0.9]),
        with_value("ImageOrientationPatient", [1, 0, 0, 0, 0, -1]),
        with_value("ConvolutionKernel", "OTHER"),
        with_value("LossyImageCompression", "01"),
        with_value("ImagePositionPatient", [0, 0, 0.5]),
        with_value("RescaleSlope", "0"),
        lambda path: shutil.copy(path, path.with_name("copy.dcm")) and with_value(
            "SOPInstanceUID", "1.2.3")(path.with_name("copy.dcm")),
    ],
    ids=["gone", "cut", "position", "pixels", "rows", "spacing", "orientation", "kernel", "lossy",
         "shifted", "slope", "copy"],
)  # fmt: skip
@pytest.mark.parametrize("syntax", [Syntax.EXPLICIT_LITTLE, Syntax.JPEG_2000])
def test_a_fault_in_a_slice_that_is_not_kept_is_refused_as_ever(tmp_path, damage, syntax):
    paths = write_series(tmp_path / "in/a", SeriesSpec(syntax=syntax), voxels(30))
    damage(paths[12])  # of 30 slices the tenth, twentieth and thirtieth would be kept

    full = mosmed_json("convert", tmp_path / "in", tmp_path / "full", "--jobs", 1)
    short = mosmed_json("convert", tmp_path / "in", tmp_path / "short", "--thin", "--jobs", 1)

    assert [f["code"] for f in short["failed"]] == [f["code"] for f in full["failed"]]
    assert bool(short["done"]) == bool(full["done"])
    if short["failed"]:
        assert not contents(tmp_path / "short")


def test_text_in_a_kept_slice_stops_the_short_way(tmp_path):
    burned = np.random.default_rng(1).integers(-40, 60, (20, 128, 128)).astype(np.int16)
    drawn = lettered(["PATIENT"], scale=1) > 0
    burned[9][20 : 20 + drawn.shape[0], 20 : 20 + drawn.shape[1]][drawn] = 2000
    write_series(tmp_path / "in/a", SeriesSpec(), burned)

    done = mosmed("convert", tmp_path / "in", tmp_path / "out", "--thin", "--jobs", 1)

    assert done.exit_code == 4
    assert not contents(tmp_path / "out")


def test_thinning_is_not_asked_for_by_halves(tmp_path):
    (tmp_path / "in").mkdir()

    idle = mosmed("convert", tmp_path / "in", tmp_path / "out", "--every", 5)
    homeless = mosmed("convert", "--thin")

    assert (idle.exit_code, homeless.exit_code) == (2, 2)
    assert "Add --thin" in idle.output
    assert "--thin-early" in homeless.output


@pytest.mark.parametrize("command", ["convert", "convert --thin", "thin"])
def test_how_hard_a_volume_is_packed_changes_its_size_alone(
    command, shared_data, tmp_path, monkeypatch
):
    source = shared_data / "chest_ge_16"
    if command == "thin":
        mosmed("convert", source, tmp_path / "full", "--jobs", 1)
        source = tmp_path / "full"
    packed = []
    for level in ("1", "6"):
        monkeypatch.setenv("MOSMED_CONVERT_GZIP_LEVEL", level)
        monkeypatch.setenv("MOSMED_THIN_GZIP_LEVEL", level)
        options = () if command == "convert" else ("--every", 2)
        mosmed(*command.split(), source, tmp_path / level, "--jobs", 1, *options)
        [path] = (tmp_path / level).rglob("*.nii.gz")
        packed.append(path.read_bytes())

    assert len(packed[1]) < len(packed[0])
    assert gzip.decompress(packed[1]) == gzip.decompress(packed[0])
