"""Attributes that nobody vouches for, read one by one with distrust, wherever they come from."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from pipelines.core.errors import DicomError

RESCALE_LIMIT = Decimal(100_000)
RESCALE_DECIMALS = 16
"""RescaleSlope and RescaleIntercept are decimal strings of at most 16 characters (PS3.5 6.2)."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The attributes of a data set; `name` is what its errors call it.

    `texts` gives all values of a keyword as stripped text, none where it is absent or empty.
    """

    texts: Callable[[str], tuple[str, ...]]
    name: str

    def bad(self, keyword: str, why: str) -> DicomError:
        """The error for a value that cannot be; the value itself is never shown."""
        return DicomError("BAD_ATTRIBUTE", f"{self.name}: {keyword} {why}")

    def missing(self, keyword: str) -> DicomError:
        """The error for an attribute that is not there, or empty."""
        return DicomError("MISSING_ATTRIBUTE", f"{self.name}: {keyword} is missing")

    def text(self, keyword: str) -> str:
        """The one value, which must be there."""
        values = self.texts(keyword)
        if not values:
            raise self.missing(keyword)
        if len(values) > 1:
            raise self.bad(keyword, f"has {len(values)} values instead of 1")
        return values[0]

    def numbers(self, keyword: str, count: int, limit: float) -> tuple[float, ...]:
        """Exactly `count` finite numbers of at most `limit` in size."""
        values = self.texts(keyword)
        if not values:
            raise self.missing(keyword)
        if len(values) != count:
            raise self.bad(keyword, f"has {len(values)} values instead of {count}")
        numbers = tuple(self._number(keyword, text) for text in values)
        if not all(abs(number) <= limit for number in numbers):
            raise self.bad(keyword, "is out of range")
        return numbers

    def _number(self, keyword: str, text: str) -> float:
        try:
            # Python reads 1_0 as 10, DICOM does not
            number = float(text.replace("_", "?"))
        except ValueError as error:
            raise self.bad(keyword, "is not a number") from error
        if not math.isfinite(number):
            raise self.bad(keyword, "is not a finite number")
        return number

    def decimal(self, keyword: str) -> Decimal:
        """One decimal of the size that a rescale value can have, exactly as it is written."""
        try:
            # As in `_number`
            number = Decimal(self.text(keyword).replace("_", "?"))
        except InvalidOperation as error:
            raise self.bad(keyword, "is not a number") from error
        exponent = number.as_tuple().exponent
        if not isinstance(exponent, int) or exponent < -RESCALE_DECIMALS:
            raise self.bad(keyword, "is not a number of 16 decimals at most")
        if abs(number) > RESCALE_LIMIT:
            raise self.bad(keyword, "is out of range")
        return number

    def integer(self, keyword: str, low: int, high: int, default: int | None = None) -> int:
        """One whole number within bounds; `default`, if given, where the attribute is absent."""
        if default is not None and not self.texts(keyword):
            return default
        number = self.whole_number(keyword, text=self.text(keyword))
        if number is None or not low <= number <= high:
            raise self.bad(keyword, f"is not a whole number from {low} to {high}")
        return number

    def whole_number(self, keyword: str, *, text: str = "") -> int | None:
        """One whole number; None where there is none or it is none."""
        values = (text,) if text else self.texts(keyword)
        try:
            return int(values[0].replace("_", "?")) if len(values) == 1 else None
        except ValueError:
            return None
