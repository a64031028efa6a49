"""The report: one self-contained page of HTML in English and Russian, for people and for print.

Everything is in the file: style, script, figures, pictures. It asks nothing of the network, and a
content security policy holds it to that. Without JavaScript only the order of the studies cannot
be changed. The bytes follow from the contents alone.
"""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pipelines.core.anonymity import HIDDEN
from pipelines.core.faults import FAULTS, Fault
from pipelines.core.model import Category
from pipelines.core.published import Loss
from pipelines.publication.imprint import imprint_of
from pipelines.publication.language import Language
from pipelines.publication.licences import licence_of
from pipelines.publication.report.contents import Contents, Study, distinct
from pipelines.publication.report.distributions import charts_of
from pipelines.publication.report.faults_ru import FAULTS_RU
from pipelines.publication.report.flow_figure import (
    JOINED,
    NARROW,
    SELECT,
    WIDE,
    boxes_of,
    flow_svg,
    with_small_counts_joined,
)
from pipelines.publication.report.paper import Acquired, rows_of
from pipelines.publication.report.readers import agreement_of
from pipelines.publication.report.words_en import ENGLISH
from pipelines.publication.report.words_ru import RUSSIAN

if TYPE_CHECKING:
    from jinja2 import Template

NAME = "report.html"
LANGUAGES = (ENGLISH, RUSSIAN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A row of what fell out; `language` is that of `meaning` and `hint`, which a rule has not."""

    stage: str
    code: str
    meaning: str
    hint: str
    language: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One study of the contact sheet; `picture` is SVG of mosmed's own, which goes in as it is."""

    number: str
    category: Category
    has_mask: bool
    slices: int
    step: str
    lung: str
    picture: str


def render(contents: Contents) -> bytes:
    """The page in UTF-8 with LF line ends."""
    script = _source("report.js")
    page = _template().render(
        title=imprint_of(contents.settings).full_title,
        version=contents.settings.version,
        licence=licence_of(contents.settings.licence),
        style=_source("report.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        facts=contents.facts,
        slices=sum(study.slices for study in contents.studies),
        words={language.code: language.words for language in LANGUAGES},
        views={language.code: _view(contents, language) for language in LANGUAGES},
        k=contents.settings.k_anonymity,
        categories=[(one.category, one.studies) for one in contents.facts.categories],
        cards=[_card(study) for study in contents.studies],
    )
    return page.encode("utf-8")


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_source("report.html.j2"))


def _source(name: str) -> str:
    return (files(__name__) / name).read_bytes().decode("utf-8")


def _view(contents: Contents, language: Language) -> dict[str, Any]:
    """What the sections show in one language."""
    return {
        "flow": _flow(contents, language),
        "rows": rows_of(contents.facts, _acquired(contents), language),
        "charts": charts_of(contents, language),
        "agreement": agreement_of(
            (study.readings for study in contents.studies),
            (study.mask_agreements for study in contents.studies),
            language,
        ),
        "problems": _problems(contents, language),
        "deid": None if contents.provenance is None else contents.provenance.deidentification,
        "versions": () if contents.provenance is None else contents.provenance.versions,
    }


def _flow(contents: Contents, language: Language) -> dict[str, Any] | None:
    if contents.provenance is None:
        return None
    words, k = language.words, contents.settings.k_anonymity
    flow = with_small_counts_joined(contents.provenance.flow, k)
    published = {str(one.category): one.studies for one in contents.facts.categories}
    boxes = boxes_of(flow, published, words)
    told = "; ".join(f"{box.heading}: {box.count}" for box in boxes)
    figures = [
        flow_svg(boxes, (words["flow_title"], told), shape=shape, name=f"flow-{language.code}")
        for shape in (WIDE, NARROW)
    ]
    joined = any(loss.code.startswith(JOINED) for loss in flow.losses)
    return {"figures": figures, "is_joined": joined, "k": k}


def _acquired(contents: Contents) -> Acquired:
    studies = contents.studies
    return Acquired(
        source_steps_mm=distinct(study.source_step_mm for study in studies),
        thicknesses_mm=distinct(study.thickness_mm for study in studies),
        kernels=distinct(study.kernel for study in studies),
        scanners=distinct(study.scanner for study in studies if study.scanner != HIDDEN),
    )


def _problems(contents: Contents, language: Language) -> list[Problem]:
    if contents.provenance is None:
        return []
    fell = (loss for loss in contents.provenance.flow.losses if loss.stage != SELECT)
    return [_problem(loss, language) for loss in fell]


def _problem(loss: Loss, language: Language) -> Problem:
    """A fault in the language if it is known there, else in English; a rule in its own words."""
    fault, code = Fault(meaning=language.words.get(f"rule_{loss.code}", ""), hint=""), language.code
    if loss.is_failure:
        told = FAULTS_RU if language is RUSSIAN else FAULTS
        code = code if loss.code in told else ENGLISH.code
        fault = told.get(loss.code) or FAULTS.get(loss.code, fault)
    return Problem(
        stage=loss.stage,
        code=loss.code,
        meaning=fault.meaning,
        hint=fault.hint,
        language=code,
        count=loss.count,
    )


def _card(study: Study) -> Card:
    lung = study.lung_mean_hu
    return Card(
        number=study.number,
        category=study.category,
        has_mask=study.has_mask,
        slices=study.slices,
        step=f"{study.step_mm:g}",
        lung="" if lung is None else f"{lung:.0f}",
        picture=study.preview.strip().replace("<svg ", '<svg aria-hidden="true" ', 1),
    )
