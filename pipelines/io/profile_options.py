"""The options of the profile as the settings take them, and the site's allowlist of words."""

from collections.abc import Iterator
from pathlib import Path

from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.deid import Options
from pipelines.core.errors import SettingsError
from pipelines.core.retained import SHORTEST_NUMBER_DIGITS, words_of
from pipelines.io.text_file import read_text


def options_of(settings: AnonymizeSettings) -> Options:
    """The options that `settings` take; raises SettingsError for a list that cannot be used."""
    words = settings.descriptor_words
    return Options(
        retain_patient_characteristics=settings.retain_patient_characteristics,
        retain_device_identity=settings.retain_device_identity,
        retain_modified_dates=settings.retain_modified_dates,
        retain_safe_private=settings.retain_safe_private,
        descriptor_words=frozenset(_words(words)) if words else frozenset(),
    )


def _words(path: Path) -> Iterator[str]:
    """The words of an allowlist, one a line, in lower case; what stands behind # is a comment."""
    count = 0
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        word = line.split("#")[0].strip()
        if not word:
            continue
        if words_of(word) != (word,):
            raise SettingsError(
                f"{path.name}:{number}: a line holds one word, without punctuation around it",
                hint="Descriptions are parted at blanks and punctuation; list each word.",
            )
        if sum(letter.isdigit() for letter in word) >= SHORTEST_NUMBER_DIGITS:
            raise SettingsError(
                f"{path.name}:{number}: a number of {SHORTEST_NUMBER_DIGITS} digits or more",
                hint="It may be a date or somebody's number, and is never left in a text.",
            )
        count += 1
        yield word.lower()
    if not count:
        raise SettingsError(f"{path}: no words", hint="List one word a line, or leave it out.")
