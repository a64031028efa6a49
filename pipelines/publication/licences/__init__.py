"""The licences a dataset can be published under: their links, their titles, their exact texts.

The texts beside this file are the canonical ones, as the SPDX licence list holds them. MosMedData
as published in 2020 named one licence, linked to another, and came with the texts of two.
"""

from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files

from pipelines.core.errors import SettingsError
from pipelines.core.spelling import did_you_mean

CREATIVE_COMMONS = "https://creativecommons.org"


class Term(StrEnum):
    """What a licence asks of those who share the dataset."""

    CREDIT = "credit"
    NON_COMMERCIAL = "non-commercial"
    NO_DERIVATIVES = "no-derivatives"
    SHARE_ALIKE = "share-alike"


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """A licence: `spdx` name, short name, full titles, link to its page and its terms."""

    spdx: str
    short: str
    title_en: str
    title_ru: str
    path: str
    terms: frozenset[Term]

    @property
    def link(self) -> str:
        """The page of this very licence at creativecommons.org."""
        return f"{CREATIVE_COMMONS}/{self.path}/"

    @property
    def text(self) -> str:
        """The canonical text of the licence, with LF line ends."""
        return (files(__name__) / f"{self.spdx}.txt").read_bytes().decode("utf-8")


def _creative_commons(terms: str, version: str, title_ru: str) -> Licence:
    """A Creative Commons licence out of its short terms, e.g. ``by-nc-nd``."""
    port_en, port_ru = (
        ("Unported", "Непортированная")
        if version == "3.0"
        else ("International", "Всемирная")  # as creativecommons.org calls the 4.0 in Russian
    )
    words = {"by": "Attribution", "nc": "NonCommercial", "sa": "ShareAlike"}
    words["nd"] = "NoDerivs" if version == "3.0" else "NoDerivatives"
    title = "-".join(words[term] for term in terms.split("-"))
    meanings = dict(zip(("by", "nc", "nd", "sa"), Term, strict=True))
    return Licence(
        spdx=f"CC-{terms.upper()}-{version}",
        short=f"CC {terms.upper()} {version}",
        title_en=f"Creative Commons {title} {version} {port_en}",
        title_ru=f"Creative Commons {title_ru} {version} {port_ru}",
        path=f"licenses/{terms}/{version}",
        terms=frozenset(meanings[term] for term in terms.split("-")),
    )


_NC_ND_RU = "«С указанием авторства — Некоммерческая — Без производных произведений»"
_NC_SA_RU = "«С указанием авторства — Некоммерческая — С сохранением условий»"

LICENCES: dict[str, Licence] = {
    licence.spdx: licence
    for licence in (
        _creative_commons("by-nc-nd", "3.0", _NC_ND_RU),
        _creative_commons("by-nc-nd", "4.0", _NC_ND_RU),
        _creative_commons("by-nc-sa", "4.0", _NC_SA_RU),
        _creative_commons("by-nc", "4.0", "«С указанием авторства — Некоммерческая»"),
        _creative_commons("by", "4.0", "«С указанием авторства»"),
        Licence(
            spdx="CC0-1.0",
            short="CC0 1.0",
            title_en="Creative Commons CC0 1.0 Universal Public Domain Dedication",
            title_ru="Creative Commons CC0 1.0 «Передача в общественное достояние» Универсальная",
            path="publicdomain/zero/1.0",
            terms=frozenset(),
        ),
    )
}


def licence_of(spdx: str) -> Licence:
    """The licence of an SPDX name.

    Raises SettingsError for a name that is not among them, with the nearest one that is.
    """
    if spdx in LICENCES:
        return LICENCES[spdx]
    asked = "-".join(spdx[:60].upper().split())
    raise SettingsError(
        f"licence under [registry]: {spdx[:60]!r} is not a licence that mosmed ships",
        hint=f"{did_you_mean(asked, LICENCES)}There are {', '.join(sorted(LICENCES))}.",
    )


def licence_file(licence: Licence, *, title: str, holder: str) -> str:
    """The LICENSE of a dataset: who holds the rights, which licence, where, and its one text."""
    title, holder = " ".join(title.split()), " ".join(holder.split())
    lines = [title] if title else []
    if holder and licence.terms:
        lines.append(f"Copyright (c) {holder}")
    elif holder:
        lines.append(f"Dedicated to the public domain by {holder}")
    lines += ["", licence.title_en, licence.link, "", licence.text]
    return "\n".join(lines).lstrip("\n")
