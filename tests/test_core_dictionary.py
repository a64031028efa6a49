"""The dictionaries that are read without pydicom are pydicom's.

`python -m tests.test_core_dictionary` makes them again.
"""

import json
import subprocess
import sys
from collections import defaultdict

import pydicom
import pytest
from pydicom.datadict import DicomDictionary
from pydicom.uid import UID, AllTransferSyntaxes

from pipelines.core import dictionary


def vrs_text():
    tags = defaultdict(list)
    for tag, entry in sorted(DicomDictionary.items()):
        tags[entry[0]].append(f"{tag:08X}")
    return "".join(f"{vr}: {' '.join(tags[vr])}\n" for vr in sorted(tags))


def pydicoms_uids():
    """The UIDs that pydicom itself knows: pynetdicom, once imported, adds to its dictionary."""
    code = "import json; from pydicom._uid_dict import UID_dictionary as d; print(json.dumps([*d]))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return sorted(json.loads(told.stdout))


@pytest.fixture(scope="module")
def uids():
    return pydicoms_uids()


def uids_text(uids):
    def line(uid):
        if UID(uid) not in AllTransferSyntaxes:
            return uid
        return f"{uid} {'encapsulated' if UID(uid).is_encapsulated else 'native'}"

    return "".join(f"{line(uid)}\n" for uid in uids)


def test_the_dictionaries_are_those_of_pydicom(uids):
    how = f"made for another pydicom than {pydicom.__version__}: python -m {__name__}"

    assert dictionary.VRS_FILE.read_text() == vrs_text(), how
    assert dictionary.UIDS_FILE.read_text() == uids_text(uids), how


def test_every_entry_is_found(uids):
    assert all(dictionary.vr_of(tag) == entry[0] for tag, entry in DicomDictionary.items())
    assert all(map(dictionary.is_in_dictionary, DicomDictionary))
    assert not dictionary.is_in_dictionary(0x00080003)
    assert all(map(dictionary.is_well_known, uids))
    assert not dictionary.is_well_known("1.2.3.4")
    for syntax in AllTransferSyntaxes:
        assert dictionary.is_encapsulated(syntax) is syntax.is_encapsulated
    assert dictionary.is_encapsulated("1.2.840.10008.1.1") is None


if __name__ == "__main__":
    dictionary.VRS_FILE.write_text(vrs_text())
    dictionary.UIDS_FILE.write_text(uids_text(pydicoms_uids()))
