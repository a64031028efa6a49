"""Who publishes what, when and where: the settings that name the dataset, checked."""

import re
from dataclasses import dataclass
from datetime import date

from pipelines.core.errors import SettingsError
from pipelines.core.registry_settings import RegistrySettings
from pipelines.publication.markdown import one_line

HOUSE = "MosMedData "
DOI_RESOLVER = "https://doi.org/"
DOI = re.compile(r"10\.[0-9]{4,9}/[!-~]+")
LINK = re.compile(r"https?://[!-~]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imprint:
    """The dataset's name and origin; empty texts and None are not known.

    `code` is the name without that of the house, e.g. `COVID19_1110`; `full_title` holds both;
    `address` is where the dataset is found: its DOI, else its link.
    """

    title: str
    code: str
    full_title: str
    version: str
    holder: str
    creators: tuple[str, ...]
    publisher: str
    funding: str
    contact: str
    link: str
    doi: str
    release_date: date | None

    @property
    def address(self) -> str:
        """Where the dataset is found."""
        return f"{DOI_RESOLVER}{self.doi}" if self.doi else self.link


def imprint_of(settings: RegistrySettings) -> Imprint:
    """The imprint that the settings say.

    Raises SettingsError for a link, a DOI or a day that is none.
    """
    title = one_line(settings.title) or one_line(settings.name)
    code = one_line(settings.name).removeprefix(HOUSE)
    holder = one_line(settings.holder)
    creators = tuple(one_line(name) for name in settings.creators if name.strip())
    return Imprint(
        title=title,
        code=code,
        full_title=f"{title} ({code})" if code and code not in title else title,
        version=one_line(settings.version),
        holder=holder,
        creators=creators or ((holder,) if holder else ()),
        publisher=one_line(settings.publisher) or holder,
        funding=one_line(settings.funding),
        contact=one_line(settings.contact),
        link=_checked("link", settings.link.strip(), LINK, "https://example.org/lungs"),
        doi=_checked("doi", settings.doi.strip().removeprefix(DOI_RESOLVER), DOI, "10.1234/abcd"),
        release_date=_day(settings.release_date.strip()),
    )


def _checked(name: str, value: str, pattern: re.Pattern[str], example: str) -> str:
    if value and not pattern.fullmatch(value):
        raise SettingsError(
            f"{name} under [registry]: {value[:60]!r} cannot be used",
            hint=f"Write it like {example}, or leave it empty.",
        )
    return value


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"release_date under [registry]: {text[:60]!r} is no day",
            hint="Write it like 2020-04-28, or leave it empty.",
        ) from error
