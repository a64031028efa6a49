"""Stored values of a CT slice, and Hounsfield units made of them without a rounding.

Every syntax has one named decoder, so that what is installed beside does not change a voxel. A
PixelPaddingValue keeps the Hounsfield units that the rescale gives it, as it does in the published
volumes, unless another value is asked for. Nothing is clipped without being asked, nothing wraps.
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
from pipelines.core.syntaxes import (
    HTJ2K_SYNTAXES,
    JPEG_2000_SYNTAXES,
    JPEG_LS_SYNTAXES,
    JPEG_SYNTAXES,
    KNOWN_SYNTAXES,
    NATIVE_SYNTAXES,
    RLE_SYNTAX,
    may_be_lossy,
)
from pipelines.io import codestreams
from pipelines.io.headers import InstanceHeader
from pipelines.io.pixel_data import bad_pixels, read_frame, read_native, refuse_truncated

DECODERS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(JPEG_SYNTAXES, "jpeg8_decode"),
        **dict.fromkeys(JPEG_LS_SYNTAXES, "jpegls_decode"),
        **dict.fromkeys(JPEG_2000_SYNTAXES, "jpeg2k_decode"),
        **dict.fromkeys(HTJ2K_SYNTAXES, "htj2k_decode"),
    }
)
"""The one function of imagecodecs for each compressed syntax but RLE."""

CODEC_ERRORS = (RuntimeError, ValueError, TypeError, MemoryError)
"""What imagecodecs raises: its own errors are RuntimeErrors."""

HU_LOW, HU_HIGH = -32768, 32767


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slice:
    """Hounsfield units `[row, column]` of one slice, and what was done to them.

    `is_lossy` if compression has changed them; `is_cut` if bits beside the stored ones were set,
    which say nothing here; `padded` were set as outside the field of view, `clipped` did not fit
    16 bits, both on request alone.
    """

    voxels_hu: NDArray[np.int16]
    is_lossy: bool
    is_cut: bool = False
    padded: int = 0
    clipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """What may be done to values that are no measurements, or that 16 bits cannot hold.

    `padding_hu` is what pixels outside the field of view are set to, None to let them be.
    """

    padding_hu: int | None = None
    clip: bool = False


AS_STORED = Rescue()


def decode(
    header: InstanceHeader, *, allow_lossy: bool = False, rescue: Rescue = AS_STORED
) -> Slice:
    """The Hounsfield units of the slice that `header` was read from.

    Raises DicomError UNSUPPORTED_SYNTAX, TRUNCATED_FILE, BAD_PIXELS, LOSSY_PIXELS, HU_OUT_OF_RANGE.
    """
    words, is_reversible = _read_words(header)
    is_lossy = may_be_lossy(header) or not is_reversible
    if is_lossy and not allow_lossy:
        raise _lossy(header)
    is_cut = _is_more_than_stored(words, header.pixels)
    try:
        stored = _stored_values(words, header.pixels)
        voxels_hu, padded, clipped = to_hu(stored, header.pixels, rescue)
    except OverflowError as error:
        raise DicomError("HU_OUT_OF_RANGE", f"{header.name}: {error}") from error
    return Slice(
        voxels_hu=voxels_hu, is_lossy=is_lossy, is_cut=is_cut, padded=padded, clipped=clipped
    )


def refuse_by_header(header: InstanceHeader, *, allow_lossy: bool = False) -> None:
    """Refuse a slice that cannot be used whatever its pixels are, without decoding them.

    Raises DicomError UNSUPPORTED_SYNTAX, LOSSY_PIXELS, BAD_PIXELS or TRUNCATED_FILE.
    """
    if header.transfer_syntax_uid not in KNOWN_SYNTAXES:
        raise _unsupported(header)
    if may_be_lossy(header) and not allow_lossy:
        raise _lossy(header)
    refuse_truncated(header, is_native=header.transfer_syntax_uid in NATIVE_SYNTAXES)


def _lossy(header: InstanceHeader) -> DicomError:
    return DicomError("LOSSY_PIXELS", f"{header.name}: the pixels were compressed with loss")


def _unsupported(header: InstanceHeader) -> DicomError:
    syntax = header.transfer_syntax_uid
    message = f"{header.name}: no decoder for transfer syntax {syntax}"
    return DicomError("UNSUPPORTED_SYNTAX", message)


def to_hu(
    stored: NDArray[Any], pixels: PixelFormat, rescue: Rescue = AS_STORED
) -> tuple[NDArray[np.int16], int, int]:
    """RescaleSlope times the stored values plus RescaleIntercept (PS3.3 C.11.1.1.2), exactly.

    Also how many were set as padding, and how many clipped. The result may take the memory of
    `stored`. Raises OverflowError where a result is not a whole number or does not fit 16 bits.
    """
    if rescue.padding_hu is None or (is_padding := _padding(stored, pixels)) is None:
        voxels_hu, clipped = _rescaled(stored, pixels, clip=rescue.clip)
        return voxels_hu, 0, clipped
    voxels_hu, clipped = np.full(stored.shape, rescue.padding_hu, dtype=np.int16), 0
    if not is_padding.all():
        # Padding may lie beyond 16 bits: it must not speak for the measurements
        measured, clipped = _rescaled(stored[~is_padding], pixels, clip=rescue.clip)
        voxels_hu[~is_padding] = measured
    return voxels_hu, int(np.count_nonzero(is_padding)), clipped


def _rescaled(
    stored: NDArray[Any], pixels: PixelFormat, *, clip: bool
) -> tuple[NDArray[np.int16], int]:
    slope, intercept = Fraction(pixels.rescale_slope), Fraction(pixels.rescale_intercept)
    if slope != 1 or intercept.denominator != 1:
        return _to_hu_by_table(stored, slope, intercept, clip=clip)
    return _to_hu_by_offset(stored, int(intercept), clip=clip)


def _padding(stored: NDArray[Any], pixels: PixelFormat) -> NDArray[np.bool_] | None:
    """Which stored values are padding; None if the header names none or none is there."""
    if pixels.padding is None:
        return None
    low, high = pixels.padding
    is_padding: NDArray[np.bool_] = (stored >= low) & (stored <= high)
    return is_padding if is_padding.any() else None


def _to_hu_by_offset(
    stored: NDArray[Any], offset: int, *, clip: bool
) -> tuple[NDArray[np.int16], int]:
    low_hu, high_hu = int(stored.min()) + offset, int(stored.max()) + offset
    if clip and not HU_LOW <= low_hu <= high_hu <= HU_HIGH:
        whole = stored.astype(np.int32) + offset
        within = np.clip(whole, HU_LOW, HU_HIGH)
        return within.astype(np.int16), int(np.count_nonzero(within != whole))
    _refuse_beyond_int16(low_hu, high_hu)
    # Addition modulo 65536 is exact here, as both ends of the result fit
    words = stored.view(np.uint16)
    words += np.uint16(offset & 0xFFFF)
    return words.view(np.int16), 0


def _to_hu_by_table(
    stored: NDArray[Any], slope: Fraction, intercept: Fraction, *, clip: bool
) -> tuple[NDArray[np.int16], int]:
    """Each value that occurs once, in exact fractions: a float would round what it cannot hold."""
    values, where, counts = np.unique(stored, return_inverse=True, return_counts=True)
    results = [slope * value + intercept for value in values.tolist()]
    if any(result.denominator != 1 for result in results):
        raise OverflowError("the rescale gives Hounsfield units that are not whole numbers")
    whole = [int(result) for result in results]
    within = [min(max(result, HU_LOW), HU_HIGH) for result in whole]
    if not clip:
        _refuse_beyond_int16(min(whole), max(whole))
    clipped = sum(n for n, a, b in zip(counts.tolist(), whole, within, strict=True) if a != b)
    return np.array(within, dtype=np.int16)[where].reshape(stored.shape), clipped


def _refuse_beyond_int16(low_hu: int, high_hu: int) -> None:
    if low_hu < HU_LOW or high_hu > HU_HIGH:
        raise OverflowError(f"Hounsfield units from {low_hu} to {high_hu} do not fit 16 bits")


def _read_words(header: InstanceHeader) -> tuple[NDArray[Any], bool]:
    """The unsigned words `[row, column]`, and whether their compression is reversible."""
    syntax = header.transfer_syntax_uid
    if syntax in NATIVE_SYNTAXES:
        return read_native(header), True
    if syntax == RLE_SYNTAX:
        return _decode_rle(read_frame(header), header), True
    decoder = getattr(imagecodecs, DECODERS.get(syntax, ""), None)
    if decoder is None:  # older versions of imagecodecs do not have all
        raise _unsupported(header)
    frame = read_frame(header)
    claim = claim_of(frame, syntax)
    _refuse_false_claim(claim, frame, header)
    raw = _raw_words(_run_codec(decoder, frame, header), header)
    return raw, claim is not None and claim.is_reversible


def _is_more_than_stored(raw: NDArray[Any], pixels: PixelFormat) -> bool:
    """Whether bits beside the stored ones say more than the sign of a value (PS3.5 8.1.1)."""
    lowest = pixels.high_bit + 1 - pixels.bits_stored
    used = ((1 << pixels.bits_stored) - 1) << lowest
    if not int(np.bitwise_or.reduce(raw, axis=None)) & ~used:
        return False
    if not pixels.is_signed:
        return True
    above = pixels.bits_allocated - 1 - pixels.high_bit
    signed = raw.view(f"i{raw.itemsize}")
    return not np.array_equal(signed << above >> (above + lowest) << lowest, signed)


def claim_of(frame: bytes, syntax: str) -> codestreams.FrameClaim | None:
    """What a compressed frame says of itself; None where it is not one of its syntax."""
    is_2000 = syntax in JPEG_2000_SYNTAXES or syntax in HTJ2K_SYNTAXES
    return (codestreams.read_jpeg2000_claim if is_2000 else codestreams.read_jpeg_claim)(frame)


def _stored_values(raw: NDArray[Any], pixels: PixelFormat) -> NDArray[Any]:
    """The stored bits of each word, with their sign (PS3.5 8.1.1), in the memory of `raw`.

    What stands beside them, old overlays for instance, is cut away. Nothing here takes new memory:
    for half a megabyte a slice the system would ask more time than the arithmetic.
    """
    if pixels.bits_allocated == 8:
        raw = raw.astype(np.uint16)
    if pixels.bits_stored == 16:
        return raw.view(np.int16) if pixels.is_signed else raw
    raw <<= 15 - pixels.high_bit
    unused = 16 - pixels.bits_stored
    if pixels.is_signed:
        signed = raw.view(np.int16)
        signed >>= unused
        return signed
    raw >>= unused
    return raw


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
    except ImportError as error:  # nor do all builds of one version
        raise _unsupported(header) from error
    except CODEC_ERRORS as error:
        raise bad_pixels(header, f"the frame cannot be decoded ({type(error).__name__})") from error


def _decode_rle(frame: bytes, header: InstanceHeader) -> NDArray[Any]:
    word = np.dtype(f"<u{header.pixels.bits_allocated // 8}")
    raw = _run_codec(lambda data: imagecodecs.dicomrle_decode(data, word), frame, header)
    wanted = header.plane.rows * header.plane.columns * word.itemsize
    if len(raw) != wanted:
        raise bad_pixels(header, "the frame unpacks to another size than Rows and Columns say")
    words = np.frombuffer(raw, dtype=word).reshape(header.plane.rows, header.plane.columns)
    return words.copy()


def _raw_words(decoded: Any, header: InstanceHeader) -> NDArray[Any]:
    """What a decoder gave, as unsigned words of BitsAllocated."""
    pixels, shape = header.pixels, (header.plane.rows, header.plane.columns)
    if decoded.shape != shape or decoded.dtype.kind not in "iu":
        raise bad_pixels(header, "the frame decodes to another shape than the header says")
    low, high = int(decoded.min()), int(decoded.max())
    least, most = (-(1 << pixels.high_bit) if pixels.is_signed else 0), 2 << pixels.high_bit
    if pixels.is_signed and decoded.dtype.kind == "u":
        most = 1 << pixels.bits_allocated  # a negative value has its sign in all bits of the word
    # A value that the stored bits cannot hold could be two different things
    if high >= most or low < least:
        raise bad_pixels(header, "the frame decodes to values that the header rules out")
    return np.asarray(decoded).astype(np.uint8 if pixels.bits_allocated == 8 else np.uint16)
