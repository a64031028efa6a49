"""An Enhanced CT image (PS3.3 A.38) of the same slices, one frame each."""

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from pipelines.phantom.instances import file_meta
from pipelines.phantom.noise import made_uid
from tests.edge.series import Slice, short

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
EXPLICIT = "1.2.840.10008.1.2.1"


def enhanced(frames: Sequence[Slice], name: str) -> Dataset:
    """One object whose frame n is frames[n], with its plane and rescale in functional groups."""
    dataset = Dataset()
    uid = made_uid("edge enhanced", name)
    dataset.file_meta = file_meta(ENHANCED_CT, uid, EXPLICIT)
    dataset.SOPClassUID, dataset.SOPInstanceUID = ENHANCED_CT, uid
    dataset.StudyInstanceUID = made_uid("edge study", name)
    dataset.SeriesInstanceUID = made_uid("edge series", name)
    dataset.FrameOfReferenceUID = made_uid("edge frame", name)
    dataset.PatientID, dataset.PatientName = "EDGE", "Edge^Case"
    dataset.Modality, dataset.Manufacturer = "CT", "PHANTOM"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    dataset.StudyDate = dataset.AcquisitionDateTime = "20200401"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.NumberOfFrames = len(frames)
    dataset.Rows, dataset.Columns = frames[0].hu.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, frames[0].bits, 11
    dataset.PixelRepresentation = 0
    dataset.LossyImageCompression = "00"
    dataset.SharedFunctionalGroupsSequence = Items([_shared(frames[0])])
    dataset.PerFrameFunctionalGroupsSequence = Items([_own(one) for one in frames])
    dataset.PixelData = b"".join(one.values().astype("<u2").tobytes() for one in frames)
    dataset["PixelData"].VR = "OW"
    return dataset


def _shared(one: Slice) -> Dataset:
    measures, turn, kernel = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = list(one.spacing_mm)
    measures.SliceThickness = "1"
    turn.ImageOrientationPatient = [short(x) for x in sum(one.cosines, ())]
    kernel.ConvolutionKernel = "B40f"
    group = Dataset()
    group.PixelMeasuresSequence = Items([measures])
    group.PlaneOrientationSequence = Items([turn])
    group.CTReconstructionSequence = Items([kernel])
    return group


def _own(one: Slice) -> Dataset:
    place, rescale, kind, content = Dataset(), Dataset(), Dataset(), Dataset()
    place.ImagePositionPatient = [short(x) for x in one.position_mm]
    rescale.RescaleSlope, rescale.RescaleIntercept = short(one.slope), short(one.intercept)
    rescale.RescaleType = "HU"
    kind.FrameType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    content.FrameAcquisitionNumber = 1
    content.InStackPositionNumber, content.StackID = one.number, "1"
    group = Dataset()
    group.PlanePositionSequence = Items([place])
    group.PixelValueTransformationSequence = Items([rescale])
    group.CTImageFrameTypeSequence = Items([kind])
    group.FrameContentSequence = Items([content])
    return group
