"""The report in a real browser; skipped where there is none (`apt-get install chromium`)."""

import re
import shutil
from dataclasses import replace

import pytest

from pipelines.core.model import Category
from pipelines.publication.report import render
from tests.test_report import contents

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no playwright: pip install --group browser"
)
PATIENCE_MS = 180_000
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        try:
            found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium: {error.message.splitlines()[0]}")
        yield found
        found.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    given = contents(studies=12)
    bands = [f"{n}0-{n}9" for n in range(1, 9)] + ["90+"]
    varied = tuple(
        replace(one, age_band=bands[n % 9], sex="MFO"[n % 3], lung_mean_hu=-600.0 - 17 * n)
        for n, one in enumerate(given.studies)
    )
    path.write_bytes(render(replace(given, studies=varied)))
    return path.as_uri()


@pytest.fixture
def open_page(browser, address):
    """A page of that size; whatever it complains of or asks for fails the test."""
    contexts = []

    def opened(*, width=1280, fragment="", **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address + fragment)
        contexts.append((context, said, asked))
        return page

    yield opened
    for context, said, asked in contexts:
        context.close()
        assert said == []
        assert [url for url in asked if not url.startswith((address, "data:"))] == []


@pytest.mark.parametrize("width", [360, 1280])
def test_a_title_is_broken_between_words_never_at_a_hyphen(open_page, width):
    page = open_page(width=width)

    words = page.locator("h1 span")

    assert page.locator("h1").inner_text().split() == words.all_inner_texts()
    assert any("-" in word for word in words.all_inner_texts())
    heights = words.evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
    assert len(set(heights)) == 1


def shown_cards(page):
    return page.locator(".sheet li:visible").count()


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_nothing_has_to_be_scrolled_sideways(open_page, width, language):
    page = open_page(width=width, fragment=f"#{language}")

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.lang") == language
    wide = page.evaluate(
        "[...document.querySelectorAll('main .wide')].filter(x => x.offsetParent"
        " && x.scrollWidth > x.clientWidth + 1).length"
    )
    assert wide == 0


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_no_text_of_a_figure_leaves_it_or_lies_over_another(open_page, width, language):
    page = open_page(width=width, fragment=f"#{language}")

    faults = page.evaluate(
        """() => {
          const faults = [];
          for (const svg of document.querySelectorAll('main figure svg[role=img]')) {
            if (!svg.checkVisibility()) continue;
            const around = svg.getBoundingClientRect();
            const texts = [...svg.querySelectorAll('text')].map(
              (text) => [text.textContent, text.getBoundingClientRect()]);
            texts.forEach(([said, box], n) => {
              if (box.left < around.left - 1 || box.right > around.right + 1) faults.push(said);
              for (const [other, next] of texts.slice(n + 1)) {
                const across = Math.min(box.right, next.right) - Math.max(box.left, next.left);
                const down = Math.min(box.bottom, next.bottom) - Math.max(box.top, next.top);
                if (across > 1 && down > 4) faults.push(said + ' | ' + other);
              }
            });
          }
          return faults;
        }"""
    )

    assert faults == []


def test_the_languages_are_switched_without_javascript(open_page):
    page = open_page(java_script_enabled=False)

    assert page.locator("main h2:visible").first.inner_text().startswith("From the")
    page.get_by_text("Русский", exact=True).click()
    assert page.locator("main h2:visible").first.inner_text().startswith("От информационной")
    assert page.locator("main div.en").is_hidden()


def test_the_categories_are_filtered_without_javascript(open_page):
    page = open_page(java_script_enabled=False)

    assert shown_cards(page) == 12
    page.locator("#show-CT-1").check()
    assert shown_cards(page) == 12
    page.locator("#only-masks").check()
    assert shown_cards(page) == 6
    page.locator("#outlines").uncheck()
    assert page.locator(".sheet .mask:visible").count() == 0
    assert page.locator("#sorting").is_hidden()


def test_a_category_without_studies_cannot_be_chosen(open_page):
    page = open_page()

    for category in set(Category) - {Category.CT_1}:
        assert page.locator(f"#show-{category}").is_disabled()


def test_the_studies_are_sorted_and_the_order_is_the_same_in_both_languages(open_page):
    page = open_page()

    page.locator("#sorting .en select").select_option("lung")

    order = page.evaluate(
        "[...document.querySelectorAll('.sheet li')].map(x => Number(x.dataset.lung))"
    )
    assert order == sorted(order)
    page.locator("#lang-ru").check(force=True)
    assert page.locator("#sorting .ru select").input_value() == "lung"


def test_the_page_can_be_used_with_the_keyboard_alone(open_page):
    page = open_page()

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.locator("#lang-en").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.documentElement.lang") == "ru"
    page.locator("#show-all").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#show-CT-1").is_checked()
    page.locator("#only-masks").focus()
    page.keyboard.press("Space")
    assert shown_cards(page) == 6
    summary = page.locator("main div.ru summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("main div.ru details").first.get_attribute("open") is not None


def test_whatever_has_the_focus_shows_it(open_page):
    page = open_page()

    bare = []
    for _ in range(60):
        page.keyboard.press("Tab")
        outlined = page.evaluate(
            """() => {
              const one = document.activeElement;
              if (one === document.body) return true;
              const around = [one, one.parentElement].map((x) => getComputedStyle(x));
              return around.some((x) => x.outlineStyle !== 'none' && x.outlineWidth !== '0px');
            }"""
        )
        if not outlined:
            bare.append(page.evaluate("document.activeElement.outerHTML"))
    assert bare == []


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_tree_that_is_read_aloud_names_everything(open_page, language):
    page = open_page(fragment=f"#{language}")

    tree = page.locator("body").aria_snapshot()

    assert len(re.findall(r"- img\b(?! \")", tree)) == 0
    assert tree.count("- main") == tree.count("- navigation") == 1
    assert tree.count("heading") >= 7
    nameless = r"- (checkbox|radio|combobox|region|link)(?! \")"
    assert re.findall(nameless, tree) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_light_and_dark(open_page, scheme):
    page = open_page(color_scheme=scheme)

    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 300) is (scheme == "dark")


def test_printed_it_is_black_on_white_and_shows_every_study(open_page, tmp_path):
    page = open_page(color_scheme="dark")
    page.locator("#only-masks").check()
    page.locator("#only-masks").uncheck()

    page.emulate_media(media="print", color_scheme="dark")
    pdf = page.pdf(prefer_css_page_size=True)

    assert pdf.startswith(b"%PDF-")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 12
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("nav:visible").count() == page.locator(".tools:visible").count() == 0
    assert shown_cards(page) == 12
