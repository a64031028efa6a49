"""`CHANGELOG.md` of the dataset: what each version changed, and what this one holds."""

from pipelines.core.registry_settings import RegistrySettings
from pipelines.publication.facts import Facts
from pipelines.publication.imprint import Imprint
from pipelines.publication.markdown import escaped, one_line

CHANGELOG_NAME = "CHANGELOG.md"


def changelog_text(facts: Facts, imprint: Imprint, settings: RegistrySettings) -> str:
    """The versions that the settings tell of, the newest first, with the counts of this one."""
    told = {one_line(version): text for version, text in settings.changelog.items()}
    versions = sorted({imprint.version, *told} - {""}, key=_by_number, reverse=True)
    day = imprint.release_date
    lines = [f"# Changes: {escaped(imprint.full_title)}"]
    for version in versions:
        is_this = version == imprint.version
        lines += [
            "",
            f"## {escaped(version)}" + (f" ({day.isoformat()})" if day and is_this else ""),
        ]
        if told.get(version):
            lines += ["", escaped(told[version])]
        if is_this:
            categories = ", ".join(f"{one.category} {one.studies}" for one in facts.categories)
            lines += ["", f"Studies: {facts.studies} ({categories}). Masks: {facts.masks}."]
    return "\n".join(lines) + "\n"


def _by_number(version: str) -> tuple[tuple[int, str], ...]:
    """1.10 comes after 1.9."""
    parts = version.split(".")
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)
