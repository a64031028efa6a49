"""The pictures of a study as one small SVG file: two JPEGs in it, and the mask drawn as a line.

It is what the report shows, and can be opened by itself. The JPEGs hold nothing but pixels.
"""

import base64
from pathlib import Path

import numpy as np

from pipelines.core.pictures import Picture, Preview

JPEG_QUALITY = 70
GAP_MM = 6.0
OUTLINE = 'fill="none" stroke="#35c9f5" stroke-width="1.5" vector-effect="non-scaling-stroke"'
"""What a style sheet may say otherwise."""


def write_preview(path: Path, preview: Preview) -> Path:
    """Write the axial picture with the coronal one beside it, both at one scale in mm."""
    axial, coronal = preview.axial, preview.coronal
    left_mm = axial.width_mm + GAP_MM
    width_mm, height_mm = left_mm + coronal.width_mm, max(axial.height_mm, coronal.height_mm)
    parts = (
        '<svg xmlns="http://www.w3.org/2000/svg"'
        f' viewBox="0 0 {_number(width_mm)} {_number(height_mm)}">',
        _shown(axial, 0.0, (height_mm - axial.height_mm) / 2),
        _shown(coronal, left_mm, (height_mm - coronal.height_mm) / 2),
        "</svg>\n",
    )
    path.write_bytes("".join(parts).encode("ascii"))
    return path


def _shown(picture: Picture, x_mm: float, y_mm: float) -> str:
    """A picture with its outline, stretched to its size in mm."""
    rows, columns = picture.grey.shape
    place = (
        f'<svg x="{_number(x_mm)}" y="{_number(y_mm)}" width="{_number(picture.width_mm)}"'
        f' height="{_number(picture.height_mm)}" viewBox="0 0 {columns} {rows}"'
        ' preserveAspectRatio="none">'
    )
    image = (
        f'<image width="{columns}" height="{rows}" preserveAspectRatio="none"'
        f' href="{_jpeg(picture)}"/>'
    )
    outline = f'<path class="mask" {OUTLINE} d="{picture.outline}"/>' if picture.outline else ""
    return f"{place}{image}{outline}</svg>"


def _jpeg(picture: Picture) -> str:
    from imagecodecs import jpeg8_encode

    grey = np.ascontiguousarray(picture.grey)
    encoded = bytes(jpeg8_encode(grey, level=JPEG_QUALITY, optimize=True))
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode("ascii")


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
