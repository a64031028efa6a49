"""What the dataset says of itself: PDF, datasheet, Croissant, DataCite."""

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pypdf
import pytest
from datacite import schema45
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipelines.build_registry import number
from pipelines.core.errors import SettingsError
from pipelines.core.model import Category
from pipelines.core.registry_settings import STUDY_COLUMNS, RegistrySettings
from pipelines.io.pdf import Document, pdf_bytes
from pipelines.io.pdf_blocks import column_widths
from pipelines.publication.datasheet import questions
from pipelines.publication.documents import documents
from pipelines.publication.imprint import imprint_of
from pipelines.publication.study_table import list_studies
from tests.test_publication import study

BIN = Path(sys.executable).parent
FULL = RegistrySettings(
    holder="Городская поликлиника № 1",
    creators=("Иванова, Мария", "Centre for Diagnostics"),
    publisher="A university",
    funding="Internal funding",
    contact="data@example.org",
    link="https://example.org/lungs",
    doi="10.1234/lungs",
    release_date="2020-04-28",
    version="1.10",
    changelog={"1.9": "Two studies less.", "1.10": "Twelve studies more."},
    answers={"ethics": "Approved by the ethics committee of the centre."},
)


def published(settings, cohort=None):
    """The documents of a cohort by name."""
    cohort = [study(category=one, mask="m") for one in Category] if cohort is None else cohort
    named = [replace(s, public_id=f"s{n:012x}") for n, s in enumerate(cohort)]
    rows, by_id = number(named), {one.public_id: one for one in named}
    digests = {path: "0" * 64 for row in rows for path in (row.study_file, row.mask_file) if path}
    listed = list_studies([(row, by_id[row.public_id]) for row in rows], settings, digests)
    return documents(listed, settings, digits=4)


def pdf(markdown, **changes):
    plain = {
        "title": "T", "author": "", "language": "en", "footer": "F",
        "page": lambda number, pages: f"page {number} of {pages}",
    }  # fmt: skip
    return pdf_bytes(Document(markdown=markdown, **(plain | changes)))


def pages_of(content):
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages]


def words_of(text):
    return re.sub(r"[^\w]+", "", text)


# --- PDF


@pytest.mark.parametrize("language", ["EN", "RU"])
def test_the_pdf_says_word_for_word_what_the_markdown_says(language):
    made = published(FULL)

    pages = pages_of(made[f"README_{language}.pdf"])

    shown = words_of("".join(re.sub(r".* · 1.10\n(page|страница).*", "", p) for p in pages))
    for line in made[f"README_{language}.md"].decode().splitlines():
        text = re.sub(r"\]\(.*?\)|\\|^\d+\. ", "", line)
        for cell in re.split(r"\|", text):
            assert words_of(cell) in shown, cell


@pytest.mark.parametrize(("language", "word"), [("EN", "page"), ("RU", "страница")])
def test_every_page_of_the_pdf_bears_its_number(language, word):
    pages = pages_of(published(FULL)[f"README_{language}.pdf"])

    assert len(pages) >= 4
    between = {"page": "of", "страница": "из"}[word]
    for n, text in enumerate(pages, start=1):
        assert f"{word} {n} {between} {len(pages)}" in text


def test_the_pdf_has_the_headings_as_bookmarks_and_the_licence_as_a_link():
    made = published(FULL)
    reader = pypdf.PdfReader(io.BytesIO(made["README_EN.pdf"]))

    def titles(entries):
        for entry in entries:
            if isinstance(entry, list):
                yield from titles(entry)
            else:
                yield entry.title

    headings = re.findall(r"^#+ (.*)$", made["README_EN.md"].decode(), re.MULTILINE)
    assert list(titles(reader.outline)) == headings
    links = {
        note.get_object()["/A"]["/URI"] for page in reader.pages for note in page.get("/Annots", [])
    }
    assert "https://creativecommons.org/licenses/by-nc-nd/3.0/" in links
    assert "https://doi.org/10.1234/lungs" in links


def test_the_pdf_embeds_its_fonts_and_tells_neither_day_nor_host():
    content = published(FULL)["README_RU.pdf"]

    fonts = {
        font.get_object()["/BaseFont"]
        for page in pypdf.PdfReader(io.BytesIO(content)).pages
        for font in page["/Resources"]["/Font"].values()
    }
    assert {"PTSans-Regular", "PTSans-Bold", "PTMono-Regular"} <= {f[8:] for f in fonts}
    assert set(re.findall(rb"\(D:(\d{4})", content)) <= {b"2000"}


@hypothesis_settings(max_examples=25)
@given(text=st.text(max_size=200))
def test_any_text_can_be_set_and_gives_the_same_bytes_again(text):
    assert pdf(text) == pdf(text)


EVIL = "A|B <b>x</b>\x00\x1b\n\n# C [d](javascript:e) `h` *i* & 中文 😀 " + "w" * 3000


@pytest.mark.parametrize(
    "changes",
    [{"title": EVIL}, {"holder": EVIL, "publisher": EVIL, "funding": EVIL, "contact": EVIL},
     {"creators": (EVIL, "a, b")}, {"version": EVIL}, {"answers": {"ethics": EVIL}},
     {"changelog": {EVIL: EVIL}}],
    ids=["title", "imprint", "creators", "version", "answers", "changelog"],
)  # fmt: skip
def test_no_text_of_the_settings_breaks_a_document(changes):
    made = published(RegistrySettings(**changes))

    assert all(pages_of(made[f"README_{code}.pdf"]) for code in ("EN", "RU"))
    assert json.loads(made["croissant.json"])
    assert json.loads(made["datacite.json"])
    for name in ("README_EN.md", "DATASHEET.md", "CHANGELOG.md"):
        assert "\x00" not in made[name].decode()
        assert "\n# C" not in made[name].decode()


def test_long_tables_and_words_stay_on_the_page():
    rows = "\n".join(f"| {'w' * 90} | {n} | {'long text ' * 30} |" for n in range(60))

    content = pdf(f"| a | b | c |\n| --- | ---: | --- |\n{rows}\n")

    text = "".join(pages_of(content))
    assert words_of(text).count("a" + "b" + "c") == len(pages_of(content))


@given(
    columns=st.lists(st.tuples(st.floats(1, 900), st.floats(0, 1)), min_size=1, max_size=9),
    width=st.floats(100, 600),
)
def test_columns_fill_the_width(columns, width):
    natural = [whole for whole, _ in columns]
    widths = column_widths(natural, [whole * part for whole, part in columns], width)

    assert sum(widths) == pytest.approx(width) or all(n == p * n for n, p in columns)
    assert all(one >= 0 for one in widths)


# --- metadata


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documents")
    for name, content in published(FULL).items():
        (folder / name).write_bytes(content)
    return folder


def mlcroissant(*arguments, cwd):
    return subprocess.run(
        [BIN / "mlcroissant", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_mlcroissant_finds_nothing_to_say_about_the_metadata(folder):
    done = mlcroissant("validate", "--jsonld", "croissant.json", cwd=folder)

    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith(("  -", "E"))]
    assert [line for line in told if "version" not in line] == []  # 1.10 is not of three numbers


def test_mlcroissant_loads_every_record_as_the_table_has_it(folder):
    done = mlcroissant(
        "load", "--jsonld", "croissant.json", "--record_set", "studies", "--num_records", "9",
        cwd=folder,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    records = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(records) == 5
    assert all(f"'studies/{name}'" in records[0] for name in STUDY_COLUMNS)


def test_the_croissant_names_files_that_are_there_with_their_checksums(folder):
    content = json.loads((folder / "croissant.json").read_text("utf-8"))

    files = [one for one in content["distribution"] if one["@type"] == "cr:FileObject"]
    for file in files:
        assert int(file["contentSize"].split()[0]) == (folder / file["contentUrl"]).stat().st_size
    assert content["creator"][0] == {"@type": "sc:Person", "name": "Иванова, Мария"}
    assert content["rai:personalSensitiveInformation"]


def test_the_datacite_metadata_obey_the_schema(folder):
    content = json.loads((folder / "datacite.json").read_text("utf-8"))

    assert [error.message for error in schema45.validator.iter_errors(content)] == []
    assert content["publicationYear"] == "2020"
    assert (
        content["rightsList"][0]["rightsUri"]
        == "https://creativecommons.org/licenses/by-nc-nd/3.0/"
    )


def test_nothing_is_invented_for_the_datacite_metadata():
    content = json.loads(published(RegistrySettings())["datacite.json"])

    errors = [error.message for error in schema45.validator.iter_errors(content)]
    assert errors == ["'publicationYear' is a required property"]
    assert content["creators"] == [{"name": ":unkn"}]


# --- datasheet, changes, imprint


def test_every_question_is_answered_or_listed_as_open():
    for settings in (RegistrySettings(), FULL):
        text = published(settings)["DATASHEET.md"].decode()
        answered, _, left = text.partition("## Not answered")
        for question in questions():
            assert (f"**{question.text}**" in answered) != (f"`{question.key}`" in left)
        told = re.search(r"Answered: (\d+) of (\d+)\.", text)
        assert int(told[1]) == answered.count("\n**")
        assert int(told[2]) == len(questions())


def test_the_owner_answers_what_only_the_owner_knows():
    text = published(FULL)["DATASHEET.md"].decode()

    assert "Approved by the ethics committee of the centre." in text
    assert "`ethics`" not in text


def test_changes_stand_with_the_newest_version_first_and_its_counts():
    text = published(FULL)["CHANGELOG.md"].decode()

    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["1.10 (2020-04-28)", "1.9"]
    assert "Studies: 5 (CT-0 1, CT-1 1, CT-2 1, CT-3 1, CT-4 1). Masks: 5." in text


def test_the_readme_shows_who_when_and_where_as_the_house_does():
    text = published(FULL)["README_EN.md"].decode()

    assert "| Release Date | 28.04.2020 |" in text
    assert "| Funding Sources | Internal funding |" in text
    assert "| Permanent link | <https://doi.org/10.1234/lungs> |" in text
    assert "Иванова, Мария; Centre for Diagnostics." in text


@pytest.mark.parametrize(
    "changes",
    [{"link": "javascript:x"}, {"link": "https://a b"}, {"doi": "10/x"}, {"doi": "10.1234/a b"},
     {"release_date": "28.04.2020"}, {"release_date": "2020-02-30"}],
)  # fmt: skip
def test_what_is_no_link_no_doi_and_no_day_is_refused(changes):
    with pytest.raises(SettingsError) as error:
        imprint_of(RegistrySettings(**changes))

    assert error.value.hint


def test_an_answer_to_no_question_is_refused_with_the_nearest_one():
    with pytest.raises(SettingsError) as error:
        published(RegistrySettings(answers={"ethic": "yes"}))

    assert "`ethics`" in error.value.hint
