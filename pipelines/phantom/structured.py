"""The scanner's dose report as an X-Ray Radiation Dose SR (PS3.16 TID 10011)."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from pipelines.phantom.instances import file_meta, study_dataset
from pipelines.phantom.noise import made_uid
from pipelines.phantom.spec import SeriesSpec, Syntax

DOSE_SR_STORAGE = "1.2.840.10008.5.1.4.1.1.88.67"

Code = tuple[str, str, str]
"""Code value, coding scheme, meaning."""

_SPIRAL: Code = ("116152004", "SCT", "Spiral Acquisition")
_CHEST: Code = ("51185008", "SCT", "Chest")
_MGY: Code = ("mGy", "UCUM", "mGy")
_MGYCM: Code = ("mGy.cm", "UCUM", "mGy.cm")
_MM: Code = ("mm", "UCUM", "mm")
_SECONDS: Code = ("s", "UCUM", "s")


def dose_report_sr(spec: SeriesSpec, *, dlp_mgy_cm: float = 250.0) -> Dataset:
    """The dose report of the study: DLP in mGy.cm, in total and for its one acquisition."""
    dataset = study_dataset(spec)
    dataset.SOPClassUID = UID(DOSE_SR_STORAGE)
    dataset.SOPInstanceUID = made_uid("dose report", spec.study_uid)
    dataset.file_meta = file_meta(DOSE_SR_STORAGE, dataset.SOPInstanceUID, Syntax.EXPLICIT_LITTLE)
    dataset.Modality = "SR"
    dataset.SeriesDate = dataset.ContentDate = spec.study_date
    dataset.SeriesTime = dataset.ContentTime = spec.study_time
    dataset.SeriesInstanceUID = made_uid("dose series", spec.study_uid)
    dataset.SeriesNumber = 9000
    dataset.SeriesDescription = "DoseReport"
    dataset.InstanceNumber = 1
    dataset.ReferencedPerformedProcedureStepSequence = Sequence()
    dataset.PerformedProcedureCodeSequence = Sequence()
    dataset.CompletionFlag = "COMPLETE"
    dataset.VerificationFlag = "UNVERIFIED"
    _set_tree(dataset, spec, dlp_mgy_cm)
    return dataset


def _set_tree(dataset: Dataset, spec: SeriesSpec, dlp_mgy_cm: float) -> None:
    dataset.ValueType = "CONTAINER"
    dataset.ConceptNameCodeSequence = Sequence(
        [_code(("113701", "DCM", "X-Ray Radiation Dose Report"))]
    )
    dataset.ContinuityOfContent = "SEPARATE"
    template = Dataset()
    template.MappingResource = "DCMR"
    template.TemplateIdentifier = "10011"
    dataset.ContentTemplateSequence = Sequence([template])
    dataset.ContentSequence = Sequence(
        [
            _coded("HAS CONCEPT MOD", ("121058", "DCM", "Procedure reported"), _CT_PROCEDURE),
            _coded("HAS OBS CONTEXT", ("121005", "DCM", "Observer Type"), _DEVICE),
            _uid_item(
                "HAS OBS CONTEXT",
                ("121012", "DCM", "Device Observer UID"),
                made_uid("device", spec.device_serial_number),
            ),
            _moment(("113809", "DCM", "Start of X-Ray Irradiation"), spec),
            _moment(("113810", "DCM", "End of X-Ray Irradiation"), spec),
            _scope(spec),
            _accumulated(dlp_mgy_cm),
            _acquisition(spec, dlp_mgy_cm),
            _coded("CONTAINS", ("113854", "DCM", "Source of Dose Information"), _AUTOMATED),
        ]
    )


_CT_PROCEDURE: Code = ("77477000", "SCT", "Computed Tomography X-Ray")
_DEVICE: Code = ("121007", "DCM", "Device")
_AUTOMATED: Code = ("113856", "DCM", "Automated Data Collection")


def _scope(spec: SeriesSpec) -> Dataset:
    item = _coded(
        "CONTAINS", ("113705", "DCM", "Scope of Accumulation"), ("113014", "DCM", "Study")
    )
    concept: Code = ("110180", "DCM", "Study Instance UID")
    item.ContentSequence = Sequence([_uid_item("HAS PROPERTIES", concept, spec.study_uid)])
    return item


def _accumulated(dlp_mgy_cm: float) -> Dataset:
    events: Code = ("113812", "DCM", "Total Number of Irradiation Events")
    return _container(
        ("113811", "DCM", "CT Accumulated Dose Data"),
        [
            _number(events, 1, ("{events}", "UCUM", "events")),
            _number(("113813", "DCM", "CT Dose Length Product Total"), dlp_mgy_cm, _MGYCM),
        ],
    )


def _acquisition(spec: SeriesSpec, dlp_mgy_cm: float) -> Dataset:
    event = made_uid("irradiation", spec.study_uid)
    return _container(
        ("113819", "DCM", "CT Acquisition"),
        [
            _text(("125203", "DCM", "Acquisition Protocol"), "Chest COVID"),
            _coded("CONTAINS", ("123014", "DCM", "Target Region"), _CHEST),
            _coded("CONTAINS", ("113820", "DCM", "CT Acquisition Type"), _SPIRAL),
            _uid_item("CONTAINS", ("113769", "DCM", "Irradiation Event UID"), event),
            _parameters(),
            _dose(dlp_mgy_cm),
        ],
    )


def _parameters() -> Dataset:
    return _container(
        ("113822", "DCM", "CT Acquisition Parameters"),
        [
            _number(("113824", "DCM", "Exposure Time"), 5.2, _SECONDS),
            _number(("113825", "DCM", "Scanning Length"), 320, _MM),
            _number(("113826", "DCM", "Nominal Single Collimation Width"), 0.5, _MM),
            _number(("113827", "DCM", "Nominal Total Collimation Width"), 32, _MM),
            _number(("113828", "DCM", "Pitch Factor"), 0.828, ("{ratio}", "UCUM", "ratio")),
            _container(
                ("113831", "DCM", "CT X-Ray Source Parameters"),
                [
                    _text(("113832", "DCM", "Identification of the X-Ray Source"), "1"),
                    _number(("113733", "DCM", "KVP"), 120, ("kV", "UCUM", "kV")),
                    _number(("113734", "DCM", "X-Ray Tube Current"), 200, ("mA", "UCUM", "mA")),
                ],
            ),
        ],
    )


def _dose(dlp_mgy_cm: float) -> Dataset:
    phantom: Code = ("113691", "DCM", "IEC Body Dosimetry Phantom")
    return _container(
        ("113829", "DCM", "CT Dose"),
        [
            _number(("113830", "DCM", "Mean CTDIvol"), round(dlp_mgy_cm / 32, 2), _MGY),
            _coded("CONTAINS", ("113835", "DCM", "CTDIw Phantom Type"), phantom),
            _number(("113838", "DCM", "DLP"), dlp_mgy_cm, _MGYCM),
        ],
    )


def _item(relation: str, value_type: str, concept: Code) -> Dataset:
    item = Dataset()
    item.RelationshipType = relation
    item.ValueType = value_type
    item.ConceptNameCodeSequence = Sequence([_code(concept)])
    return item


def _code(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code
    return item


def _coded(relation: str, concept: Code, value: Code) -> Dataset:
    item = _item(relation, "CODE", concept)
    item.ConceptCodeSequence = Sequence([_code(value)])
    return item


def _uid_item(relation: str, concept: Code, uid: str) -> Dataset:
    item = _item(relation, "UIDREF", concept)
    item.UID = uid
    return item


def _text(concept: Code, text: str) -> Dataset:
    item = _item("CONTAINS", "TEXT", concept)
    item.TextValue = text
    return item


def _moment(concept: Code, spec: SeriesSpec) -> Dataset:
    item = _item("CONTAINS", "DATETIME", concept)
    item.DateTime = spec.study_date + spec.study_time
    return item


def _number(concept: Code, value: float, unit: Code) -> Dataset:
    item = _item("CONTAINS", "NUM", concept)
    measured = Dataset()
    measured.NumericValue = str(value)
    measured.MeasurementUnitsCodeSequence = Sequence([_code(unit)])
    item.MeasuredValueSequence = Sequence([measured])
    return item


def _container(concept: Code, items: Iterable[Dataset]) -> Dataset:
    item = _item("CONTAINS", "CONTAINER", concept)
    item.ContinuityOfContent = "SEPARATE"
    item.ContentSequence = Sequence(list(items))
    return item
