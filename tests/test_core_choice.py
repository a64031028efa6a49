"""A series is chosen from a part of the headers as from all of them, and little is looked into."""

from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.choice import choose_series, next_look
from pipelines.core.dictionary import ENHANCED_CT_IMAGE_STORAGE as ENHANCED_CT
from pipelines.core.export_settings import ExportSettings
from pipelines.core.series import (
    CT_SOP_CLASSES,
    AnsweredHeader,
    ObjectHeader,
    summarize,
)

CT = min(CT_SOP_CLASSES)
SETTINGS = ExportSettings(
    kernels=("FC07", "FC18"), maximum_slice_thickness_mm=5.0, minimum_instances=2
)
HIDDEN = ("sop_class_uid", "modality", "series_description", "convolution_kernel")
HIDDEN_MORE = ("slice_thickness_mm", "image_type", "frames", "burned_in_annotation")


@st.composite
def instances(draw, series):
    return ObjectHeader(
        sop_class_uid=draw(st.sampled_from([CT, CT, CT, ENHANCED_CT, "1.2.840.10008.5.1.4.1.1.7"])),
        convolution_kernel=draw(st.sampled_from(["FC07", "FC07", "FC18", "FC51", None])),
        slice_thickness_mm=draw(st.sampled_from([1.0, 1.0, 5.0, 8.0, None])),
        image_type=draw(st.sampled_from(["ORIGINAL\\PRIMARY\\AXIAL", "DERIVED\\SECONDARY", None])),
        frames=draw(st.sampled_from([None, 1, 30])),
        **series,
    )


@st.composite
def studies(draw):
    headers = []
    for number in range(draw(st.integers(1, 4))):
        series = {
            "series_instance_uid": f"1.{number}",
            "series_number": number,
            "series_description": draw(st.sampled_from(["BODY 1.0", "BODY", "LUNG"])),
            "modality": draw(st.sampled_from(["CT", "CT", "SR"])),
        }
        members = draw(st.lists(instances(series), min_size=1, max_size=4))
        headers += [
            replace(header, sop_instance_uid=f"1.{number}.{k}", instance_number=k)
            for k, header in enumerate(members)
        ]
    return headers


def answered(header, hidden):
    known = {field.name: getattr(header, field.name) for field in fields(header)}
    return AnsweredHeader(**(known | dict.fromkeys(hidden)))


def looked_into(answers, headers, settings):
    """The headers after every look that the rule asks for."""
    known = list(answers)
    while look := next_look(known, settings):
        for uid in look.series_instance_uids:
            places = [k for k, one in enumerate(headers) if one.series_instance_uid == uid]
            for k in places[:1] if look.is_probe else places:
                known[k] = headers[k]
    return known


@given(headers=studies(), data=st.data())
def test_the_choice_is_that_of_all_headers_whatever_the_archive_does_not_answer(headers, data):
    some = st.sets(st.sampled_from(HIDDEN + HIDDEN_MORE))
    hidden = {one.series_instance_uid: data.draw(some) for one in headers}
    answers = [answered(one, hidden[one.series_instance_uid]) for one in headers]

    known = looked_into(answers, headers, SETTINGS)

    chosen = choose_series(summarize(known), SETTINGS).series
    assert chosen == choose_series(summarize(headers), SETTINGS).series


@given(headers=studies())
def test_what_is_known_from_answers_alone_is_not_looked_into(headers):
    answers = [answered(one, ()) for one in headers]
    possible = choose_series(summarize(headers), SETTINGS).best

    known = looked_into(answers, headers, SETTINGS)

    looked = {one.series_instance_uid for one in known if one.is_whole}
    if not any(summary.frames_unknown or summary.is_vague for summary in summarize(answers)):
        assert looked <= {one.series_instance_uid for one in possible}


def test_one_object_of_each_possible_series_is_enough_to_choose_by_kernel():
    headers = [
        ObjectHeader(
            sop_class_uid=CT, modality="CT", series_description="BODY", image_type="ORIGINAL",
            series_instance_uid=f"1.{kernel}", sop_instance_uid=f"1.{kernel}.{k}",
            convolution_kernel=kernel, slice_thickness_mm=1.0, instance_number=k,
        )
        for kernel in ("FC51", "FC07")
        for k in range(40)
    ]  # fmt: skip
    answers = [answered(one, {"convolution_kernel"}) for one in headers]

    known = looked_into(answers, headers, SETTINGS)

    whole = [one.convolution_kernel for one in known if one.is_whole]
    assert whole == ["FC51"] + ["FC07"] * 40
