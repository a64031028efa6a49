import hashlib
import re
import statistics
from collections import defaultdict
from dataclasses import replace
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.build_registry import number
from pipelines.core.errors import SettingsError
from pipelines.core.leaks import leaks_in
from pipelines.core.model import Category, Sex
from pipelines.core.registry_settings import RegistrySettings
from pipelines.core.volumes import Thinned
from pipelines.publication.facts import facts_of, rule_of, shares
from pipelines.publication.licences import LICENCES, Term, licence_file, licence_of
from pipelines.publication.readme import Described, render
from pipelines.publication.study_table import list_studies, told_of
from pipelines.publication.wording import ENGLISH, LANGUAGES, RUSSIAN

HEADINGS = {
    "en": [
        "## General Information",
        "## Affiliation and Contributors",
        "## Data Structure",
        "## Data Overview",
        "### Data Preprocessing",
        "### Class C Annotation Principles",
        "### Class A Annotation Principles",
        "### Table of Studies",
        "## Sharing and Access Information",
        "### License",
        "### Citation",
        "### Distribution",
    ],
    "ru": [
        "## Общие сведения",
        "## Организация и авторы",
        "## Структура данных",
        "## Обзор данных",
        "### Предварительная обработка данных",
        "### Принципы разметки класса C",
        "### Принципы разметки класса A",
        "### Таблица исследований",
        "## Доступ и условия использования",
        "### Лицензия",
        "### Цитирование",
        "### Распространение",
    ],
}


def study(**changes):
    numbers = tuple(range(10, 401, 10))
    plain = {
        "public_id": "s000000000000",
        "category": Category.CT_1,
        "patient_age_years": 47,
        "patient_sex": Sex.FEMALE,
        "patient_pseudonym": "P-000000000000",
        "volume": "volume.nii.gz",
        "mask": None,
        "shape_ijk": (512, 512, len(changes.get("instance_numbers", numbers))),
        "spacing_ijk_mm": (0.782, 0.782, 8.0),
        "instance_numbers": numbers,
        "slices_before": 400,
    }
    return Thinned(**(plain | changes))


@st.composite
def studies(draw):
    numbers = tuple(range(10, 10 * draw(st.integers(1, 60)) + 1, 10))
    return study(
        category=draw(st.sampled_from(Category)),
        patient_age_years=draw(st.one_of(st.none(), st.integers(18, 90))),
        patient_sex=draw(st.sampled_from(Sex)),
        patient_pseudonym=f"P-{draw(st.integers(0, 9)):012X}",
        mask=draw(st.sampled_from([None, "mask.nii.gz"])),
        instance_numbers=numbers,
        slices_before=numbers[-1] + draw(st.integers(0, 9)),
        spacing_ijk_mm=(0.7, 0.7, draw(st.sampled_from([5.0, 8.0, 10.0]))),
    )


EXPECTED = "8b52da28f27fbadd099669f42ae3b64191494ad3d378e3ccb161fae9c7c375b0"
COHORTS = st.lists(studies(), max_size=30)


def readme(cohort, language=ENGLISH, **settings):
    settings = RegistrySettings(**settings)
    named = [replace(s, public_id=f"s{n:012x}") for n, s in enumerate(sorted(cohort, key=repr))]
    rows, by_id = number(named), {one.public_id: one for one in named}
    listed = list_studies(
        [(row, by_id[row.public_id]) for row in rows], settings, defaultdict(lambda: "0" * 64)
    )
    described = Described(
        listed=listed, facts=facts_of(cohort), told=told_of(listed, settings), digits=4
    )
    return render(described, settings, language)


def tables(text):
    """The tables of a Markdown text as lists of rows of cells, without the rows of dashes."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    split = [[re.split(r"(?<!\\)\|", line)[1:-1] for line in b.splitlines()] for b in blocks]
    for table in split:
        assert all(set(cell.strip()) <= set("-:") for cell in table[1])
        assert len({len(row) for row in table}) == 1
    return [[[cell.strip() for cell in row] for row in t[:1] + t[2:]] for t in split]


def overview(text):
    return dict(tables(text)[1][1:])


@given(counts=st.lists(st.integers(0, 2000), min_size=1, max_size=5))
def test_shares_sum_to_the_whole_and_are_off_by_less_than_one(counts):
    parts = shares(counts)

    assert sum(parts) == (100 if sum(counts) else 0)
    for count, part in zip(counts, parts, strict=True):
        assert abs(part * sum(counts) - 100 * count) < sum(counts) or not sum(counts)


def test_the_shares_of_the_published_dataset_are_those_of_its_paper():
    counts = dict(zip(Category, [254, 684, 125, 45, 2], strict=True))
    cohort = [study(category=category) for category, n in counts.items() for _ in range(n)]

    shown = [row[5] for row in tables(readme(cohort))[2][1:]]

    assert shown == ["22.9", "61.6", "11.3", "4.1", "0.2"]  # 254/1110 is 22.88: the paper has 22.8


@given(cohort=COHORTS)
def test_every_number_of_the_overview_follows_from_the_records(cohort):
    rows = overview(readme(cohort))
    ages = [s.patient_age_years for s in cohort if s.patient_age_years is not None]

    def shown(age):
        return "90+" if age >= 90 else f"{age:g}"

    patients = {one.patient_pseudonym for one in cohort}
    assert rows["Number of studies"] == str(len(cohort))
    assert rows["Number of unique patients"] == str(len(patients))
    assert rows["Number of studies with a pixel mask (Class A)"] == str(
        len([s for s in cohort if s.mask])
    )
    by_category = rows["Number of studies in CT-0 / CT-1 / CT-2 / CT-3 / CT-4 (Class C)"]
    assert [int(n) for n in by_category.split(" / ")] == [
        len([s for s in cohort if s.category == f"CT-{n}"]) for n in range(5)
    ]
    expected = [min(ages), statistics.median(ages), max(ages)] if ages else []
    assert rows["Age: min. / median / max., years"] == (" / ".join(map(shown, expected)) or "—")
    unknown = rows.get("Number of studies without a known age", "0")
    assert int(unknown) == len(cohort) - len(ages)
    sexes = rows["Sex: male / female / other or unknown, %"]
    assert sexes == "—" if not cohort else sum(map(int, sexes.split(" / "))) == 100
    slices = [s.shape_ijk[2] for s in cohort]
    shown_slices = rows["Slices in a study: min. / median / max."]
    expected = [min(slices), statistics.median(slices), max(slices)] if slices else []
    assert shown_slices == (" / ".join(f"{n:g}" for n in expected) or "—")


@given(cohort=COHORTS)
def test_the_category_table_agrees_with_the_overview_in_both_languages(cohort):
    for language in LANGUAGES:
        by_category = tables(readme(cohort, language))[2][1:]

        assert [row[0] for row in by_category] == list(Category)
        assert sum(int(row[4]) for row in by_category) == len(cohort)
        assert sum(int(row[6]) for row in by_category) == len([s for s in cohort if s.mask])
        for row in by_category:
            share = float(row[5].replace(",", "."))
            assert abs(share * len(cohort) - 100 * int(row[4])) <= 0.0501 * len(cohort)


@given(cohort=COHORTS, data=st.data())
def test_the_order_of_the_studies_does_not_matter(cohort, data):
    shuffled = data.draw(st.permutations(cohort))

    for language in LANGUAGES:
        assert readme(shuffled, language) == readme(cohort, language)


@given(cohort=COHORTS)
def test_both_languages_say_the_same_numbers(cohort):
    english, russian = readme(cohort), readme(cohort, RUSSIAN)

    for en, ru in zip(tables(english)[1][1:], tables(russian)[1][1:], strict=True):
        assert re.findall(r"\d+", en[1]) == re.findall(r"\d+", ru[1])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("licence", LICENCES)
@pytest.mark.parametrize("cohort", [[], [study()], [study(mask="m"), study()]])
def test_the_headings_of_the_house_stand_in_order_and_nothing_is_left_blank(
    cohort, licence, language
):
    for settings in ({}, {"holder": "", "version": "", "title": " ", "name": "Data"}):
        text = readme(cohort, language, licence=licence, **settings)

        lines = text.splitlines()
        assert [line for line in lines if line.startswith("##")] == HEADINGS[language.code]
        assert lines[0].removeprefix("# ").strip()
        assert "$" not in text
        assert not re.search(r"[{}]|None|\|  \||^- *$|^> *$|: *$(?!\n\n>)", text, re.MULTILINE)
        assert not re.search(r"[ \t]$|\n\n\n|\r", text, re.MULTILINE)
        assert text.endswith("\n")


def test_the_languages_have_the_same_words_and_the_same_places_to_fill():
    def places(text):
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    assert ENGLISH.words.keys() == RUSSIAN.words.keys()
    for key, text in ENGLISH.words.items():
        assert places(text) == places(RUSSIAN.words[key]), key


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_no_words_read_as_a_patient_s_number_however_large_the_counts(language):
    for text in language.words.values():
        fields = {name: 8773 for _, name, _, _ in Formatter().parse(text) if name}
        assert list(leaks_in(text.format(**fields).encode())) == []


def test_russian_is_russian():
    words = re.sub(r"[`\[(].*?[`\])]|>.*|\(https.*", "", readme([study(mask="m")], RUSSIAN))

    assert '"' not in words
    assert " - " not in words
    cyrillic = len(re.findall("[а-яё]", words, re.IGNORECASE))
    assert cyrillic > 5 * len(re.findall("[a-z]", words, re.IGNORECASE))
    assert not re.search("[a-z][а-я]|[а-я][a-z]", words, re.IGNORECASE)


@pytest.mark.parametrize("field", ["title", "holder", "version", "name"])
def test_text_of_the_settings_can_break_no_table_and_bring_in_no_markup(field):
    evil = "A|B <script>x</script>\n\n# C [d](javascript:e) ![f](g) `h` *i* _j_ ~~k~~ & &lt; $l$"

    text = readme([study()], **{field: evil})

    assert len(tables(text)) == 4
    assert [x for x in text.splitlines() if x.startswith("##")] == HEADINGS["en"]
    assert not re.search(r"(?<!\\)(<script|\[d\]|`h|\*i|~~k|\|B|!\[f\]\(g\)(?<!\\))", text)


@pytest.mark.parametrize("holder", ["1. Clinic", "1) Clinic", "- Clinic", "+ Clinic", "---"])
def test_a_holder_does_not_start_a_list(holder):
    citation = readme([], holder=holder).split("> ")[2]

    assert not re.match(r"(\d+[.)]|[-+*]) |---", citation)
    assert citation.replace("\\", "").startswith(holder)


def test_a_version_needs_no_escape():
    assert "| 2.1 |" in readme([], version="2.1")


def test_ages_of_90_and_more_are_never_told():
    text = readme([study(patient_age_years=90), study(patient_age_years=89)])

    assert overview(text)["Age: min. / median / max., years"] == "89 / 89.5 / 90+"


def test_patients_are_not_counted_where_nobody_knows_them():
    assert "Number of unique patients" not in overview(readme([study(patient_pseudonym=None)]))


@given(
    every=st.integers(2, 12),
    offset=st.integers(0, 11),
    lengths=st.lists(st.integers(30, 90), min_size=1),
)
def test_the_rule_is_read_off_the_slices(every, offset, lengths):
    offset %= every
    cohort = [
        study(instance_numbers=tuple(n for n in range(1, length + 1) if n % every == offset))
        for length in lengths
    ]

    rule = rule_of(cohort)

    assert (rule.every, rule.remainder, rule.studies) == (every, offset, len(cohort))


def test_a_rule_that_half_of_the_studies_break_is_no_rule():
    obeying, odd = study(), study(instance_numbers=(1, 2, 5))

    assert rule_of([obeying, odd]) is None
    assert rule_of([obeying, odd, obeying]).studies == 2
    assert rule_of([]) is rule_of([study(instance_numbers=(10,))]) is None


def test_the_readme_says_how_slices_were_kept():
    by_number = study()
    other = study(instance_numbers=tuple(range(3, 404, 10)), slices_before=403)
    odd = study(instance_numbers=(1, 2, 5), slices_before=30)
    whole = study(instance_numbers=(1, 2, 3), slices_before=3)

    assert "InstanceNumber (0020,0013) is a multiple of 10 were kept.\n" in readme([by_number])
    assert "leaves a remainder of 3 when divided by 10" in readme([other])
    assert "there are 1 among 3" in readme([by_number, by_number, odd])
    assert "About 1 slice in 10 was kept, counted by position" in readme([odd])
    assert "Every slice was kept." in readme([whole])


@pytest.mark.parametrize("licence", LICENCES.values(), ids=LICENCES)
def test_title_link_and_text_are_of_one_and_the_same_licence(licence):
    version = licence.spdx.rsplit("-", 1)[1]
    parts = licence.path.split("/")

    assert licence.link == f"https://creativecommons.org/{licence.path}/"
    assert parts[-1] == version
    assert version in licence.title_en
    assert version in licence.title_ru
    head = licence.text[:200].replace("CC0", "Creative Commons CC0")
    assert licence.title_en.removesuffix(" Public Domain Dedication").split("Commons ")[1] in head
    if licence.terms:
        assert licence.spdx == f"CC-{parts[1].upper()}-{version}"
        assert (Term.NON_COMMERCIAL in licence.terms) == ("NonCommercial" in head)
        assert (Term.NO_DERIVATIVES in licence.terms) == ("NoDeriv" in head)
        assert (Term.SHARE_ALIKE in licence.terms) == ("ShareAlike" in head)
    for other in LICENCES.values():
        assert other is licence or other.title_en not in licence_file(licence, title="", holder="")
    for language in LANGUAGES:
        assert f"]({licence.link})" in readme([], language, licence=licence.spdx)


@pytest.mark.parametrize(
    ("licence", "words"),
    [
        ("CC0-1.0", ["no conditions"]),
        ("CC-BY-4.0", ["credit", "changed"]),
        ("CC-BY-NC-4.0", ["credit", "changed", "commercially"]),
        ("CC-BY-NC-SA-4.0", ["credit", "changed", "commercially", "same licence only"]),
        ("CC-BY-NC-ND-3.0", ["credit", "commercially", "Do not share modified"]),
    ],
)
def test_the_summary_of_a_licence_lists_its_terms_and_no_others(licence, words):
    section = readme([], licence=licence).split("### License")[1].split("### Citation")[0]

    bullets = [line for line in section.splitlines() if line.startswith("- ")]
    assert len(bullets) == len(words)
    assert all(word in bullet for word, bullet in zip(words, bullets, strict=True))


@pytest.mark.parametrize("licence", LICENCES.values(), ids=LICENCES)
def test_the_licence_file_ends_with_the_one_canonical_text(licence):
    written = licence_file(licence, title="Title", holder="The Clinic")

    assert written.endswith(licence.text)
    assert written.startswith("Title\n")
    assert "\r" not in written
    assert written.count("The Clinic") == 1
    assert ("Copyright (c) The Clinic\n" in written) == bool(licence.terms)
    assert "Copyright (c)" not in licence_file(licence, title="Title", holder=" ")[:300]


def test_the_default_licence_is_the_text_that_spdx_lists():
    text = LICENCES["CC-BY-NC-ND-3.0"].text

    assert hashlib.sha256(re.sub(r"\s+", " ", text).strip().encode()).hexdigest() == EXPECTED
    assert text.startswith("Creative Commons Legal Code\n\nAttribution-NonCommercial-NoDerivs 3.0")


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("CC BY-NC-ND 3.0", "CC-BY-NC-ND-3.0"),
        ("cc-by-4.0", "CC-BY-4.0"),
        ("CC-BY-NC-ND-3", "CC-BY-NC-ND-3.0"),
        ("CC0", "CC0-1.0"),
        ("../../LICENSE", ""),
        ("", ""),
    ],
)
def test_an_unknown_licence_is_refused_with_the_nearest(asked, meant):
    with pytest.raises(SettingsError) as raised:
        licence_of(asked)

    assert raised.value.hint.startswith(f"Did you mean `{meant}`?" if meant else "There are ")
