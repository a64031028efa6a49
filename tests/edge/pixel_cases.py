"""The cases that are about pixels, files and what is no slice."""

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from pipelines.phantom.spec import Syntax
from tests.edge.cases import CASES, case, made, right
from tests.edge.enhanced import enhanced
from tests.edge.series import to_bytes

NAME = "IM{:06d}.dcm"

__all__ = ["CASES"]


# --- Hounsfield units


@case(volumes=1)
def signed16(base):
    return right(base.slices(is_signed=True, bits=16, intercept=0))


@case(volumes=1)
def unsigned16(base):
    return right(base.slices(bits=16))


@case(volumes=1)
def signed12_without_sign_extension(base):
    slices = base.slices(bits=12, intercept=0)
    for one in slices:
        one.hu = np.clip(one.hu, -2048, 2047)
        one.stored = one.hu.astype(np.int16).view(np.uint16) & 0xFFF
        one.says = {"PixelRepresentation": 1}
    return right(slices)


@case(volumes=1)
def overlay_in_high_bits(base):
    slices = base.slices(bits=12)
    for one in slices:
        overlay = np.indices(one.hu.shape).sum(0) % 2
        one.stored = one.values() | (overlay << 12).astype(np.uint16)
    return right(slices)


@case(volumes=1)
def bits_at_the_top_of_the_word(base):
    slices = base.slices(bits=12, high_bit=15)
    for one in slices:
        one.stored = one.values() << 4
    return right(slices)


@case("MISSING_ATTRIBUTE")
def rescale_absent(base):
    slices = base.slices(is_signed=True, bits=16, intercept=0)
    for one in slices:
        one.says = {"RescaleSlope": None, "RescaleIntercept": None}
    return right(slices)


@case("UNSUPPORTED_OBJECT", in_league=False)
def table_instead_of_rescale(base):
    slices = base.slices()
    table = Dataset()
    table.add_new(0x00283002, "US", [4096, 0, 16])  # LUTDescriptor
    table.add_new(0x00283006, "US", list(range(4096)))
    table.ModalityLUTType = "HU"
    for one in slices:
        one.says = {"ModalityLUTSequence": [table]}
    return made(slices)


@case(volumes=1)
def intercept_8192(base):
    return right(base.slices(bits=16, intercept=-8192))


@case(volumes=1)
def intercept_per_slice(base):
    slices = base.slices(bits=16)
    for k, one in enumerate(slices):
        one.intercept = -1024 - 8 * k
    return right(slices)


@case("HU_OUT_OF_RANGE")
def metal_over_int16(base):
    slices = base.slices(bits=16)
    for one in slices:
        one.hu = one.hu.copy()
        one.hu[20:30, 20:30] = 51808
    return right(slices)


@case("HU_OUT_OF_RANGE")
def fractional_rescale(base):
    slices = base.slices(bits=16, slope=0.5)
    for one in slices:
        one.stored = (one.hu * 2 + 2048 + 1).astype(np.uint16)
        one.hu = one.stored * 0.5 - 1024
    return right(slices)


@case(volumes=1)
def slope_2(base):
    slices = base.slices(bits=12, slope=2)
    for one in slices:
        one.hu = one.hu // 2 * 2
    return right(slices)


@case(volumes=1)
def padding_signed(base):
    slices = base.slices(is_signed=True, bits=16, intercept=0)
    for one in slices:
        one.hu = one.hu.copy()
        one.hu[:5] = -2000
        one.says = {"PixelPaddingValue": -2000}
    return right(slices)


@case(volumes=1)
def padding_63536_in_a_signed_file(base):
    slices = base.slices(is_signed=True, bits=16, intercept=0)
    others = {}
    for k, one in enumerate(slices):
        one.hu = one.hu.copy()
        one.hu[:5] = -2000
        dataset = one.dataset("padding_63536_in_a_signed_file", base.template)
        # GE writes the bits of -2000 as an unsigned number (PS3.3 C.7.5.1.1.2 asks for SS)
        dataset.add_new(0x00280120, "US", 63536)
        others[NAME.format(k)] = to_bytes(dataset)
    return made([], slices, **others)


@case(volumes=1)
def decimal_string_forms(base):
    slices = base.slices()
    for one in slices:
        x, y, z = one.position_mm
        one.says = {
            "ImagePositionPatient": [f"{x:+.4f}", f" {y:.3E}", f"{z:.4f} "],
            "RescaleIntercept": "-1.024E+03",
            "RescaleSlope": "+1.0",
            "PixelSpacing": ["9e-1", "0.70000"],
        }
    return right(slices)


# --- compression


@case("LOSSY_PIXELS", in_league=False)
def lossy_syntax(base):
    slices = base.slices(bits=12)
    others = {}
    for k, one in enumerate(slices):
        dataset = one.dataset("lossy_syntax", base.template)
        frame = imagecodecs.jpeg8_encode(one.values(), level=90, bitspersample=12)
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.51"
        dataset.PixelData = encapsulate([bytes(frame)])
        dataset["PixelData"].VR = "OB"
        dataset.LossyImageCompression = "01"
        others[NAME.format(k)] = to_bytes(dataset)
    return made([], slices, **others)


@case("BAD_PIXELS", in_league=False)
def frame_beyond_bits_stored(base):
    others = {}
    for k, one in enumerate(base.slices(syntax=Syntax.JPEG_2000)):
        one.hu = one.hu.copy()
        one.hu[20:30, 20:30] = 6000
        one.bits = 16
        dataset = one.dataset("frame_beyond_bits_stored", base.template)
        dataset.BitsStored, dataset.HighBit = 12, 11
        others[NAME.format(k)] = to_bytes(dataset)
    return made([], **others)


@case("LOSSY_PIXELS", in_league=False)
def lossless_now_but_lossy_before(base):
    slices = base.slices()
    for one in slices:
        one.says = {"LossyImageCompression": "01", "LossyImageCompressionRatio": "8"}
    return right(slices)


def _foreign_syntax(base, name, syntax):
    """Compressed by lossless JPEG, but labelled with a syntax that nobody here can decode."""
    others = {}
    for k, one in enumerate(base.slices(syntax=Syntax.JPEG_LOSSLESS)):
        data = to_bytes(one.dataset(name, base.template))
        written, foreign = Syntax.JPEG_LOSSLESS.encode(), syntax.encode()
        others[NAME.format(k)] = data.replace(written, foreign.ljust(len(written), b"\0"), 1)
    return made([], **others)


@case("UNSUPPORTED_SYNTAX", in_league=False)
def private_syntax(base):
    return _foreign_syntax(base, "private_syntax", "1.2.840.113619.5.2")


@case("UNSUPPORTED_SYNTAX", in_league=False)
def retired_jpeg_53(base):
    return _foreign_syntax(base, "retired_jpeg_53", "1.2.840.10008.1.2.4.53")


@case("UNSUPPORTED_SYNTAX", in_league=False)
def retired_jpeg_55(base):
    return _foreign_syntax(base, "retired_jpeg_55", "1.2.840.10008.1.2.4.55")


# --- files


def _written(base, name):
    slices = base.slices()
    return slices, {
        NAME.format(k): to_bytes(one.dataset(name, base.template)) for k, one in enumerate(slices)
    }


@case("TRUNCATED_FILE")
def truncated_in_the_middle(base):
    _, files = _written(base, "truncated_in_the_middle")
    files[NAME.format(12)] = files[NAME.format(12)][:-3000]
    return made([], **files)


@case("TRUNCATED_FILE")
def truncated_where_every_tenth_is_kept(base):
    _, files = _written(base, "truncated_where_every_tenth_is_kept")
    files[NAME.format(9)] = files[NAME.format(9)][:-3000]
    return made([], **files)


@case("UNREADABLE_DICOM", "SLICE_GAP")
def truncated_deflated(base):
    slices = base.slices()
    for one in slices:
        one.syntax = Syntax.DEFLATED
    files = {
        NAME.format(k): to_bytes(one.dataset("truncated_deflated", base.template))
        for k, one in enumerate(slices)
    }
    files[NAME.format(12)] = files[NAME.format(12)][:-1000]
    return made([], **files)


@case("BAD_PIXELS")
def broken_codestream(base):
    slices = base.slices(syntax=Syntax.JPEG_LOSSLESS)
    files = {}
    for k, one in enumerate(slices):
        data = to_bytes(one.dataset("broken_codestream", base.template))
        if k == 9:
            start = data.index(b"\xff\xd8\xff")
            data = data[:start] + b"\0\0" + data[start + 2 :]
        files[NAME.format(k)] = data
    return made([], **files)


@case("not_ct", volumes=1)
def junk(base):
    slices = base.slices()
    others = {
        "empty.dcm": b"",
        ".DS_Store": b"\0\0\0\1Bud1" + bytes(6000),
        "readme.txt": b"Hello.\n",
        "noise.dcm": np.random.default_rng(0).bytes(5000),
        "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    }
    return made(slices, slices, **others)


@case("UNREADABLE_DICOM", "SLICE_GAP")
def no_preamble_in_one(base):
    slices, files = _written(base, "no_preamble_in_one")
    files[NAME.format(11)] = files[NAME.format(11)][132:]
    return made([], slices, **files)


@case("UNREADABLE_DICOM")
def no_preamble_in_all(base):
    slices, files = _written(base, "no_preamble_in_all")
    return made([], slices, **{name: data[132:] for name, data in files.items()})


# --- enhanced multi-frame CT


@case(volumes=1)
def enhanced_multiframe(base):
    slices = base.slices()
    return made([], slices, **{"enhanced.dcm": to_bytes(enhanced(slices, "in order"))})


@case(volumes=1)
def enhanced_frames_shuffled(base):
    slices = base.slices()
    order = [(k * 7) % len(slices) for k in range(len(slices))]
    frames = [slices[k] for k in order]
    return made([], slices, **{"enhanced.dcm": to_bytes(enhanced(frames, "shuffled"))})
