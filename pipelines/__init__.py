"""The stages of dataset formation, and what they are built of."""

import os

# openpyxl writes other bytes where lxml happens to be installed; a dataset has the same everywhere
os.environ["OPENPYXL_LXML"] = "False"
