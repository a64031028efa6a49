"""Stored values of a CT slice, and Hounsfield units made of them without a rounding.

Every syntax has one named decoder, so that what is installed beside does not change a voxel. A
PixelPaddingValue is no special value here: it keeps the Hounsfield units that the rescale gives
it, as it does in the published volumes, if they fit 16 bits. Nothing is clipped, nothing wraps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from pipelines.core.errors import DicomError
from pipelines.core.slices import PixelFormat
from pipelines.io import codestreams
from pipelines.io.headers import InstanceHeader
from pipelines.io.pixel_data import BIG_ENDIAN_SYNTAX, bad_pixels, read_frame, read_native

IMPLICIT_SYNTAX = "1.2.840.10008.1.2"
EXPLICIT_SYNTAX = "1.2.840.10008.1.2.1"
RLE_SYNTAX = "1.2.840.10008.1.2.5"
NATIVE_SYNTAXES = frozenset({IMPLICIT_SYNTAX, EXPLICIT_SYNTAX, BIG_ENDIAN_SYNTAX})
JPEG_DECODERS: Mapping[str, str] = MappingProxyType(
    {
        "1.2.840.10008.1.2.4.50": "jpeg8_decode",
        "1.2.840.10008.1.2.4.51": "jpeg8_decode",
        "1.2.840.10008.1.2.4.57": "jpeg8_decode",
        "1.2.840.10008.1.2.4.70": "jpeg8_decode",
        "1.2.840.10008.1.2.4.80": "jpegls_decode",
        "1.2.840.10008.1.2.4.81": "jpegls_decode",
    }
)
JPEG2000_DECODERS: Mapping[str, str] = MappingProxyType(
    {
        "1.2.840.10008.1.2.4.90": "jpeg2k_decode",
        "1.2.840.10008.1.2.4.91": "jpeg2k_decode",
        "1.2.840.10008.1.2.4.201": "htj2k_decode",
        "1.2.840.10008.1.2.4.202": "htj2k_decode",
        "1.2.840.10008.1.2.4.203": "htj2k_decode",
    }
)
EITHER_SYNTAXES = frozenset({"1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203"})
"""Lossless or not, and the codestream cannot prove it: a reversible wavelet may have been cut to a
rate. Such a frame is lossless only if LossyImageCompression says so."""

CODEC_ERRORS = (RuntimeError, ValueError, TypeError, MemoryError)
"""What imagecodecs raises: its own errors are RuntimeErrors."""

HU_LOW, HU_HIGH = -32768, 32767


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slice:
    """Hounsfield units `[row, column]` of one slice, and whether compression has changed them."""

    voxels_hu: NDArray[np.int16]
    is_lossy: bool


def decode(header: InstanceHeader, *, allow_lossy: bool = False) -> Slice:
    """The Hounsfield units of the slice that `header` was read from.

    Raises DicomError UNSUPPORTED_SYNTAX, TRUNCATED_FILE, BAD_PIXELS, LOSSY_PIXELS, HU_OUT_OF_RANGE.
    """
    stored, is_reversible = _read_stored(header)
    may_be_lossy = header.transfer_syntax_uid in EITHER_SYNTAXES and header.was_lossy is None
    is_lossy = bool(header.was_lossy) or may_be_lossy or not is_reversible
    if is_lossy and not allow_lossy:
        message = f"{header.name}: the pixels were compressed with loss"
        raise DicomError("LOSSY_PIXELS", message)
    try:
        return Slice(voxels_hu=to_hu(stored, header.pixels), is_lossy=is_lossy)
    except OverflowError as error:
        raise DicomError("HU_OUT_OF_RANGE", f"{header.name}: {error}") from error


def to_hu(stored: NDArray[Any], pixels: PixelFormat) -> NDArray[np.int16]:
    """RescaleSlope times the stored values plus RescaleIntercept (PS3.3 C.11.1.1.2), exactly.

    Raises OverflowError where a result is not a whole number or does not fit 16 bits.
    """
    slope, intercept = Fraction(pixels.rescale_slope), Fraction(pixels.rescale_intercept)
    if slope != 1 or intercept.denominator != 1:
        return _to_hu_by_table(stored, slope, intercept)
    offset = int(intercept)
    _refuse_beyond_int16(int(stored.min()) + offset, int(stored.max()) + offset)
    # Addition modulo 65536 is exact here, as both ends of the result fit
    unsigned = stored.astype(np.int16, copy=False).view(np.uint16)
    return (unsigned + np.uint16(offset & 0xFFFF)).view(np.int16)


def _to_hu_by_table(
    stored: NDArray[Any], slope: Fraction, intercept: Fraction
) -> NDArray[np.int16]:
    """Each value that occurs once, in exact fractions: a float would round what it cannot hold."""
    values, where = np.unique(stored, return_inverse=True)
    results = [slope * value + intercept for value in values.tolist()]
    if any(result.denominator != 1 for result in results):
        raise OverflowError("the rescale gives Hounsfield units that are not whole numbers")
    whole = [int(result) for result in results]
    _refuse_beyond_int16(min(whole), max(whole))
    return np.array(whole, dtype=np.int16)[where].reshape(stored.shape)


def _refuse_beyond_int16(low_hu: int, high_hu: int) -> None:
    if low_hu < HU_LOW or high_hu > HU_HIGH:
        raise OverflowError(f"Hounsfield units from {low_hu} to {high_hu} do not fit 16 bits")


def _read_stored(header: InstanceHeader) -> tuple[NDArray[Any], bool]:
    """The stored values `[row, column]`, and whether their compression is reversible."""
    syntax = header.transfer_syntax_uid
    if syntax in NATIVE_SYNTAXES:
        return _stored_values(read_native(header), header.pixels), True
    if syntax == RLE_SYNTAX:
        return _stored_values(_decode_rle(read_frame(header), header), header.pixels), True
    if syntax in JPEG_DECODERS:
        claim_of, decoder = codestreams.read_jpeg_claim, JPEG_DECODERS[syntax]
    elif syntax in JPEG2000_DECODERS:
        claim_of, decoder = codestreams.read_jpeg2000_claim, JPEG2000_DECODERS[syntax]
    else:
        message = f"{header.name}: no decoder for transfer syntax {syntax}"
        raise DicomError("UNSUPPORTED_SYNTAX", message)
    frame = read_frame(header)
    claim = claim_of(frame)
    _refuse_false_claim(claim, frame, header)
    raw = _raw_words(_run_codec(getattr(imagecodecs, decoder), frame, header), header)
    return _stored_values(raw, header.pixels), claim is not None and claim.is_reversible


def _stored_values(raw: NDArray[Any], pixels: PixelFormat) -> NDArray[Any]:
    """The stored bits of each word, with their sign (PS3.5 8.1.1).

    What stands beside them, old overlays for instance, is cut away.
    """
    if pixels.bits_allocated == 8:
        raw = raw.astype(np.uint16)
    if pixels.bits_stored == 16:
        return raw.view(np.int16) if pixels.is_signed else raw
    above, unused = 15 - pixels.high_bit, 16 - pixels.bits_stored
    aligned = raw << np.uint16(above)
    if pixels.is_signed:
        return aligned.view(np.int16) >> np.int16(unused)
    return aligned >> np.uint16(unused)


def _refuse_false_claim(
    claim: codestreams.FrameClaim | None, frame: bytes, header: InstanceHeader
) -> None:
    """Refuse a frame that is not the one that the header describes, before it is decoded."""
    if claim is None:
        raise bad_pixels(header, "the compressed frame does not start as its transfer syntax asks")
    if (claim.rows, claim.columns, claim.channels) != (header.plane.rows, header.plane.columns, 1):
        raise bad_pixels(header, "the compressed frame has another size than Rows and Columns say")
    if not codestreams.has_end(frame):
        raise DicomError("TRUNCATED_FILE", f"{header.name}: the compressed frame is cut off")


def _run_codec(decoder: Callable[[bytes], Any], frame: bytes, header: InstanceHeader) -> Any:
    try:
        return decoder(frame)
    except CODEC_ERRORS as error:
        raise bad_pixels(header, f"the frame cannot be decoded ({type(error).__name__})") from error


def _decode_rle(frame: bytes, header: InstanceHeader) -> NDArray[Any]:
    word = np.dtype(f"<u{header.pixels.bits_allocated // 8}")
    raw = _run_codec(lambda data: imagecodecs.dicomrle_decode(data, word), frame, header)
    wanted = header.plane.rows * header.plane.columns * word.itemsize
    if len(raw) != wanted:
        raise bad_pixels(header, "the frame unpacks to another size than Rows and Columns say")
    return np.frombuffer(raw, dtype=word).reshape(header.plane.rows, header.plane.columns)


def _raw_words(decoded: Any, header: InstanceHeader) -> NDArray[Any]:
    """What a decoder gave, as unsigned words of BitsAllocated."""
    pixels, shape = header.pixels, (header.plane.rows, header.plane.columns)
    if decoded.shape != shape or decoded.dtype.kind not in "iu":
        raise bad_pixels(header, "the frame decodes to another shape than the header says")
    low, high = int(decoded.min()), int(decoded.max())
    # A negative value where the header says unsigned could be two different things
    if high >= 1 << pixels.bits_allocated or low < (-(1 << 15) if pixels.is_signed else 0):
        raise bad_pixels(header, "the frame decodes to values that the header rules out")
    return np.asarray(decoded).astype(np.uint8 if pixels.bits_allocated == 8 else np.uint16)
