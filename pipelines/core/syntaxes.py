"""Which transfer syntaxes a slice may come in, and what they say about loss (PS3.5 A)."""

from pipelines.core.slices import SliceClaim

IMPLICIT_SYNTAX = "1.2.840.10008.1.2"
EXPLICIT_SYNTAX = "1.2.840.10008.1.2.1"
DEFLATED_SYNTAX = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN_SYNTAX = "1.2.840.10008.1.2.2"
RLE_SYNTAX = "1.2.840.10008.1.2.5"
NATIVE_SYNTAXES = frozenset({IMPLICIT_SYNTAX, EXPLICIT_SYNTAX, BIG_ENDIAN_SYNTAX})
JPEG_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70))
JPEG_LS_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (80, 81))
JPEG_2000_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91))
HTJ2K_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (201, 202, 203))
KNOWN_SYNTAXES = frozenset(
    {
        *NATIVE_SYNTAXES,
        RLE_SYNTAX,
        *JPEG_SYNTAXES,
        *JPEG_LS_SYNTAXES,
        *JPEG_2000_SYNTAXES,
        *HTJ2K_SYNTAXES,
    }
)
"""What is decoded; a deflated file is native once it is inflated."""

LOSSY_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51))
EITHER_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (91, 203))
"""Lossless or not, and the codestream cannot prove it: a reversible wavelet may have been cut to a
rate. Such a frame is lossless only if LossyImageCompression says so."""


def may_be_lossy(claim: SliceClaim) -> bool:
    """Whether the header leaves room for pixels that compression has changed."""
    syntax, was_lossy = claim.transfer_syntax_uid, claim.was_lossy
    is_silent = syntax in EITHER_SYNTAXES and was_lossy is None
    return bool(was_lossy) or is_silent or syntax in LOSSY_SYNTAXES
