"""README_EN and README_RU of the dataset: the headings of the house, every number computed.

The prose lies in the two `README_*.md` beside this file; what depends on the records comes from
`wording` and is put into its places here. Text out of the settings is escaped, so that no title
can break a table or bring in a tag.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from string import Template

from pipelines.core.model import Category
from pipelines.core.published import Provenance
from pipelines.core.registry_settings import RegistrySettings
from pipelines.publication.columns import Listed
from pipelines.publication.facts import Facts, Rule, Spread
from pipelines.publication.imprint import Imprint, imprint_of
from pipelines.publication.language import Language
from pipelines.publication.licences import Licence, Term, licence_of
from pipelines.publication.markdown import escaped, grid
from pipelines.publication.study_section import anonymity_sentence, columns_table, splits_sentence
from pipelines.publication.study_table import Told

NOTHING = "—"
FILES = (
    "dataset_registry.xlsx",
    "LICENSE",
    "README_EN.md",
    "README_EN.pdf",
    "README_RU.md",
    "README_RU.pdf",
    "studies.csv",
    "data_dictionary.csv",
    "report.html",
    "DATASHEET.md",
    "CHANGELOG.md",
    "croissant.json",
    "datacite.json",
    "SHA256SUMS",
)
"""What lies beside the folders, in the order in which README tells of it."""

MOST_VALUES_LISTED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a README describes: the studies, what they count up to, and what is hidden of them.

    `digits` is how many digits the number in a file name has; `provenance` is None where the
    ledgers are not known.
    """

    listed: Sequence[Listed]
    facts: Facts
    told: Told
    digits: int
    provenance: Provenance | None = None


def name_of(language: Language) -> str:
    """The file of the README in a language."""
    return f"README_{language.code.upper()}.md"


def render(described: Described, settings: RegistrySettings, language: Language) -> str:
    """The README in one language, as GitHub Markdown with LF line ends.

    Raises SettingsError for a licence that mosmed does not ship.
    """
    words, facts = language.words, described.facts
    licence, imprint = licence_of(settings.licence), imprint_of(settings)
    number_pattern = "B" * described.digits
    template = Template((files(__package__) / name_of(language)).read_bytes().decode("utf-8"))
    return template.substitute(
        title=escaped(imprint.title),
        masks_sentence=words[_masks_key(facts)],
        general_table=_table(_general_rows(facts, imprint, language), language),
        affiliation=_affiliation(imprint, language),
        tree=_tree(number_pattern),
        number_pattern=number_pattern,
        overview_table=_table(_overview_rows(facts, language), language),
        thinning=_thinning(facts, language),
        difference=words[_difference_key(facts)],
        category_table=_category_table(facts, language),
        columns_table=columns_table(settings, language),
        splits=splits_sentence(described.listed, settings, language),
        anonymity=anonymity_sentence(described.told, settings, language),
        mask_principles=words["mask_principles" if facts.masks else "no_masks"],
        licence_sentence=_licence_sentence(licence, language),
        terms=_terms(licence, language),
        citation=_citation(imprint, language),
        distribution=words["distribution"],
    ).replace(" \n", "\n")


def _table(rows: Iterable[tuple[str, str]], language: Language) -> str:
    head = (language.words["property"], language.words["value"])
    return grid(head, [row for row in rows if row[1]], alignments=("---", "---"))


def _general_rows(facts: Facts, imprint: Imprint, language: Language) -> list[tuple[str, str]]:
    words, day = language.words, imprint.release_date
    return [
        (words["title"], escaped(imprint.title)),
        (words["code"], escaped(imprint.code)),
        (words["annotation_class"], "2-C, 2-A" if facts.masks else "2-C"),
        (words["keywords"], words["keywords_value"]),
        (words["language"], words["language_value"]),
        (words["funding"], escaped(imprint.funding)),
        (words["version"], escaped(imprint.version)),
        (words["link"], f"<{imprint.address}>" if imprint.address else ""),
        (words["release_date"], f"{day:%d.%m.%Y}" if day else ""),
    ]


def _overview_rows(facts: Facts, language: Language) -> list[tuple[str, str]]:
    words, number = language.words, language.number
    return [
        (words["studies"], str(facts.studies)),
        (words["patients"], "" if facts.patients is None else str(facts.patients)),
        (words["sexes"], _sexes(facts)),
        (words["ages"], _spread(facts.ages_years, language.age)),
        (words["unknown_ages"], str(facts.unknown_ages or "")),
        (words["masks"], str(facts.masks)),
        (words["categories"], _joined(str(one.studies) for one in facts.categories)),
        (words["slices"], _spread(facts.slices, number)),
        (words["slices_before"], _spread(facts.slices_before, number)),
        (words["steps"], _listed([(number(s), n) for s, n in facts.steps_mm], language)),
        (words["pixels"], _spread(facts.pixels_mm, number)),
        (words["matrices"], _listed([(f"{i} × {j}", n) for (i, j), n in facts.matrices], language)),
    ]


def _sexes(facts: Facts) -> str:
    return _joined(str(percent) for _, percent in facts.sexes_percent) if facts.studies else NOTHING


def _joined(values: Iterable[str]) -> str:
    return " / ".join(values)


def _spread(spread: Spread | None, number: Callable[[float], str]) -> str:
    if spread is None:
        return NOTHING
    return _joined(number(value) for value in (spread.minimum, spread.median, spread.maximum))


def _listed(counted: Sequence[tuple[str, int]], language: Language) -> str:
    """One value as it is, a few with how many studies have them, many as first to last."""
    if len(counted) <= 1:
        return counted[0][0] if counted else NOTHING
    if len(counted) > MOST_VALUES_LISTED:
        return f"{counted[0][0]} … {counted[-1][0]}"
    told = language.words["in_studies"]
    return ", ".join(told.format(value=value, studies=studies) for value, studies in counted)


def _masks_key(facts: Facts) -> str:
    if not facts.masks:
        return "masks_none"
    return "masks_all" if facts.masks == facts.studies else "masks_some"


def _affiliation(imprint: Imprint, language: Language) -> str:
    words = language.words
    lines = [
        words["holder"].format(holder=escaped(imprint.holder)) if imprint.holder else "",
        *(f"- {escaped(name)}" for name in imprint.creators if name != imprint.holder),
        words["contact"].format(contact=escaped(imprint.contact)) if imprint.contact else "",
    ]
    return "\n\n".join(line for line in lines if line) or words["no_holder"]


def _tree(number_pattern: str) -> str:
    return "\n".join(
        (
            ".",
            *(f"├── {name}" for name in FILES),
            "├── masks",
            f"│   └── study_{number_pattern}_mask.nii.gz",
            "└── studies",
            *(
                line
                for category in Category
                for line in _branch(category, number_pattern, last=category is Category.CT_4)
            ),
        )
    )


def _branch(category: Category, number_pattern: str, *, last: bool) -> tuple[str, str]:
    twig, side = ("└──", "   ") if last else ("├──", "│  ")
    return f"    {twig} {category}", f"    {side} └── study_{number_pattern}.nii.gz"


def _keeps_all(facts: Facts) -> bool:
    return facts.slices == facts.slices_before and facts.one_of == 1


def _thinning(facts: Facts, language: Language) -> str:
    words, rule = language.words, facts.rule
    if _keeps_all(facts):
        return words["kept_all"]
    if rule is None:
        return words["kept_position"].format(one_of=facts.one_of)
    sentence = words["kept_remainder" if rule.remainder else "kept_multiples"]
    sentence = sentence.format(every=rule.every, remainder=rule.remainder)
    return f"{sentence} {_others(facts, rule, language)}".strip()


def _others(facts: Facts, rule: Rule, language: Language) -> str:
    others = facts.studies - rule.studies
    if not others:
        return ""
    return language.words["kept_others"].format(others=others, studies=facts.studies)


def _difference_key(facts: Facts) -> str:
    if _keeps_all(facts):
        return "difference_all"
    return "difference_number" if facts.rule else "difference_position"


def _category_table(facts: Facts, language: Language) -> str:
    columns = ("category", "severity", "involvement", "findings")
    counts = ("category_studies", "category_share", "category_masks")
    rows = [
        (
            one.category,
            language.words[one.category],
            str(one.studies),
            f"{one.permille / 10:.1f}".replace(".", language.decimal_mark),
            str(one.masks),
        )
        for one in facts.categories
    ]
    head = [language.words[key] for key in (*columns, *counts)]
    return grid(head, rows, alignments=["---"] * len(columns) + ["---:"] * len(counts))


def _licence_sentence(licence: Licence, language: Language) -> str:
    title = licence.title_ru if language.code == "ru" else licence.title_en
    return language.words["licence"].format(title=title, short=licence.short, link=licence.link)


def _terms(licence: Licence, language: Language) -> str:
    keys = [str(term) for term in Term if term in licence.terms] or ["no_terms"]
    if Term.CREDIT in licence.terms and Term.NO_DERIVATIVES not in licence.terms:
        keys.insert(1, "changes")
    return "\n".join(f"- {language.words[key]}" for key in keys)


def _citation(imprint: Imprint, language: Language) -> str:
    words, day = language.words, imprint.release_date
    parts = [
        "; ".join(imprint.creators).rstrip("."),
        imprint.full_title,
        words["citation_version"].format(version=imprint.version) if imprint.version else "",
        str(day.year) if day else "",
    ]
    text = escaped(". ".join(part for part in parts if part) + ".")
    return f"{text} <{imprint.address}>" if imprint.address else text
