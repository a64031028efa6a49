"""Every code a study can fail with: what it means and what to do about it.

One table, so that a code is explained once: the errors take their hint from it, `mosmed status`
groups by it, and a test asserts that every code raised in the source stands here.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """The meaning of a code, and the next step for the reader."""

    meaning: str
    hint: str


FAULTS: dict[str, Fault] = {
    # --- export
    "NOT_IN_ARCHIVE": Fault(
        "the archive has no object of this study",
        "Check the accession number in the RIS export, or send the study to the archive again.",
    ),
    "AMBIGUOUS_STUDY": Fault(
        "one accession number stands on several studies",
        "Give the StudyInstanceUID in the RIS export, so that one of them is meant.",
    ),
    "INCOMPLETE_STUDY": Fault(
        "fewer objects than the RIS expects",
        "Have the PACS send the study again; then run `mosmed export` once more.",
    ),
    "INCOMPLETE_TRANSFER": Fault(
        "the PACS does not send all the objects that it lists",
        "Run `mosmed export` again later; if it stays so, have the PACS look for the study.",
    ),
    "STUDY_CHANGED": Fault(
        "the study grew or shrank in the PACS while it was fetched",
        "Run `mosmed export` again once the scanner has sent all of it.",
    ),
    "NOT_ONLINE": Fault(
        "the PACS says that the study lies on slow media, or cannot be had",
        "Have its owner bring the study back online; then run `mosmed export` again.",
    ),
    "REFUSED_BY_ARCHIVE": Fault(
        "the PACS refuses to send the study",
        "Ask its owner: the study may be blocked, offline, or of a kind it does not send.",
    ),
    "CONFLICTING_DUPLICATE": Fault(
        "two different objects bear the same SOPInstanceUID",
        "Ask the PACS which of them is right, and remove the other from the archive folder.",
    ),
    # --- reading DICOM
    "UNREADABLE_DICOM": Fault(
        "a file is not DICOM that can be read",
        "Have the PACS send the study again.",
    ),
    "TRUNCATED_FILE": Fault(
        "a file ends before its pixels do",
        "Copy or send the study again: the transfer was cut off.",
    ),
    "MISSING_ATTRIBUTE": Fault(
        "an attribute that is needed is not there",
        "Export the study again from the modality's original, not from a processed copy.",
    ),
    "UNSUPPORTED_OBJECT": Fault(
        "the DICOM object is no CT image that a volume can be made of",
        "Choose a series of original CT images in Hounsfield units.",
    ),
    "BAD_ATTRIBUTE": Fault(
        "an attribute holds a value that cannot be right",
        "Export the study again from the modality's original, not from a processed copy.",
    ),
    "UNSUPPORTED_SYNTAX": Fault(
        "the transfer syntax cannot be decoded",
        "Have the PACS send the study as Explicit VR Little Endian.",
    ),
    "LOSSY_PIXELS": Fault(
        "the pixels were compressed with loss",
        "Export the lossless original, or set `allow_lossy = true` under [convert].",
    ),
    "BAD_PIXELS": Fault(
        "the pixels cannot be decoded to what the header says",
        "Have the PACS send the study again.",
    ),
    "HU_OUT_OF_RANGE": Fault(
        "Hounsfield units do not fit 16 bits, or are not whole numbers",
        "Exclude the study; its values cannot be stored as the published files store them.",
    ),
    # --- geometry
    "TOO_FEW_SLICES": Fault(
        "too few slices to be a volume",
        "Choose another series, or lower `minimum_slices` under [convert].",
    ),
    "MIXED_ORIENTATION": Fault(
        "the slices do not share one orientation",
        "A localizer or a reformat lies in the series: choose the axial series.",
    ),
    "MIXED_MATRIX": Fault(
        "rows, columns or pixel spacing differ between slices",
        "Two reconstructions lie in one series: separate them in the PACS.",
    ),
    "NOT_AXIAL": Fault(
        "the slices are coronal or sagittal",
        "Choose the axial series: only axial volumes are published.",
    ),
    "SLICE_DRIFT": Fault(
        "the slices are shifted sideways against one another",
        "Two fields of view lie in one series: separate them in the PACS.",
    ),
    "MIXED_KERNEL": Fault(
        "the slices were reconstructed with different kernels",
        "Two reconstructions lie in one series: separate them in the PACS.",
    ),
    "GANTRY_TILT": Fault(
        "the slices are sheared: the gantry was tilted",
        "Exclude the study; an untilted grid would need interpolated voxels.",
    ),
    "SLICE_GAP": Fault(
        "slices are missing: one step is a multiple of the others",
        "Have the PACS send the study again; if the gap is real, exclude the study.",
    ),
    "UNEVEN_STEP": Fault(
        "neighbouring slices are not all equally far apart",
        "Two spacings lie in one series: separate them in the PACS, or exclude the study.",
    ),
    "SAME_POSITION": Fault(
        "different slices lie at the same place",
        "Two acquisitions or kernels lie in one series: separate them in the PACS.",
    ),
    "SEVERAL_STACKS": Fault(
        "the frames of one multi-frame image are of several stacks",
        "Have the PACS send each stack as an image of its own, or exclude the study.",
    ),
    "MISSING_PART": Fault(
        "a multi-frame image was split into several objects, and not all of them are here",
        "Have the PACS send the study again, with all objects of the series.",
    ),
    "MIXED_SERIES": Fault(
        "the folder holds slices of several series",
        "Convert one series at a time.",
    ),
    "MIXED_FRAME": Fault(
        "the slices lie in different frames of reference: nobody knows how far apart they are",
        "The patient was laid anew, or images of two bear one number: separate them in the PACS.",
    ),
    # --- thinning
    "NOTHING_KEPT": Fault(
        "thinning keeps no slice",
        "The series is shorter than `every` under [thin]: exclude it or thin less.",
    ),
    "NO_INSTANCE_NUMBERS": Fault(
        "the volume comes without its slices' instance numbers",
        "Keep the .json that `mosmed convert` wrote beside the volume, or use `--by position`.",
    ),
    "THINNED_OTHERWISE": Fault(
        "the slices that were brought are not those that thinning keeps",
        "Export the study again with the settings under [thin] as they are now: mosmed run.",
    ),
    # --- masks
    "MASK_OFF_GRID": Fault(
        "the mask lies neither on the full nor on the thinned grid of its image",
        "Draw or resample the mask on the image it belongs to.",
    ),
    "MASK_NOT_BINARY": Fault(
        "the mask holds other values than 0 and 1",
        "Save it with one label, 1 for what is marked, or name its `mask_labels` under [export].",
    ),
    "MASK_AMBIGUOUS": Fault(
        "several files are named like the mask of one study",
        "Leave one of them in the folder of masks.",
    ),
    "MASK_LABELS": Fault(
        "nothing says which label of the mask marks the lesion",
        "Name it as `mask_labels` under [export], by number or by name.",
    ),
    "MASK_OTHER_IMAGE": Fault(
        "the mask was drawn on another image",
        "Look for the mask of the series that was chosen, or choose the series it was drawn on.",
    ),
    "MASK_OFF_SLICES": Fault(
        "parts of the mask lie on no slice of the image",
        "Draw them on the slices of the series; between slices and beyond them there is no voxel.",
    ),
    "MASK_NOT_PLANAR": Fault(
        "contours of the mask are not parallel to the slices of the image",
        "Draw them on axial slices, or save the mask as a segmentation.",
    ),
    "MASK_EMPTY": Fault(
        "the mask marks nothing in any slice that is published",
        "Draw it on the slices that are kept, or leave the file out of the folder of masks.",
    ),
    "MASK_DENSITY": Fault(
        "what the mask marks is too dense or too thin in the mean to be the lesions meant",
        "Look whether it marks something else; or set `mask_least_hu` and `mask_most_hu`.",
    ),
    "MASK_SHARE": Fault(
        "the share of the lungs that is marked is not that of the category",
        "Have mask and category looked at again; neither is changed by itself.",
    ),
    "UNREADABLE_MASK": Fault(
        "the mask is not a NIfTI file that can be read",
        "Save the mask as .nii.gz again.",
    ),
    "UNREADABLE_VOLUME": Fault(
        "the volume is not a NIfTI file that can be read",
        "Convert the study again.",
    ),
    "READERS_DISAGREE": Fault(
        "two readers do not read the same from what was written",
        "This is a bug in mosmed: please report it with the geometry, without any image.",
    ),
    # --- the registry
    "DUPLICATE_STUDY": Fault(
        "two studies bear the same name",
        "Thin each study once; then run `mosmed build-registry` again.",
    ),
    # --- privacy
    "IDENTITY_LEFT": Fault(
        "a value of the patient is still in the output",
        "Add a rule for the place that is named to a recipe of your own (recipes in [anonymize]).",
    ),
    "NOT_PROVEN": Fault(
        "a file of the folder cannot be looked into, so nobody knows what it holds",
        "Remove the file or pack it anew without name and time; then run the same command again.",
    ),
    "BURNED_IN_TEXT": Fault(
        "text is drawn into the pixels",
        "Look at the slices in private/; exclude the study, or choose a series without text.",
    ),
    # --- the runner
    "OUTPUT_EXISTS": Fault(
        "a file of that name is there already, and is another one",
        "Choose an empty OUT, or use --overwrite.",
    ),
    "WORKER_DIED": Fault(
        "the worker process was killed while it had this study",
        "Memory may have run out: try fewer --jobs. Else a library crashed on this input.",
    ),
    "DISK": Fault(
        "the disk refused to read or write",
        "Free some space or check the disk, then run the same command again.",
    ),
    "INTERNAL": Fault(
        "an error nobody expected",
        "This is a bug in mosmed: please report it with its traceback, which quotes no value; "
        "a workspace keeps it in private/mosmed.log.",
    ),
}
