"""Pixels as the bytes of PixelData (7FE0,0010), in every transfer syntax of `Syntax`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import RLELossless

from pipelines.phantom.spec import SeriesSpec, Syntax

Stored: TypeAlias = NDArray[np.integer[Any]]
"""Stored values [row, column], 16 bits each."""


def stored_values(voxels_hu: NDArray[np.int16], spec: SeriesSpec) -> Stored:
    """HU as stored values: through the rescale turned round, cut to the bits there are."""
    values = (voxels_hu.astype(np.float64) - spec.rescale_intercept) / spec.rescale_slope
    low, high = stored_range(spec)
    return np.clip(np.rint(values), low, high).astype(np.int16 if spec.is_signed else np.uint16)


def stored_range(spec: SeriesSpec) -> tuple[int, int]:
    """The least and the greatest stored value."""
    if spec.is_signed:
        return -(1 << (spec.bits_stored - 1)), (1 << (spec.bits_stored - 1)) - 1
    return 0, (1 << spec.bits_stored) - 1


def pixel_data(stored: Stored, spec: SeriesSpec) -> bytes:
    """PixelData of one frame."""
    if spec.syntax.is_encapsulated:
        return encapsulate([_FRAME_ENCODERS[spec.syntax](stored, spec)])
    if spec.syntax is Syntax.EXPLICIT_BIG:
        return stored.astype(stored.dtype.newbyteorder(">")).tobytes()
    return stored.astype(stored.dtype.newbyteorder("<")).tobytes()


def _as_bits(stored: Stored, spec: SeriesSpec) -> NDArray[np.uint16]:
    """The two's complement in the bits stored: JPEG and JPEG-LS know no sign."""
    mask = np.uint16((1 << spec.bits_stored) - 1)
    bits: NDArray[np.uint16] = stored.view(np.uint16) & mask
    return bits


def _jpeg_lossless(stored: Stored, spec: SeriesSpec) -> bytes:
    bits = _as_bits(stored, spec)
    return _even(
        imagecodecs.jpeg8_encode(bits, lossless=True, predictor=1, bitspersample=spec.bits_stored)
    )


def _jpeg_ls(stored: Stored, spec: SeriesSpec) -> bytes:
    return _even(imagecodecs.jpegls_encode(_as_bits(stored, spec)))


def _jpeg_2000(stored: Stored, spec: SeriesSpec) -> bytes:
    return _even(
        imagecodecs.jpeg2k_encode(
            stored, level=0, codecformat="j2k", bitspersample=spec.bits_stored, reversible=True
        )
    )


def _rle(stored: Stored, spec: SeriesSpec) -> bytes:
    rows, columns = stored.shape
    description = {
        "rows": rows,
        "columns": columns,
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "bits_allocated": 16,
        "bits_stored": spec.bits_stored,
        "pixel_representation": int(spec.is_signed),
        "number_of_frames": 1,
    }
    return get_encoder(RLELossless).encode(
        stored.astype("<u2" if not spec.is_signed else "<i2").tobytes(),
        index=0,
        encoding_plugin="pydicom",
        **description,
    )


def _even(frame: bytes | bytearray) -> bytes:
    return bytes(frame) + b"\0" * (len(frame) % 2)


_FRAME_ENCODERS: Mapping[Syntax, Callable[[Stored, SeriesSpec], bytes]] = MappingProxyType(
    {
        Syntax.JPEG_LOSSLESS: _jpeg_lossless,
        Syntax.JPEG_LS: _jpeg_ls,
        Syntax.JPEG_2000: _jpeg_2000,
        Syntax.RLE: _rle,
    }
)
