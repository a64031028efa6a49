"""The JSON beside a converted volume: what `thin` counts by, and what NIfTI cannot hold.

It holds no identity: numbers, and the name of the kernel.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.core.errors import ItemError

SIZE_LIMIT_BYTES = 1 << 24
KERNEL_NAME = re.compile(r"[A-Za-z0-9 ._+/\\-]{1,64}")
"""What scanners call kernels: FC07, B40f, Br44d\\3, STANDARD, YA. Other text is not passed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """One entry of `instance_numbers` and of `positions_mm` for each slice k, from the feet up.

    `positions_mm` lie along the normal; None is unknown, or not the same for all slices.
    `kept_ranks` are the ranks, from 1, of the slices that are in the volume; None if all are.
    """

    instance_numbers: tuple[int | None, ...]
    positions_mm: tuple[float, ...]
    slice_thickness_mm: float | None
    source_step_mm: float
    convolution_kernel: str | None
    kept_ranks: tuple[int, ...] | None = None


def kernel_name(text: str | None) -> str | None:
    """The kernel as it may be published: None for anything that is no name of a kernel."""
    return text if text is not None and KERNEL_NAME.fullmatch(text) else None


def write_sidecar(path: Path, content: dict[str, object]) -> None:
    """Write a new JSON file; equal content gives equal bytes."""
    text = json.dumps(content, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=True)
    with path.open("x", encoding="ascii", newline="\n") as file:
        file.write(text + "\n")


def sidecar_content(sidecar: Sidecar) -> dict[str, object]:
    """The sidecar as the JSON file has it."""
    content = asdict(sidecar)
    if sidecar.kept_ranks is None:
        del content["kept_ranks"]
    return content


def read_instance_numbers(path: Path, slices: int | None) -> tuple[int | None, ...]:
    """The InstanceNumber of each slice k of a volume of so many slices, None for any number.

    Raises ItemError NO_INSTANCE_NUMBERS where the file does not hold them.
    """
    content = _read_json(path)
    numbers = content.get("instance_numbers") if isinstance(content, dict) else None
    if not isinstance(numbers, list) or not all(_is_number(number) for number in numbers):
        raise ItemError("NO_INSTANCE_NUMBERS", f"{path.name}: it holds no instance_numbers")
    if slices is not None and len(numbers) != slices:
        message = f"{path.name}: {len(numbers)} instance_numbers for {slices} slices"
        raise ItemError("NO_INSTANCE_NUMBERS", message)
    return tuple(numbers)


def read_kept_ranks(path: Path) -> tuple[int, ...] | None:
    """The ranks of the slices that a volume was left with before it was thinned; None for all.

    Raises ItemError NO_INSTANCE_NUMBERS where the file does not hold what it should.
    """
    content = _read_json(path)
    ranks = content.get("kept_ranks") if isinstance(content, dict) else None
    if ranks is None:
        return None
    if not isinstance(ranks, list) or not all(type(rank) is int for rank in ranks):
        raise ItemError("NO_INSTANCE_NUMBERS", f"{path.name}: its kept_ranks are no ranks")
    return tuple(ranks)


def _read_json(path: Path) -> object:
    try:
        with path.open("rb") as file:
            content: object = json.loads(file.read(SIZE_LIMIT_BYTES))
    except FileNotFoundError as error:
        raise ItemError("NO_INSTANCE_NUMBERS", f"{path.name} is missing") from error
    except (ValueError, RecursionError) as error:
        raise ItemError("NO_INSTANCE_NUMBERS", f"{path.name}: it is not JSON") from error
    return content


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))
