from dataclasses import dataclass
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.codec import canonical_json, digest, from_jsonable, to_jsonable
from pipelines.core.model import Category, Decision, MaskAgreement, Reading, Sex
from pipelines.core.volumes import Thinned

decisions = st.builds(Decision, rule=st.text(), value=st.text(), outcome=st.text())
readings = st.builds(
    Reading, reader=st.text(), category=st.sampled_from(Category), is_expert=st.booleans()
)
agreements = st.builds(MaskAgreement, first=st.text(), second=st.text(), dice=st.floats(0, 1))
records = st.builds(
    Thinned,
    public_id=st.text(),
    category=st.none() | st.sampled_from(Category),
    patient_age_years=st.none() | st.integers(0, 90),
    patient_sex=st.sampled_from(Sex),
    dose_length_product_mgy_cm=st.none() | st.floats(0, 5000),
    readings=st.lists(readings, max_size=3).map(tuple),
    mask_agreements=st.lists(agreements, max_size=3).map(tuple),
    decisions=st.lists(decisions, max_size=3).map(tuple),
    volume=st.text(),
    mask=st.none() | st.text(),
    shape_ijk=st.tuples(st.integers(), st.integers(), st.integers()),
    spacing_ijk_mm=st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 3),
    instance_numbers=st.lists(st.integers()).map(tuple),
    slices_before=st.integers(),
)


@given(record=records)
def test_a_record_survives_json(record):
    import json

    assert from_jsonable(Thinned, json.loads(canonical_json(record))) == record


@dataclass(frozen=True, kw_only=True)
class Dated:
    day: date
    share: float


def test_dates_and_whole_floats_keep_their_types():
    read = from_jsonable(Dated, {"day": "2020-03-01", "share": 1})

    assert read == Dated(day=date(2020, 3, 1), share=1.0)
    assert isinstance(read.share, float)


@pytest.mark.parametrize(
    "damaged",
    [{"day": "2020-03-01"}, {"day": 3, "share": 1}, {"day": "yesterday", "share": 1}, {"dy": 1}],
    ids=["missing", "type", "format", "unknown"],
)
def test_a_damaged_record_is_refused(damaged):
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_jsonable(Dated, damaged)


@given(items=st.dictionaries(st.text(), st.integers()))
def test_the_digest_does_not_depend_on_the_order_of_keys(items):
    backwards = dict(reversed(items.items()))

    assert digest(items) == digest(backwards)
    assert to_jsonable(items) == items
