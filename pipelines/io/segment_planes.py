"""The stored values of one frame of a segmentation, in every syntax that archives keep them in.

Bits are unpacked here: frames follow one another without a gap, so that one whose size is no
multiple of eight starts and ends within a byte (PS3.5 8.2), which libraries forget. Compressed
frames have the decoders of `io.pixels`.
"""

from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.utils import pixel_array

from pipelines.core.errors import DicomError
from pipelines.core.syntaxes import DEFLATED_SYNTAX, NATIVE_SYNTAXES, RLE_SYNTAX
from pipelines.io.pixels import CODEC_ERRORS, DECODERS, claim_of

NAME = "the segmentation"


def read_plane(dataset: Dataset, index: int) -> NDArray[Any]:
    """The values `[row, column]` of the frame `index`, counted from 0.

    Raises DicomError UNSUPPORTED_SYNTAX, LOSSY_PIXELS or BAD_PIXELS, or whatever pydicom does.
    """
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    is_native = syntax in {*NATIVE_SYNTAXES, DEFLATED_SYNTAX}
    if is_native and dataset.BitsAllocated == 1:
        return _unpacked(dataset, index)
    if is_native or syntax == RLE_SYNTAX:
        return pixel_array(dataset, index=index)
    return _decoded(dataset, index, syntax)


def _unpacked(dataset: Dataset, index: int) -> NDArray[np.uint8]:
    pixels = int(dataset.Rows) * int(dataset.Columns)
    packed_bytes = (pixels * int(dataset.NumberOfFrames) + 7) // 8
    # A writer that fills up each frame to a whole byte has longer pixels, and other marks
    if len(dataset.PixelData) not in {packed_bytes, packed_bytes + packed_bytes % 2}:
        raise DicomError("BAD_PIXELS", f"{NAME} holds more or fewer bits than its frames have")
    first, end = index * pixels, (index + 1) * pixels
    packed = np.frombuffer(dataset.PixelData[first // 8 : (end + 7) // 8], dtype=np.uint8)
    bits = np.unpackbits(packed, bitorder="little")[first % 8 :][:pixels]
    return bits.reshape(int(dataset.Rows), int(dataset.Columns))


def _decoded(dataset: Dataset, index: int, syntax: str) -> NDArray[Any]:
    decoder = getattr(imagecodecs, DECODERS.get(syntax, ""), None)
    if decoder is None:
        raise DicomError("UNSUPPORTED_SYNTAX", f"{NAME}: no decoder for transfer syntax {syntax}")
    frame = get_frame(dataset.PixelData, index, number_of_frames=int(dataset.NumberOfFrames))
    claim = claim_of(frame, syntax)
    # The frame is believed before it is decoded, as memory is given by its own size
    size = dataset.Rows, dataset.Columns, 1
    if claim is None or (claim.rows, claim.columns, claim.channels) != size:
        raise DicomError("BAD_PIXELS", f"{NAME}: a frame is not the one its header describes")
    if not claim.is_reversible:
        message = f"{NAME} was compressed with loss: nobody knows what was marked"
        raise DicomError("LOSSY_PIXELS", message, hint="Have the drawing exported without loss.")
    try:
        values: NDArray[Any] = decoder(frame)
    except CODEC_ERRORS as error:
        raise DicomError("BAD_PIXELS", f"{NAME}: a frame cannot be decoded") from error
    return values
