"""All that lies in the published folder beside the volumes, the masks and the registry."""

from collections.abc import Mapping, Sequence

from pipelines.core.settings import RegistrySettings
from pipelines.publication.columns import Listed
from pipelines.publication.facts import facts_of
from pipelines.publication.licences import licence_file, licence_of
from pipelines.publication.readme import Described, full_title_of, render
from pipelines.publication.study_table import (
    DICTIONARY_NAME,
    TABLE_NAME,
    dictionary_bytes,
    table_bytes,
    told_of,
)
from pipelines.publication.wording import LANGUAGES

SUMS_NAME = "SHA256SUMS"


def documents(
    listed: Sequence[Listed], settings: RegistrySettings, *, digits: int
) -> dict[str, bytes]:
    """The content of each document by its file name; `digits` has the number in a file name."""
    described = Described(
        listed=listed,
        facts=facts_of([one.study for one in listed]),
        told=told_of(listed, settings),
        digits=digits,
    )
    licence = licence_of(settings.licence)
    made = {
        "LICENSE": licence_file(
            licence, title=full_title_of(settings), holder=settings.holder
        ).encode("utf-8"),
        TABLE_NAME: table_bytes(listed, settings),
        DICTIONARY_NAME: dictionary_bytes(settings),
    }
    for language in LANGUAGES:
        text = render(described, settings, language)
        made[language.file_name] = text.encode("utf-8")
    return made


def sums_text(digests: Mapping[str, str]) -> str:
    """`SHA256SUMS` as `sha256sum -c` reads it: digest, two blanks, path; sorted by path."""
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests))
