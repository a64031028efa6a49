"""Everything `mosmed validate` can find in a published folder: what it means and what to do.

One table, so that a code is explained once. A finding names a file and a place in it, never the
value that is there.
"""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What a finding is to the exit status: 4, 3, or none."""

    IDENTITY = "identity"
    FAULT = "fault"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Check:
    """How bad a finding is, what it means, and the next step for the reader."""

    severity: Severity
    meaning: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be: `file` is the path below the folder."""

    code: str
    file: str
    place: str

    @property
    def severity(self) -> Severity:
        """What the table of checks says of its code."""
        return CHECKS[self.code].severity


_IDENTITY, _FAULT, _WARNING = Severity

CHECKS: dict[str, Check] = {
    # --- the registry and the files
    "REGISTRY_MISSING": Check(
        _FAULT,
        "there is no registry that can be read",
        "Put dataset_registry.xlsx into the folder, one table in its first sheet.",
    ),
    "REGISTRY_COLUMNS": Check(
        _FAULT,
        "the registry's columns are not study_id, category, study_file, mask_file",
        "Keep these four columns in this order; put others into a file of their own.",
    ),
    "ROW_NUMBER": Check(
        _FAULT,
        "a study_id is no whole number above 0, or stands twice",
        "Number each study once.",
    ),
    "ROW_CATEGORY": Check(
        _FAULT, "a category is none of CT-0 to CT-4", "Write the category with an ASCII hyphen."
    ),
    "ROW_PATH": Check(
        _FAULT,
        "a path is not what number and category say",
        "Name files studies/CT-1/study_0255.nii.gz and masks/study_0255_mask.nii.gz.",
    ),
    "ROW_ORDER": Check(
        _WARNING,
        "the numbers have holes, or do not run through the categories",
        "Users read ranges of numbers: number the studies from 1, category by category.",
    ),
    "FILE_MISSING": Check(
        _FAULT, "a file that is listed is not there", "Add the file, or take its row out."
    ),
    "FILE_UNLISTED": Check(
        _FAULT,
        "a volume or mask is there that the registry does not list",
        "Take the file out, or give it a row.",
    ),
    "FILE_LINK": Check(
        _FAULT, "a link, or no regular file", "Put the file itself there: links break in a copy."
    ),
    "DOCUMENT_MISSING": Check(
        _WARNING,
        "a document that readers look for is missing",
        "Add LICENSE, README_EN.md and README_RU.md.",
    ),
    "TABLE_UNREADABLE": Check(
        _FAULT, "a table cannot be read", "Save it as CSV in UTF-8 with a header."
    ),
    "TABLE_DIFFERS": Check(
        _FAULT,
        "studies.csv and the registry do not tell the same studies",
        "Make both from one source.",
    ),
    "SPLIT_LEAK": Check(
        _FAULT,
        "one patient stands in several splits",
        "Split by patient: a model would be tested on what it has seen.",
    ),
    "CHECKSUM_WRONG": Check(
        _FAULT, "a file is not the one its checksum says", "Copy the dataset again."
    ),
    "CHECKSUM_ABSENT": Check(
        _WARNING, "a file has no line in SHA256SUMS", "Write SHA256SUMS anew."
    ),
    # --- volumes
    "VOLUME_UNREADABLE": Check(
        _FAULT, "a volume is not NIfTI that can be read whole", "Convert the study again."
    ),
    "READERS_DIFFER": Check(
        _FAULT,
        "nibabel and SimpleITK do not read the same",
        "Write qform and sform alike, int16, without scaling.",
    ),
    "VOLUME_AXES": Check(
        _FAULT,
        "the axes do not run to the left, to the front and to the head (LAS)",
        "Flip the axes, and the affine with them.",
    ),
    "VOLUME_SHEARED": Check(
        _FAULT, "the axes are not at right angles", "A tilted gantry: take the study out."
    ),
    "VOLUME_TYPE": Check(
        _FAULT,
        "voxels are not int16 in Hounsfield units with slope 1 and intercept 0",
        "Store Hounsfield units themselves: others scale them anew when they save.",
    ),
    "VOLUME_CODES": Check(
        _FAULT,
        "qform and sform are not both of code 1, or not the same, or not in mm",
        "Set both to the affine of the scanner.",
    ),
    "VOLUME_STEP": Check(
        _FAULT,
        "pixdim and affine give different sizes of a voxel, or one that no CT has",
        "Write pixdim from the affine.",
    ),
    "STEP_DIFFERS": Check(
        _WARNING,
        "the step between slices is not that of most studies",
        "Say so in the README, or thin the studies alike.",
    ),
    "HU_IMPLAUSIBLE": Check(
        _FAULT,
        "the values are no Hounsfield units of a chest: no air, no tissue, or beyond 12 bits",
        "Look at the volume: the rescale may be lost, or padding left in.",
    ),
    # --- masks
    "MASK_UNREADABLE": Check(
        _FAULT, "a mask is not NIfTI that can be read whole", "Save the mask as .nii.gz again."
    ),
    "MASK_GRID": Check(
        _FAULT, "the mask does not lie on the grid of its image", "Thin it with its image."
    ),
    "MASK_VALUES": Check(_FAULT, "the mask holds other values than 0 and 1", "Use one label, 1."),
    "MASK_EMPTY": Check(
        _WARNING, "the mask marks nothing", "Leave it out, or say that nothing was found."
    ),
    "MASK_DENSITY": Check(
        _WARNING,
        "what is marked has a mean density outside of -700 to -130 HU",
        "Look at the mask: it may be flipped, or lie on another study.",
    ),
    # --- what tells of a person
    "IDENTITY_LEFT": Check(
        _IDENTITY,
        "a value of a patient of the workspace",
        "Do not hand the folder out; ask `mosmed why` and mend the rule.",
    ),
    "HEADER_TIME": Check(
        _IDENTITY,
        "a day or a time stands in a header",
        "Empty descrip and aux_file: the time of a scan finds a patient in a RIS.",
    ),
    "HEADER_TEXT": Check(
        _FAULT, "text stands in a header that is read by nobody", "Empty the field."
    ),
    "HEADER_EXTENSION": Check(
        _IDENTITY,
        "a NIfTI header has an extension, which may hold all of DICOM",
        "Write the file without extensions.",
    ),
    "GZIP_TELLS": Check(
        _FAULT,
        "a gzip header tells the file's name or the time it was made",
        "Pack it with time 0 and no name (gzip -n).",
    ),
    "NAME_OF_PERSON": Check(
        _IDENTITY, "a name as DICOM writes it, with ^", "Take it out; ask where it came from."
    ),
    "FOREIGN_UID": Check(
        _IDENTITY,
        "a UID that is neither one of the standard nor under 2.25",
        "A hospital's UID leads to the patient: replace it.",
    ),
    "IDENTITY_LABEL": Check(
        _IDENTITY,
        "a patient's attribute with a value: name, number, birth, accession, institution",
        "Take the column or the field out.",
    ),
    "LOCAL_PATH": Check(
        _IDENTITY, "a path of somebody's machine, which may name a person", "Take it out."
    ),
    "AUTHOR": Check(
        _IDENTITY,
        "a document's properties name who made it",
        "Clear the properties before saving.",
    ),
    "DATA_CONNECTION": Check(
        _IDENTITY,
        "a workbook refers to a source of data outside",
        "Break the connection, and save the values only.",
    ),
    "PICTURE_TEXT": Check(
        _IDENTITY,
        "a picture has text or EXIF in its metadata",
        "Save the picture without metadata.",
    ),
    "MAKING_TIME": Check(
        _WARNING,
        "a document tells when it was made",
        "Set no time, so that the same data give the same bytes.",
    ),
    "NOT_PROVEN": Check(
        _FAULT,
        "a file that cannot be looked into, so nobody knows what it holds",
        "Remove the file, or pack it anew without name and time.",
    ),
    "INTERNAL": Check(
        _FAULT, "an error nobody expected", "This is a bug in mosmed: please report it."
    ),
}
