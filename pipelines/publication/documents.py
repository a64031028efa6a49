"""All that lies in the published folder beside the volumes, the masks and the registry."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipelines.core.published import Provenance
from pipelines.core.registry_settings import RegistrySettings
from pipelines.publication.answers import responsible_of
from pipelines.publication.changelog import CHANGELOG_NAME, changelog_text
from pipelines.publication.columns import Listed
from pipelines.publication.croissant import CROISSANT_NAME, croissant_bytes
from pipelines.publication.datacite import DATACITE_NAME, datacite_bytes
from pipelines.publication.datasheet import DATASHEET_NAME, datasheet_text
from pipelines.publication.facts import facts_of
from pipelines.publication.imprint import Imprint, imprint_of
from pipelines.publication.language import Language
from pipelines.publication.licences import licence_file, licence_of
from pipelines.publication.readme import Described, name_of, render
from pipelines.publication.study_table import (
    DICTIONARY_NAME,
    TABLE_NAME,
    columns_of,
    dictionary_bytes,
    table_bytes,
    told_of,
)
from pipelines.publication.wording import LANGUAGES

if TYPE_CHECKING:
    from pipelines.io.pdf import Document

SUMS_NAME = "SHA256SUMS"


def documents(
    listed: Sequence[Listed],
    settings: RegistrySettings,
    *,
    digits: int,
    provenance: Provenance | None = None,
) -> dict[str, bytes]:
    """The content of each document by its file name; `digits` has the number in a file name."""
    imprint, licence = imprint_of(settings), licence_of(settings.licence)
    described = Described(
        listed=listed,
        facts=facts_of([one.study for one in listed]),
        told=told_of(listed, settings),
        digits=digits,
        provenance=provenance,
    )
    tables = {
        TABLE_NAME: table_bytes(listed, settings),
        DICTIONARY_NAME: dictionary_bytes(settings),
    }
    texts = {
        "LICENSE": licence_file(licence, title=imprint.full_title, holder=imprint.holder),
        CHANGELOG_NAME: changelog_text(described.facts, imprint, settings),
        DATASHEET_NAME: datasheet_text(described, imprint, settings),
    }
    return {
        **{name: text.encode("utf-8") for name, text in texts.items()},
        **tables,
        **_readmes(described, imprint, settings),
        DATACITE_NAME: datacite_bytes(imprint, described.facts, licence),
        CROISSANT_NAME: croissant_bytes(
            imprint, licence, columns_of(settings), tables,
            responsible=responsible_of(described, imprint, settings),
        ),
    }  # fmt: skip


def sums_text(digests: Mapping[str, str]) -> str:
    """`SHA256SUMS` as `sha256sum -c` reads it: digest, two blanks, path; sorted by path."""
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests))


def _readmes(
    described: Described, imprint: Imprint, settings: RegistrySettings
) -> dict[str, bytes]:
    """The README in each language, as Markdown and as PDF."""
    from pipelines.io.pdf import pdf_bytes  # takes longer to load than the rest of the document

    made: dict[str, bytes] = {}
    for language in LANGUAGES:
        text = render(described, settings, language)
        name = name_of(language)
        made[name] = text.encode("utf-8")
        made[name.replace(".md", ".pdf")] = pdf_bytes(_document(text, imprint, language))
    return made


def _document(markdown: str, imprint: Imprint, language: Language) -> "Document":
    from pipelines.io.pdf import Document

    return Document(
        markdown=markdown,
        title=imprint.full_title,
        author="; ".join(imprint.creators),
        language=language.code,
        footer=" · ".join(part for part in (imprint.full_title, imprint.version) if part),
        page=lambda number, pages: language.words["page"].format(number=number, pages=pages),
    )
