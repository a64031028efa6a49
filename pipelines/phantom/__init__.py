"""A synthetic chest CT and a synthetic hospital around it: no patient is in any of it.

`thorax` makes voxels, `instances` writes them as DICOM, `documents` adds what else a study holds,
`cohort` writes whole hospitals: a RIS export, a PACS folder and experts' masks. Everything is a
function of its seed, so that two machines write the same bytes.
"""
