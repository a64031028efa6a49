"""What `convert` is measured with, and on what it makes; run as a process of its own.

series COUNT SYNTAX FOLDER   one chest CT of 512 x 512 at 0.8 mm, made from real slices
batch COUNT FROM FOLDER      copies of a series as studies of their own
frames FROM FOLDER           the bare compressed frames of every tenth instance
plain FROM FOLDER            the thinned and the full volume, to be packed alone
real FOLDER                  whole real series of several makers, to be packed alone
check FROM OUT               how large OUT is, and whether its voxels are those of FROM (JSON)
headers FROM                 microseconds a header: mosmed, pydicom, a bare read (JSON)
"""

import json
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.misc import is_dicom

from pipelines.phantom.encoding import pixel_data
from pipelines.phantom.instances import instance_dataset
from pipelines.phantom.noise import made_uid
from pipelines.phantom.spec import SeriesSpec, Syntax

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "chest_siemens_8mm"
MAKERS = {
    "Siemens, soft": ("chest_siemens_8mm", "B40f"),
    "Siemens, sharp": ("chest_siemens_8mm", "B70f"),
    "GE": ("chest_ge_16", "STANDARD"),
    "Philips, head": ("head_phantom_philips", "UB"),
}
STEP_MM, EVERY, PROBE_BYTES = 0.8, 10, 8192
SYNTAXES = {
    "raw": Syntax.EXPLICIT_LITTLE,
    "jpeg": Syntax.JPEG_LOSSLESS,
    "j2k": Syntax.JPEG_2000,
}


def series(count: str, syntax: str, folder: str) -> None:
    """Slices from the feet up, numbered from 1; the pixels are real, and repeat."""
    out = Path(folder)
    out.mkdir(parents=True)
    templates = _templates()
    spec = SeriesSpec(syntax=SYNTAXES[syntax], bits_stored=12, is_signed=False)
    frames = [pixel_data(one.pixel_array.astype(np.uint16), spec) for one in templates]
    for k in range(int(count)):
        dataset = templates[k % len(templates)]
        dataset.PixelData = frames[k % len(templates)]
        dataset["PixelData"].VR = "OB" if spec.syntax.is_encapsulated else "OW"
        uid = made_uid("bench", k)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.file_meta.TransferSyntaxUID = spec.syntax
        dataset.InstanceNumber = k + 1
        dataset.ImagePositionPatient = [-173.17, -294.17, round(k * STEP_MM - 120, 3)]
        dataset.SliceLocation = round(k * STEP_MM - 120, 3)
        dataset.SliceThickness = 1
        dataset.save_as(out / f"IM{k + 1:05d}.dcm", enforce_file_format=True)


def _templates() -> list[pydicom.Dataset]:
    paths = sorted(REAL.rglob("*.dcm"))
    real = [one for one in map(pydicom.dcmread, paths) if one.ConvolutionKernel == "B40f"]
    if real:
        return real
    noise = np.random.default_rng(0).normal(1000, 60, (8, 512, 512)).astype(np.int16)
    spec = SeriesSpec(bits_stored=12, is_signed=False, rescale_intercept=-1024)
    return [instance_dataset(spec, k, plane - 1024) for k, plane in enumerate(noise)]


def batch(count: str, source: str, folder: str) -> None:
    for study in range(int(count)):
        out = Path(folder) / f"study{study:02d}"
        out.mkdir(parents=True)
        for path in sorted(Path(source).iterdir()):
            dataset = pydicom.dcmread(path)
            dataset.StudyInstanceUID = made_uid("bench study", study)
            dataset.SeriesInstanceUID = made_uid("bench series", study)
            dataset.save_as(out / path.name, enforce_file_format=True)


def frames(source: str, folder: str) -> None:
    out = Path(folder)
    out.mkdir()
    for path in sorted(Path(source).iterdir()):
        dataset = pydicom.dcmread(path)
        if dataset.InstanceNumber % EVERY == 0:
            [frame] = generate_frames(dataset.PixelData, number_of_frames=1)
            (out / path.stem).write_bytes(frame)


def plain(source: str, folder: str) -> None:
    out = Path(folder)
    out.mkdir()
    planes = np.stack([_hu(pydicom.dcmread(path)) for path in sorted(Path(source).iterdir())])
    (out / "full.raw").write_bytes(planes.tobytes())
    (out / "thinned.raw").write_bytes(planes[EVERY - 1 :: EVERY].tobytes())


def real(folder: str) -> None:
    out = Path(folder)
    out.mkdir()
    for name, kernel in MAKERS.values():
        files = [path for path in (REAL.parent / name).rglob("*") if path.is_file()]
        read = [pydicom.dcmread(path) for path in files if is_dicom(path)]
        slices = [one for one in read if one.get("ConvolutionKernel") == kernel]
        slices.sort(key=lambda one: one.ImagePositionPatient[2])
        if slices:
            np.stack([_hu(one) for one in slices]).tofile(out / f"{name}-{kernel}.raw")


def _hu(dataset: pydicom.Dataset) -> np.ndarray:
    return (dataset.pixel_array.astype(np.int32) + int(dataset.RescaleIntercept)).astype(np.int16)


def check(source: str, out: str) -> None:
    """The largest volume of OUT against the slices of the series that lie where its own do."""
    files = [path for path in Path(out).rglob("*") if path.is_file()]
    volumes = [path for path in files if ".nii" in path.name]
    told = {"mb": round(sum(path.stat().st_size for path in volumes) / 1e6, 1)}
    if volumes:
        told |= _compared(max(volumes, key=lambda path: path.stat().st_size), Path(source))
    sys.stdout.write(json.dumps(told))


def _compared(volume: Path, source: Path) -> dict[str, object]:
    image = nibabel.Nifti1Image.from_filename(volume)
    canonical = nibabel.as_closest_canonical(image)
    voxels, affine = np.asanyarray(canonical.dataobj), canonical.affine
    paths, first = sorted(source.glob("*.dcm")), float(affine[2, 3])
    worst_hu = worst_mm = 0.0
    for k in range(voxels.shape[2]):
        z = float(affine[2] @ [0, 0, k, 1])
        dataset = pydicom.dcmread(paths[round((z + 120) / STEP_MM)])
        worst_mm = max(worst_mm, abs(z - float(dataset.ImagePositionPatient[2])))
        theirs = voxels[:, :, k].T[::-1, ::-1].astype(float)  # RAS: both axes run against LPS
        worst_hu = max(worst_hu, float(np.abs(theirs - _hu(dataset)).max()))
    return {"slices": voxels.shape[2], "hu_off": worst_hu, "mm_off": worst_mm, "first_mm": first}


def headers(source: str) -> None:
    """The fastest of seven rounds over all files, in microseconds of CPU a file."""
    from pipelines.io.headers import read_header

    def bare(path: Path) -> None:
        with path.open("rb") as file:
            file.read(PROBE_BYTES)

    def whole(path: Path) -> None:
        pydicom.dcmread(path, stop_before_pixels=True)

    paths = sorted(Path(source).iterdir())
    told = {}
    for name, read in (("mosmed", read_header), ("pydicom", whole), ("open and read", bare)):
        seconds = []
        for _ in range(7):
            start = time.process_time()
            for path in paths:
                read(path)
            seconds.append(time.process_time() - start)
        told[name] = round(min(seconds) / len(paths) * 1e6, 1)
    sys.stdout.write(json.dumps(told))


COMMANDS = {one.__name__: one for one in (series, batch, frames, plain, real, check, headers)}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
