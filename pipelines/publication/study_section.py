"""What README says of `studies.csv`: its columns, the splits, and what k-anonymity hides."""

from collections import Counter
from collections.abc import Sequence

from pipelines.core.registry_settings import RegistrySettings
from pipelines.publication.columns import Listed
from pipelines.publication.language import Language
from pipelines.publication.markdown import grid
from pipelines.publication.study_table import Told, columns_of

PEOPLE = ("sex", "age_band", "scanner")


def columns_table(settings: RegistrySettings, language: Language) -> str:
    """Every column with its unit and meaning."""
    words = language.words
    rows = [
        (f"`{column.name}`", words.get(column.unit, column.unit) or "—",
         (column.meaning_ru if language.code == "ru" else column.meaning_en).replace("*", r"\*"))
        for column in columns_of(settings)
    ]  # fmt: skip
    head = (words["column"], words["unit"], words["meaning"])
    return grid(head, rows, alignments=("---", "---", "---"))


def splits_sentence(
    listed: Sequence[Listed], settings: RegistrySettings, language: Language
) -> str:
    """How many studies each split has, and how the patients got into it."""
    if not settings.splits or "split" not in settings.columns:
        return language.words["no_splits"]
    counts = Counter(one.split for one in listed)
    told = ", ".join(f"{name}: {counts[name]}" for name in settings.splits)
    return language.words["splits"].format(counts=told)


def anonymity_sentence(told: Told, settings: RegistrySettings, language: Language) -> str:
    """The rule, and in how many studies it hides what."""
    words = language.words
    if not any(name in settings.columns for name in PEOPLE):
        return words["nobody_told"]
    if told.k == 1:
        return words["k_is_1"]
    hidden = dict(told.hidden)
    return words["k_anonymity"].format(k=told.k, studies=told.studies, **hidden)
