"""What the records carry from stage to stage, and what a reader is called."""

import json
from dataclasses import fields

import pytest

from pipelines.core.codec import canonical_json, from_jsonable
from pipelines.core.identity import Candidate, Pseudonyms
from pipelines.core.model import Category, Decision, PublicStudy, Reading, Sex, passed_on
from pipelines.core.volumes import Converted

READINGS = (
    Reading(reader="R-0A0A0A", category=Category.CT_1),
    Reading(reader="R-1B1B1B", category=Category.CT_2, is_expert=True),
)


def test_everything_known_of_a_study_is_passed_on_but_the_decisions_of_the_stage():
    known = {
        "public_id": "s1",
        "category": Category.CT_2,
        "patient_age_years": 47,
        "patient_sex": Sex.FEMALE,
        "dose_length_product_mgy_cm": 250.0,
        "readings": READINGS,
    }
    study = Converted(
        **known,
        decisions=(Decision(rule="volume", value="", outcome=""),),
        volume="v",
        sidecar="s",
        mask=None,
        shape_ijk=(1, 1, 1),
        spacing_ijk_mm=(1.0, 1.0, 1.0),
    )

    names = {field.name for field in fields(PublicStudy)} - {"decisions"}
    assert passed_on(study).keys() == names
    assert {name: passed_on(study)[name] for name in known} == known


def test_a_candidate_of_an_older_selection_is_still_read():
    candidate = Candidate(
        public_id="s1",
        rank=1,
        patient_key="k",
        accession_number="A1",
        study_instance_uid=None,
        category=Category.CT_0,
        patient_age_years=40,
        patient_sex=Sex.MALE,
        expected_instances=None,
        identifying_values=(),
    )
    older = json.loads(canonical_json(candidate))
    del older["readings"]

    assert from_jsonable(Candidate, older) == candidate


@pytest.mark.parametrize("spelling", ["Иванова А.П.", "  ИВАНОВА   А.П. ", "иванова\u00a0а.п."])
def test_a_reader_has_one_pseudonym_however_the_name_is_typed(spelling):
    pseudonyms = Pseudonyms(b"k" * 32)

    assert pseudonyms.reader(spelling) == pseudonyms.reader("Иванова А.П.")
    assert pseudonyms.reader(spelling) != pseudonyms.reader("Петрова А.П.")
    assert pseudonyms.reader(spelling) != Pseudonyms(b"l" * 32).reader(spelling)
    assert pseudonyms.reader(spelling).startswith("R-")
