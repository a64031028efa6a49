"""Two readers of DICOM series that nobody here wrote, and where they and mosmed differ."""
