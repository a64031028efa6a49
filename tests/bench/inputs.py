"""Makes what is measured with; run as a process of its own (`python -m tests.bench.inputs ...`).

slices COUNT FOLDER   one CT series of 512 x 512, made from real slices, else from the phantom
canaries FOLDER       one slice with a canary in every place, and one whose name is echoed
rules FOLDER          the shipped rules: mosmed.deid for deid, rules.json for pydicom
key FILE              a fixed key: figures and bytes are the same another day
places                what it is made from, how many canaries and values of science (JSON)
check FOLDER OUT      which canaries OUT still holds, and which values of science it lost (JSON)
"""

import json
import sys
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.profile import profile, recipe_text
from pipelines.io.keys import KEY_BYTES
from pipelines.io.profile_options import options_of
from pipelines.phantom.instances import instance_dataset
from pipelines.phantom.noise import made_uid
from pipelines.phantom.spec import SeriesSpec

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "chest_siemens_8mm"
EDGE = 512

CANARIES = {
    "name": "IVANOVCANARY",
    "patient's number": "ID7654321",
    "birth date": "19310507",
    "study date": "20190313",
    "institution": "HOSPITALCANARY",
    "description": "DESCRCANARY",
    "comment": "COMMENTCANARY",
    "SOPInstanceUID": "1.2.826.0.99.1",
    "nested": "NESTEDCANARY",
    "nested private": "NESTPRIVCANARY",
    "private": "PRIVATECANARY",
    "file meta": "META_CANARY",
    "preamble": "PREAMBLECANARY",
    "overlay": "OVERLAYCANARY!",
    "curve": "CURVECANARY",
    "behind the pixels": "TRAILINGCANARY",
    "file name": "FILENAMECANARY",
}
"""What is planted in one slice, by place."""

ECHO = "ECHOCANARY"
"""A name that was also typed into FilterType, which science needs."""

SCIENCE = [
    *("SOPClassUID", "ImageType", "Modality", "Manufacturer", "ManufacturerModelName"),
    *("PatientSex", "SliceThickness", "KVP", "ConvolutionKernel", "XRayTubeCurrent", "Exposure"),
    *("PatientPosition", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient"),
    *("PixelSpacing", "Rows", "Columns", "RescaleIntercept", "RescaleSlope", "PixelData"),
]
"""What has to be in the output as it was in the input."""


def slices(count: int, folder: Path) -> None:
    """`count` slices of one series, each with its own UID, number and position."""
    folder.mkdir(parents=True)
    templates = _real() or [_phantom(k) for k in range(4)]
    for k in range(count):
        dataset = templates[k % len(templates)]
        identify(dataset)
        uid = made_uid("bench", k)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.InstanceNumber = k + 1
        dataset.ImagePositionPatient = [-173.17, -294.17, 300 - k * 0.5]
        dataset.SliceLocation = 300 - k * 0.5
        dataset.save_as(folder / f"IM{k + 1:05d}.dcm", enforce_file_format=True)


def _real():
    paths = sorted(REAL.rglob("*.dcm"))[:30]
    return [pydicom.dcmread(path) for path in paths]


def _phantom(k: int) -> Dataset:
    noise = np.random.default_rng(k).normal(0, 60, (EDGE, EDGE)).astype(np.int16)
    return instance_dataset(SeriesSpec(), k, noise)


def identify(dataset: Dataset) -> None:
    """What a hospital would have written: the real slices come without identity."""
    dataset.PatientName = "Petrova^Anna^Sergeevna"
    dataset.PatientID = "PAT0012345"
    dataset.PatientBirthDate = "19610503"
    dataset.AccessionNumber = "ACC202004017"
    dataset.InstitutionName = "City Polyclinic 5"
    dataset.ReferringPhysicianName = "Sidorov^Pavel"
    for keyword in ("PatientIdentityRemoved", "DeidentificationMethod"):
        dataset.pop(keyword, None)
    dataset.pop("DeidentificationMethodCodeSequence", None)
    dataset.pop("LongitudinalTemporalInformationModified", None)


def canaries(folder: Path) -> None:
    """A slice with a canary in each place in `planted/`, and an echoed name in `echo/`."""
    dataset = (_real() or [_phantom(0)])[0]
    identify(dataset)
    dataset.PatientName = f"{ECHO}^Anna"
    dataset.FilterType = ECHO
    (folder / "echo").mkdir(parents=True)
    dataset.save_as(folder / "echo" / "IM00001.dcm", enforce_file_format=True)
    dataset.FilterType = "0"
    (folder / "planted").mkdir()
    _plant(dataset)
    path = folder / "planted" / f"{CANARIES['file name']}.dcm"
    dataset.save_as(path, enforce_file_format=True)


def _plant(dataset: Dataset) -> None:
    dataset.PatientName = f"{CANARIES['name']}^Anna"
    dataset.PatientID = CANARIES["patient's number"]
    dataset.PatientBirthDate = CANARIES["birth date"]
    for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(dataset, keyword, CANARIES["study date"])
    dataset.InstitutionName = CANARIES["institution"]
    dataset.StudyDescription = f"CT {CANARIES['description']}"
    dataset.ImageComments = CANARIES["comment"]
    dataset.SOPInstanceUID = CANARIES["SOPInstanceUID"]
    dataset.file_meta.MediaStorageSOPInstanceUID = CANARIES["SOPInstanceUID"]
    inner = Dataset()
    inner.PatientName = CANARIES["nested"]
    inner.private_block(0x0029, "CANARY", create=True).add_new(1, "LO", CANARIES["nested private"])
    dataset.AnatomicRegionSequence = Sequence([inner])
    dataset.private_block(0x0031, "CANARY", create=True).add_new(1, "LO", CANARIES["private"])
    dataset.add_new(0x60003000, "OB", CANARIES["overlay"].encode())
    dataset.add_new(0x50002500, "LO", CANARIES["curve"])
    dataset.add_new(0xFFFCFFFC, "OB", CANARIES["behind the pixels"].encode())
    dataset.file_meta.SourceApplicationEntityTitle = CANARIES["file meta"]
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.preamble = CANARIES["preamble"].encode().ljust(128, b"\0")


def rules(folder: Path) -> None:
    """The same rules for those who can take them."""
    folder.mkdir(parents=True)
    options = options_of(AnonymizeSettings())
    (folder / "mosmed.deid").write_text(recipe_text(options), encoding="utf-8")
    shipped = profile(options)
    said = {
        "by_tag": {tag: [rule.action.name, rule.value] for tag, rule in shipped.by_tag.items()},
        "by_vr": {vr: [rule.action.name, rule.value] for vr, rule in shipped.by_vr.items()},
    }
    (folder / "rules.json").write_text(json.dumps(said), encoding="utf-8")


def key(path: Path) -> None:
    """A key that is no secret, for mosmed."""
    path.touch(mode=0o600)
    path.write_text("5a" * KEY_BYTES + "\n")


def places() -> dict[str, object]:
    """What the table has to say of the input."""
    made_from = "real slices of a Siemens Sensation 10" if REAL.is_dir() else "the phantom"
    return {"made_from": made_from, "places": len(CANARIES) + 1, "science": len(SCIENCE)}


def check(folder: Path, out: Path) -> dict[str, list[str]]:
    """Canaries that are left in `out/planted` and `out/echo`, and what science has lost there."""
    planted, echo = (_outputs(out / name) for name in ("planted", "echo"))
    content = b"\0".join(_searched(path, out / "planted") for path in planted)
    left = [place for place, text in CANARIES.items() if text.encode() in content]
    if any(ECHO.encode() in path.read_bytes() for path in echo):
        left.append("echoed name")
    lost = ["no output"]
    if planted:
        original = pydicom.dcmread(next((folder / "planted").iterdir()))
        made = pydicom.dcmread(planted[0], force=True)
        lost = [word for word in SCIENCE if made.get(word) != original.get(word)]
    return {"left": left, "lost": lost}


def _outputs(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _searched(path: Path, folder: Path) -> bytes:
    return path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes()


def main(arguments: list[str]) -> None:
    match arguments:
        case ["slices", count, folder]:
            slices(int(count), Path(folder))
        case ["canaries", folder]:
            canaries(Path(folder))
        case ["rules", folder]:
            rules(Path(folder))
        case ["key", path]:
            key(Path(path))
        case ["places"]:
            sys.stdout.write(json.dumps(places()))
        case ["check", folder, out]:
            sys.stdout.write(json.dumps(check(Path(folder), Path(out))))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
