"""The languages in which a dataset is told of: their words, and how they write numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.core.model import OLDEST_AGE_YEARS


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """What a text needs of its language; `words` are those of one kind of text, by key."""

    code: str
    decimal_mark: str
    words: Mapping[str, str]

    def number(self, value: float) -> str:
        """With at most three decimals, and no zeros at their end."""
        text = f"{value:.3f}".rstrip("0").rstrip(".")
        return text.replace("-", "−").replace(".", self.decimal_mark)

    def age(self, years: float) -> str:
        """In years; nobody is told to be older than the oldest age that is kept."""
        return f"{OLDEST_AGE_YEARS}+" if years >= OLDEST_AGE_YEARS else self.number(years)
