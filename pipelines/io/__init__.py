"""The only homes of pydicom, SimpleITK, nibabel, pandas and openpyxl, and of the workspace."""
