"""Who is measured in the part `convert`: mosmed, its peers, and the floors nobody can go below."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.harness import Contestant
from tests.bench.venv import PYTHON, Peer, install

SCRIPTS = Path(__file__).parent / "peers"
MOSMED = Path(sys.executable).with_name("mosmed")
DCM2NIIX = PYTHON.with_name("dcm2niix")
SLOW_ROUNDS = 2
WORKERS_NOTE = "workers are children of a server: look at the wall time, not at the CPU"

PEERS = {
    "dcm2niix": Peer("dcm2niix", "1.0.20260724"),
    "nibabel": Peer("nibabel", "5.4.2"),
    "pydicom": Peer("pydicom", "3.0.2"),
    "SimpleITK": Peer("SimpleITK", "2.5.7"),
    "dicom2nifti": Peer("dicom2nifti", "2.6.2"),
}
CODECS = (Peer("deflate", "0.9.0"), Peer("isal", "1.9.1"), Peer("zlib-ng", "1.1.0"))

Command = Callable[[Path, Path], Sequence[str]]


def install_all() -> dict[str, str]:
    """Why each peer cannot run, empty where it can."""
    return {name: install(peer) for name, peer in PEERS.items()}


def thinned(broken: dict[str, str]) -> list[Contestant]:
    """Everybody who ends with every tenth slice, compressed; the smart chain is the base."""
    smart = broken["dcm2niix"] or broken["pydicom"]
    by_dcm2niix = broken["dcm2niix"] or broken["nibabel"]
    by_dicom2nifti = broken["dicom2nifti"] or broken["nibabel"]
    return [
        Contestant(
            name="smart chain, level 1",
            command=_script("smart_chain.py", "1"),
            broken=smart,
            note="pydicom headers, pick, dcm2niix -z i -1 on the picked",
        ),
        Contestant(
            name="smart chain, level 6",
            command=_script("smart_chain.py", "6"),
            broken=smart,
            note="the same with -z i",
        ),
        Contestant(name="mosmed, short way", command=_mosmed("convert", "--thin", jobs=1)),
        Contestant(name="mosmed, convert + thin", command=_mosmed_both()),
        Contestant(
            name="dcm2niix + thin",
            command=_then_thin(f"{DCM2NIIX} -b n -z n -f v -o {{mid}} {{source}}"),
            broken=by_dcm2niix,
            note="dcm2niix -z n, nibabel slicer",
        ),
        Contestant(
            name="SimpleITK + thin",
            command=_script("read_simpleitk.py", "thin"),
            broken=broken["SimpleITK"],
        ),
        Contestant(
            name="dicom2nifti + thin",
            command=_then_thin(f"{PYTHON} {SCRIPTS}/read_dicom2nifti.py {{source}} {{mid}}"),
            broken=by_dicom2nifti,
            rounds=SLOW_ROUNDS,
            note="nibabel slicer",
        ),
    ]


def whole(broken: dict[str, str], scratch: Path) -> list[Contestant]:
    """Everybody who writes all slices, compressed."""
    return [
        _dcm2niix("dcm2niix -z i", "-z i -6", broken, rounds=3),
        _dcm2niix("dcm2niix -z i -1", "-z i -1", broken),
        _dcm2niix("dcm2niix -z n", "-z n", broken, note="not compressed"),
        _dcm2niix("dcm2niix -z y", "-z y", broken, rounds=SLOW_ROUNDS, note="pigz, if there is"),
        Contestant(name="mosmed", command=_mosmed("convert", jobs=1)),
        Contestant(
            name="SimpleITK",
            command=_script("read_simpleitk.py"),
            broken=broken["SimpleITK"],
            rounds=SLOW_ROUNDS,
        ),
        Contestant(
            name="dicom2nifti",
            command=_script("read_dicom2nifti.py"),
            broken=broken["dicom2nifti"],
            rounds=SLOW_ROUNDS,
        ),
        _packing("full", scratch, level=2),
    ]


def batches() -> list[Contestant]:
    """Many studies in one call."""
    return [
        Contestant(
            name=f"mosmed, short way, --jobs {jobs}",
            command=_mosmed("convert", "--thin", jobs=jobs),
            note="" if jobs == 1 else WORKERS_NOTE,
        )
        for jobs in (1, 2)
    ]


def floors(syntax: str, scratch: Path) -> list[Contestant]:
    """What cannot be gone below: reading, decoding and packing alone, start of Python included."""
    found = [
        Contestant(
            name="cat",
            command=lambda source, _out: ["sh", "-c", f"cat {source}/* > /dev/null"],
            note="floor: all bytes",
        ),
        Contestant(
            name="8 KiB of each file",
            command=_own("read_heads.py", "{source}", "head"),
            note="floor: headers",
        ),
    ]
    if syntax == "raw":
        return [*found, _packing("thinned", scratch, level=1)]
    codec = {"jpeg": "jpeg8_decode", "j2k": "jpeg2k_decode"}[syntax]
    decode = _own("decode_frames.py", str(scratch / f"frames-{syntax}"), codec)
    return [
        *found,
        Contestant(name="decode 30 frames", command=decode, note=f"floor: imagecodecs {codec}"),
    ]


def _packing(what: str, scratch: Path, *, level: int) -> Contestant:
    return Contestant(
        name=f"gzip the {what} volume",
        command=_own("pack.py", str(scratch / "plain" / f"{what}.raw"), str(level), "{out}"),
        note=f"floor: libdeflate {level}, as mosmed",
    )


def _dcm2niix(
    name: str, options: str, broken: dict[str, str], *, rounds: int = 5, note: str = ""
) -> Contestant:
    return Contestant(
        name=name,
        command=lambda source, out: [
            *(str(DCM2NIIX), "-b", "n", *options.split(), "-f", "v", "-o", str(out), str(source))
        ],
        setup=lambda out: out.mkdir(),
        broken=broken["dcm2niix"],
        rounds=rounds,
        note=note,
    )


def _script(name: str, *arguments: str) -> Command:
    return lambda source, out: [
        *(str(PYTHON), str(SCRIPTS / name), str(source), str(out), *arguments)
    ]


def _own(name: str, *arguments: str) -> Command:
    """A script in mosmed's own Python; {source} and {out} are filled in."""
    return lambda source, out: [
        sys.executable,
        str(SCRIPTS / name),
        *(one.format(source=source, out=out) for one in arguments),
    ]


def _mosmed(*words: str, jobs: int) -> Command:
    stage, *options = words
    return lambda source, out: [
        *(str(MOSMED), stage, str(source), str(out), *options, "--jobs", str(jobs))
    ]


def _mosmed_both() -> Command:
    return lambda source, out: [
        "sh",
        "-ec",
        f"{MOSMED} convert {source} {out}/full --jobs 1; {MOSMED} thin {out}/full {out} --jobs 1; "
        f"rm -r {out}/full",
    ]


def _then_thin(convert: str) -> Command:
    """A converter, then nibabel over what it wrote."""

    def command(source: Path, out: Path) -> Sequence[str]:
        mid = f"{out}/mid"
        first = convert.format(source=source, mid=mid)
        thin = f"{PYTHON} {SCRIPTS / 'thin_nifti.py'} {mid} {out}"
        return ["sh", "-ec", f"mkdir -p {mid}; {first}; {thin}; rm -r {mid}"]

    return command
