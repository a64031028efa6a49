"""What packing a volume costs, and how large it becomes, by every codec there is: FILE (JSON)."""

import json
import sys
import time
import zlib
from pathlib import Path

ROUNDS, SLOW_SECONDS = 3, 1.0


def codecs():
    """Name and function of each codec that is installed."""
    import deflate
    from isal import isal_zlib
    from zlib_ng import zlib_ng

    for level in (1, 2, 3, 4, 5, 6, 8, 10, 12):
        yield f"libdeflate {level}", lambda raw, n=level: deflate.deflate_compress(raw, n)
    for level in range(4):
        yield f"isal {level}", lambda raw, n=level: isal_zlib.compress(raw, n, -15)
    for level in range(1, 7):
        yield f"zlib-ng {level}", lambda raw, n=level: zlib_ng.compress(raw, n, -15)
    for level in (1, 3, 6):
        yield f"zlib {level}", lambda raw, n=level: zlib.compress(raw, n, -15)


def measured(pack, raw: bytes) -> tuple[float, int]:
    """The least of some rounds in nanoseconds of CPU a byte, and the bytes that are left."""
    least = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        packed = pack(raw)
        least = min(least, time.process_time() - start)
        if least > SLOW_SECONDS:
            break
    return least / len(raw) * 1e9, len(packed)


def main(source: str) -> None:
    raw = Path(source).read_bytes()
    sys.stdout.write(json.dumps({name: measured(pack, raw) for name, pack in codecs()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
