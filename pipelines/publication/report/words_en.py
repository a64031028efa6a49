"""The words of the report in English: the same keys and places to fill in as in Russian."""

from pipelines.publication.language import Language

_WORDS = {
    "title": "Dataset report",
    "skip": "Skip to the content",
    "language": "Language",
    "contents": "Contents",
    "version": "Version",
    "licence": "Licence",
    "studies_short": "studies",
    "patients_short": "patients",
    "masks_short": "masks",
    "slices_short": "slices",
    "nav_flow": "Flow",
    "nav_paper": "Beside the paper",
    "nav_distributions": "Distributions",
    "nav_problems": "What fell out",
    "nav_readers": "Readers",
    "nav_deid": "De-identification",
    "nav_software": "Software",
    "nav_studies": "Studies",
    "flow": "From the information system to the dataset",
    "flow_told": (
        "Every number is counted from the ledgers of the run, and the boxes add up: what enters a "
        "box leaves it below or beside it."
    ),
    "flow_small": (
        "Rules about a person's body that hit fewer than {k} people are counted together, "
        "with others if need be."
    ),
    "flow_title": "Flow of studies",
    "flow_rows": "Rows in the export of the RIS",
    "flow_left_out": "Left out by a rule, the first that hit",
    "flow_eligible": "Eligible studies",
    "flow_reserves": "Not drawn: kept as reserves",
    "flow_opened": "Studies opened",
    "flow_fell_out": "Fell out on the way",
    "flow_pending": "Not yet through all stages",
    "flow_no_category": "Without a category",
    "flow_published": "Studies published",
    "flow_joined": "together: {rules}",
    "not_told": (
        "This dataset was built without a workspace: its ledgers are not known, so there is "
        "nothing to tell here."
    ),
    "paper": "Beside the paper",
    "paper_told": (
        "The numbers of MosMedData COVID19_1110, as the paper and its published files give them, "
        "beside those of this dataset. Shares are computed from the counts."
    ),
    "property": "Property",
    "paper_column": "MosMedData",
    "here_column": "This dataset",
    "compared": "Compared",
    "same": "same",
    "differs": "differs",
    "studies": "Studies",
    "sexes": "Sex: male / female / other or unknown, %",
    "ages": "Age: min. / median / max., years",
    "masks": "Masks, and where they lie",
    "one_of": "Slices kept",
    "one_of_value": "1 of {count}",
    "step": "Slice step as published, mm",
    "source_step": "Slice step before thinning, mm",
    "thickness": "Slice thickness, mm",
    "kernels": "Convolution kernels",
    "scanners": "Scanners",
    "distributions": "Distributions",
    "people_told": (
        "Of people only what studies.csv tells is counted here: each combination of sex, age band "
        "and scanner is shared by at least {k} patients, or is hidden."
    ),
    "numbers": "Numbers",
    "value": "Value",
    "chart_category": "Studies by category",
    "chart_age": "Age by sex",
    "chart_slices": "Slices in a study",
    "chart_step": "Slice step as published",
    "chart_source_step": "Slice step before thinning",
    "chart_kernel": "Convolution kernel",
    "chart_scanner": "Scanner",
    "chart_lung": "Mean density of aerated lung",
    "chart_dose": "Effective dose",
    "without_value": "Studies without a value: {count}",
    "unit_years": "years",
    "unit_slices": "slices",
    "unit_mm": "mm",
    "unit_hu": "HU",
    "unit_msv": "mSv",
    "with_mask": "with a mask",
    "without_mask": "without",
    "male": "male",
    "female": "female",
    "other": "other, unknown or hidden",
    "hidden": "hidden",
    "unknown": "unknown",
    "problems": "What fell out, and why",
    "problems_told": (
        "Studies that were opened and are not published, by the code of the fault or the rule. "
        "The next study of the draw has taken the place of each."
    ),
    "no_problems": "Every study that was opened came through.",
    "stage": "Stage",
    "code": "Code",
    "meaning": "Meaning, and what to do",
    "count": "Studies",
    "readers": "Agreement of the readers",
    "readers_matrix": "Categories of the first by row, of the second by column",
    "readers_dice": (
        "Dice's coefficient of two readers' masks of one study, min. / median / max.: {dice} "
        "(pairs of masks: {masks})."
    ),
    "readers_told": (
        "Cohen's kappa over the studies that two readers have read: how far they agree beyond "
        "what chance gives, with its 95 % confidence interval."
    ),
    "readers_pair": "Readers",
    "readers_studies": "Studies",
    "readers_same": "Same category, %",
    "readers_linear": "κ, linear weights",
    "readers_quadratic": "κ, quadratic weights",
    "deid": "De-identification",
    "deid_sought": (
        "{values} values that identify the patients were looked for in every name and every byte "
        "of the dataset but its voxels. 0 were found: a dataset in which one is found is not "
        "published."
    ),
    "deid_profile": "Profile and options (DICOM PS3.15 Annex E)",
    "deid_loosened": "Attributes kept beyond the profile",
    "deid_elements": "What was done to the elements of {objects} DICOM objects",
    "deid_action": "Action",
    "deid_count": "Elements",
    "none": "none",
    "action_keep": "kept, where the value is what its type says",
    "action_remove": "removed",
    "action_blank": "emptied",
    "action_replace": "replaced by a dummy",
    "action_pseudonym": "replaced by a keyed pseudonym",
    "action_pseudonym uid": "replaced by a keyed UID",
    "action_cap age": "ages of 90 and older made 90",
    "action_private": "private, removed",
    "action_character set": "character set, written anew",
    "action_shift date": "date moved back by a keyed shift",
    "action_clean text": "only listed words kept",
    "software": "Software",
    "software_told": "What made the files of this dataset.",
    "name": "Name",
    "cards": "Studies",
    "cards_told": (
        "An axial and a coronal slice of every published volume, in the lung window (centre "
        "−600 HU, width 1500 HU): where the mask marks most, else where the lungs are widest. "
        "The patient's right is on the left."
    ),
    "show": "Category",
    "all": "all",
    "only_masks": "only with a mask",
    "outlines": "outline of the mask",
    "larger": "larger pictures",
    "sort": "Sort by",
    "sort_number": "number",
    "sort_slices": "slices",
    "sort_step": "step",
    "sort_lung": "lung density",
    "mask": "mask",
    "no_studies": "No study is published.",
    "footer": (
        "Made by mosmed from the records of the studies alone. The file needs no network and "
        "holds no identity."
    ),
    "rule_identified": "no number of study or patient",
    "rule_modality": "not CT",
    "rule_body_part": "not of the chest",
    "rule_window": "outside the study window",
    "rule_facility": "not an outpatient facility",
    "rule_referrer": "not referred by a general practitioner",
    "rule_payer": "not compulsory insurance",
    "rule_age": "too young",
    "rule_pregnancy": "pregnant",
    "rule_spo2": "SpO₂ too low",
    "rule_category": "no final category",
    "rule_one_study_per_patient": "another study of the same patient",
    "rule_series": "no series fits",
    "rule_forgotten": "withdrawn by the owner",
}

ENGLISH = Language(code="en", decimal_mark=".", words=_WORDS)
