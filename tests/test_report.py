import re
from dataclasses import replace
from string import Formatter
from types import SimpleNamespace

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.build_registry import build
from pipelines.core.faults import FAULTS
from pipelines.core.leaks import leaks_in
from pipelines.core.model import Category, MaskAgreement, Reading, Sex
from pipelines.core.published import Deidentification, Flow, Loss, Provenance
from pipelines.core.registry_settings import RegistrySettings
from pipelines.core.volumes import Thinned
from pipelines.publication.facts import facts_of
from pipelines.publication.report import LANGUAGES, render
from pipelines.publication.report.charts import Chart, bars, binned, columns, nice_top
from pipelines.publication.report.contents import Contents, Study
from pipelines.publication.report.faults_ru import FAULTS_RU
from pipelines.publication.report.flow_figure import (
    PERSONAL_RULES,
    SELECT,
    boxes_of,
    with_small_counts_joined,
)
from pipelines.publication.report.paper import (
    AGES_YEARS,
    CATEGORIES,
    MASKS,
    SEXES_PERCENT,
    STUDIES,
    Acquired,
    rows_of,
)
from pipelines.publication.report.readers import agreement_of
from pipelines.publication.report.words_en import ENGLISH
from pipelines.publication.report.words_ru import RUSSIAN
from tests.workspaces import make_workspace, mosmed, mosmed_json

PICTURE = '<svg viewBox="0 0 9 9"><path class="mask" d="M1 1h2"/></svg>'
FLOW = Flow(
    rows=60,
    losses=(
        Loss(stage="select", code="window", count=9),
        Loss(stage="select", code="age", count=7),
        Loss(stage="select", code="pregnancy", count=2),
        Loss(stage="export", code="INCOMPLETE_STUDY", count=3, is_failure=True),
        Loss(stage="export", code="series", count=1),
    ),
    eligible=42,
    opened=11,
    pending=1,
    came_through=6,
)
PROVENANCE = Provenance(
    flow=FLOW,
    deidentification=Deidentification(
        profile=(("113100", "Basic Application Confidentiality Profile"),),
        loosened=("StationName",),
        objects=525,
        elements=(("keep", 100), ("remove", 50), ("of a new kind", 1)),
        values_sought=208,
    ),
    versions=(("mosmed", "0.1.0"),),
)


def record(n=0, **changes):
    plain = {
        "public_id": f"s{n:012d}",
        "category": Category.CT_1,
        "patient_age_years": 47,
        "patient_sex": Sex.FEMALE,
        "volume": "volume.nii.gz",
        "mask": None,
        "shape_ijk": (512, 512, 40),
        "spacing_ijk_mm": (0.782, 0.782, 8.0),
        "instance_numbers": tuple(range(10, 401, 10)),
        "slices_before": 400,
    }
    return Thinned(**(plain | changes))


def study(n=1, **changes):
    plain = {
        "number": f"{n:04d}",
        "category": Category.CT_1,
        "has_mask": n % 2 == 0,
        "slices": 36 + n,
        "step_mm": 8.0,
        "sex": "F",
        "age_band": "40-49",
        "scanner": "TOSHIBA Aquilion",
        "kernel": "FC07",
        "source_step_mm": 0.8,
        "thickness_mm": 1.0,
        "lung_mean_hu": -820.0 - n,
        "effective_dose_msv": 3.4,
        "preview": PICTURE,
    }
    return Study(**(plain | changes))


def contents(studies=6, settings=None, provenance=PROVENANCE, **changes):
    return Contents(
        settings=settings or RegistrySettings(),
        facts=facts_of([record(n, **changes) for n in range(studies)]),
        studies=tuple(study(n) for n in range(1, studies + 1)),
        provenance=provenance,
    )


def parsed(page):
    """The page as a browser sees it; anything that is not HTML raises."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(page.decode("utf-8"))


def elements(root, name):
    """The elements of SVG of that name."""
    return list(root.iter(f"{{http://www.w3.org/2000/svg}}{name}"))


def text_of(page, language="en"):
    root = parsed(page)
    (part,) = [x for x in root.iter("div") if x.get("class") == language]
    return " ".join(" ".join(part.itertext()).split())


# --- the page as a whole


@pytest.mark.parametrize(
    "given",
    [
        contents(),
        contents(studies=0),
        contents(provenance=None),
        contents(settings=RegistrySettings(title="<script>alert(1)</script>", version='"><b>')),
    ],
    ids=["full", "empty", "without a workspace", "hostile"],
)
def test_the_page_is_valid_and_every_reference_in_it_is_met(given):
    root = parsed(render(given))

    ids = [element.get("id") for element in root.iter() if element.get("id")]
    referred = [
        name
        for element in root.iter()
        for name in (element.get("aria-labelledby") or "").split()
        + [element.get("href", "").removeprefix("#")]
        * (element.tag == "a" and element.get("href").startswith("#"))
    ]
    assert len(ids) == len(set(ids))
    assert set(referred) <= set(ids)
    assert len(list(root.iter("script"))) == 1
    assert root.get("lang") == "en"


def test_nothing_in_the_page_is_fetched_from_anywhere():
    root = parsed(render(contents()))

    links = {
        value
        for element in root.iter()
        for key, value in element.attrib.items()
        if key in {"href", "src", "{http://www.w3.org/1999/xlink}href", "action", "srcset", "data"}
        and not value.startswith("#")
    }
    assert links == {"https://creativecommons.org/licenses/by-nc-nd/3.0/", "data:,"}
    assert "@import" not in (style := "".join(x.text for x in root.iter("style")))
    assert "url(" not in style


def test_a_title_cannot_bring_in_a_tag():
    page = render(contents(settings=RegistrySettings(title="<img src=x onerror=alert(1)>")))

    assert b"<img" not in page
    assert b"&lt;img src=x" in page


def test_the_same_contents_give_the_same_bytes():
    assert render(contents()) == render(contents())
    assert b"\r" not in render(contents())


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_no_words_read_as_a_patient_s_number_however_large_the_counts(language):
    for text in language.words.values():
        fields = {name: 8773 for _, name, _, _ in Formatter().parse(text) if name}
        assert list(leaks_in(text.format(**fields).encode())) == []


def test_every_table_has_heads_and_every_figure_a_name():
    root = parsed(render(contents()))

    for table in root.iter("table"):
        assert all(head.get("scope") in {"col", "row"} for head in table.iter("th"))
        assert all(any(x.tag == "th" for x in row) for row in table.iter("tr"))
    named = [svg for svg in elements(root, "svg") if svg.get("role") == "img"]
    assert len(named) > 20
    for svg in named:
        assert [x.tag.rpartition("}")[2] for x in list(svg)[:2]] == ["title", "desc"]
        assert all((x.text or "").strip() for x in list(svg)[:2])


def test_both_languages_say_the_same_in_the_same_places():
    assert ENGLISH.words.keys() == RUSSIAN.words.keys()
    for key, english in ENGLISH.words.items():
        places = [[name for _, name, *_ in Formatter().parse(x) if name]
                  for x in (english, RUSSIAN.words[key])]  # fmt: skip
        assert sorted(places[0]) == sorted(places[1]), key
        assert RUSSIAN.words[key] != english or english in {"MosMedData", "HU"}, key


def test_every_code_is_told_in_russian():
    assert FAULTS_RU.keys() == FAULTS.keys()


def test_a_code_without_russian_words_is_told_in_english_and_marked_so(monkeypatch):
    monkeypatch.delitem(FAULTS_RU, "INCOMPLETE_STUDY")
    page = render(contents())

    assert FAULTS["INCOMPLETE_STUDY"].meaning in text_of(page, "ru")
    assert '<td class="whole" lang="en">' in page.decode()


def test_each_study_has_its_picture_and_its_numbers():
    root = parsed(render(contents(studies=12)))

    (sheet,) = [x for x in root.iter("ul") if x.get("class") == "sheet"]
    assert [card.get("data-number") for card in sheet] == [str(n) for n in range(1, 13)]
    assert [card.get("data-slices") for card in sheet] == [str(36 + n) for n in range(1, 13)]
    assert sum("masked" in card.get("class") for card in sheet) == 6
    assert render(contents(studies=12)).decode().count(PICTURE.removeprefix("<svg")) == 12


def test_numbers_are_written_as_the_language_writes_them():
    assert ENGLISH.number(0.8) == "0.8"
    assert RUSSIAN.number(0.8) == "0,8"
    assert RUSSIAN.number(-820.0) == "−820"


COLOURS = {
    "ink on paper": ("ink", "paper", 4.5),
    "quiet on paper": ("quiet", "paper", 4.5),
    "ink on soft": ("ink", "soft", 4.5),
    "links": ("accent", "paper", 4.5),
    "on accent": ("on-accent", "accent", 4.5),
    "bars": ("accent", "soft", 3.0),
}


@pytest.mark.parametrize("pair", COLOURS.values(), ids=COLOURS)
def test_contrast_is_that_of_wcag_aa_in_light_dark_and_print(pair):
    style = re.search(r"<style>(.*?)</style>", render(contents()).decode(), re.DOTALL)[1]
    schemes = re.findall(r":root \{(.*?)\}", style, re.DOTALL)

    assert len(schemes) == 3
    first, second, least = pair
    for scheme in schemes:
        of = dict(re.findall(r"--([\w-]+): (#\w+)", scheme))
        assert contrast(of[first], of[second]) >= least


def contrast(*colours):
    """WCAG 2.2, contrast ratio."""

    def luminance(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * x for x in colour[1:])
        parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
        parts = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    low, high = sorted(map(luminance, colours))
    return (high + 0.05) / (low + 0.05)


# --- the flow


@st.composite
def flows(draw):
    codes = draw(st.lists(st.sampled_from(["window", "payer", *PERSONAL_RULES]), unique=True))
    faults = draw(st.lists(st.sampled_from(sorted(FAULTS)), unique=True, max_size=4))
    counts = st.integers(1, 30)
    lost = [Loss(stage=SELECT, code=code, count=draw(counts)) for code in codes]
    fell = [
        Loss(stage="convert", code=code, count=draw(counts), is_failure=True) for code in faults
    ]
    pending, came = draw(st.integers(0, 3)), draw(st.integers(0, 50))
    opened = came + pending + sum(loss.count for loss in fell)
    eligible = opened + draw(st.integers(0, 9))
    return Flow(
        rows=eligible + sum(loss.count for loss in lost),
        losses=(*lost, *fell),
        eligible=eligible,
        opened=opened,
        pending=pending,
        came_through=came,
    )


@given(flows(), st.integers(1, 12))
def test_joined_counts_add_up_and_no_small_one_tells_of_a_body(flow, k):
    joined = with_small_counts_joined(flow, k)

    assert flow.is_conserved
    assert joined.is_conserved
    assert joined.rows == flow.rows
    assert not [x for x in joined.losses if x.code in PERSONAL_RULES and x.count < k]
    assert [x for x in joined.losses if x.stage != SELECT] == [
        x for x in flow.losses if x.stage != SELECT
    ]


@given(flows(), st.integers(0, 5))
def test_what_enters_a_box_leaves_it_below_or_beside_it(flow, uncategorised):
    came = flow.came_through
    published = {"CT-0": came - min(uncategorised, came)}

    boxes = boxes_of(flow, published, ENGLISH.words)

    left = boxes[0].count
    for box in boxes[1:]:
        if box.is_side:
            left -= box.count
            assert not box.parts or sum(count for _, count in box.parts) == box.count
        else:
            assert box.count == left
    assert boxes[-1].count == sum(published.values())


def test_the_flow_is_told_in_words_and_in_numbers():
    page = render(contents())

    for language, rows, together in (
        ("en", "Rows in the export of the RIS: 60", "together: too young, pregnant"),
        ("ru", "Строк в выгрузке РИС: 60", "вместе: моложе допустимого, беременность"),
    ):
        assert rows in text_of(page, language)
        assert together in text_of(page, language)


# --- the paper and the distributions


def the_paper():
    """Records with the numbers of the paper."""
    categories = [one for one, count in CATEGORIES.items() for _ in range(count)]
    sexes = [sex for sex, share in SEXES_PERCENT.items() for _ in range(round(11.1 * share))]
    ages = [AGES_YEARS[0], *[AGES_YEARS[1]] * (STUDIES - 2), 90]
    return [
        record(
            n,
            category=categories[n],
            patient_sex=sexes[n] if n < len(sexes) else Sex.FEMALE,
            patient_age_years=ages[n],
            mask="mask.nii.gz" if 254 <= n < 254 + MASKS else None,
        )
        for n in range(STUDIES)
    ]


def test_a_dataset_like_the_paper_s_is_told_to_be_the_same():
    acquired = Acquired(
        source_steps_mm=(0.8,), thicknesses_mm=(1.0,), kernels=("FC07", "FC18"),
        scanners=("TOSHIBA Aquilion",),
    )  # fmt: skip

    rows = rows_of(facts_of(the_paper()), acquired, ENGLISH)

    assert [row.label for row in rows if not row.is_same] == []
    assert {row.label: row.here for row in rows}["CT-1"] == "684 · 61.6 %"
    assert {row.label: row.here for row in rows}["CT-0"] == "254 · 22.9 %"


def test_a_dataset_unlike_the_paper_s_is_told_to_differ():
    acquired = Acquired(source_steps_mm=(0.8, 1.0), thicknesses_mm=(), kernels=(), scanners=("GE",))

    rows = {row.label: row.is_same for row in rows_of(facts_of([record()]), acquired, ENGLISH)}

    assert rows["Studies"] is rows["Scanners"] is rows["CT-0"] is False
    assert rows["Slice step before thinning, mm"] is False
    assert rows["Convolution kernels"] is rows["Slice thickness, mm"] is None
    assert rows["Slice step as published, mm"] is True


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=60))
def test_bins_hold_every_value_once_and_are_few(values):
    bins = binned(values)

    assert sum(count for _, count in bins) == len(values)
    assert 1 <= len(bins) <= 14
    assert bins[0][0] <= min(values) + 1e-6


@given(st.integers(1, 10**6))
def test_a_scale_ends_at_a_round_number_above_the_most(most):
    assert most <= nice_top(most) <= max(2.5 * most, 2)


@given(st.lists(st.integers(0, 999), min_size=1, max_size=12), st.sampled_from([bars, columns]))
def test_a_chart_draws_each_count_in_proportion(counts, draw):
    labels = tuple(f"<{n}>" for n in range(len(counts)))
    chart = Chart(name="c", title="T & T", labels=labels, series=(("all", tuple(counts)),))

    root = parsed(f"<!DOCTYPE html><html><title>t</title>{draw(chart)}</html>".encode())

    side = "width" if draw is bars else "height"
    sizes = [float(x.get(side)) for x in elements(root, "rect") if x.get("class") == "s0"]
    drawn = counts if draw is bars else [count for count in counts if count]
    scale = max(sizes, default=1) / max((*counts, 1))
    assert sizes == pytest.approx([count * scale for count in drawn], abs=0.11)


def test_what_studies_csv_hides_the_report_hides():
    shown = render(contents())
    hidden = contents()
    studies = tuple(study(n, sex="*", age_band="*", scanner="*") for n in range(1, 7))
    page = render(
        Contents(
            settings=hidden.settings, facts=hidden.facts, studies=studies, provenance=PROVENANCE
        )
    )

    assert "Age by sex" in text_of(shown)
    assert "Age by sex" not in text_of(page)
    assert "TOSHIBA Aquilion" not in re.sub(r"Scanners TOSHIBA Aquilion —", "", text_of(page))


def test_the_readers_agreement_is_that_of_the_published_readings():
    def reading(reader, category):
        return Reading(reader=reader, category=category)

    alike = (reading("R-1", Category.CT_1), reading("R-2", Category.CT_1))
    apart = (reading("R-1", Category.CT_0), reading("R-2", Category.CT_4))
    masks = (MaskAgreement(first="R-1", second="R-2", dice=0.5),)
    zero = (reading("R-1", Category.CT_0), reading("R-2", Category.CT_0))

    told = agreement_of([alike, alike, apart, zero, ()], [masks, ()], ENGLISH)

    (pair,) = told.pairs
    assert (pair.name, pair.studies, pair.same_percent) == ("R-1 × R-2", 4, "75")
    assert dict(pair.counts)[Category.CT_0] == (1, 0, 0, 0, 1)
    assert pair.linear.startswith("0.2 [")  # by hand: 0.75 observed, 0.6875 by chance
    assert (told.masks, told.dice) == (1, "0.5 / 0.5 / 0.5")
    assert agreement_of([()], [()], ENGLISH) is None


def test_readers_stand_in_the_report_only_where_there_are_any():
    readings = (
        Reading(reader="R-1", category=Category.CT_1),
        Reading(reader="R-2", category=Category.CT_2),
    )
    given = contents()
    read = replace(given, studies=tuple(replace(one, readings=readings) for one in given.studies))

    assert "Agreement of the readers" not in text_of(render(given))
    assert "R-1 × R-2 6 0" in text_of(render(read))
    parsed(render(read))


# --- in a workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = make_workspace(tmp_path_factory.mktemp("report") / "w")
    assert mosmed("run", "-w", root).exit_code == 3
    return root


def test_the_numbers_of_the_flow_are_those_of_the_ledgers(workspace):
    status = mosmed_json("status", "-w", workspace)
    page = (workspace / "dataset" / "report.html").read_bytes()

    text = text_of(page)
    assert f"Rows in the export of the RIS: {status['flow'][0]['remaining']}" in text
    assert f"Studies opened: {status['opened']}" in text
    assert f"Studies published: {status['published']}" in text
    reasons = [reason for stage in status["stages"] for reason in stage["reasons"]]
    assert f"Fell out on the way: {sum(len(r['studies']) for r in reasons)}" in text
    for reason in reasons:
        assert reason["code"] in text


def test_no_pseudonym_and_no_private_value_is_in_the_report(workspace):
    page = (workspace / "dataset" / "report.html").read_text("utf-8")
    certificate = mosmed_json("prove", workspace / "dataset", "-w", workspace)

    assert not re.search(r"\bs[0-9a-f]{12}\b", page)
    assert certificate["findings"] == []


def test_an_unchanged_flow_publishes_nothing_anew(workspace):
    before = (workspace / "dataset" / "report.html").stat()

    assert mosmed("run", "-w", workspace).exit_code == 3

    after = (workspace / "dataset" / "report.html").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_a_dataset_built_without_a_workspace_says_what_it_does_not_know(tmp_path):
    build([], RegistrySettings(), tmp_path)

    page = (tmp_path / "report.html").read_bytes()
    assert "its ledgers are not known" in text_of(page)
    assert "No study is published." in page.decode()


def test_a_flow_that_does_not_add_up_is_known():
    lost = SimpleNamespace(**{name: getattr(FLOW, name) for name in Flow.__slots__})
    lost.rows += 1

    assert FLOW.is_conserved
    assert not Flow(**vars(lost)).is_conserved
