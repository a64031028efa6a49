"""pydicom read-edit-write with the shipped action table: IN OUT RULES.JSON."""

import hashlib
import hmac
import json
import sys
from pathlib import Path

from pydicom import dcmread
from pydicom.datadict import dictionary_has_tag
from pydicom.dataset import FileMetaDataset

KEY = b"bench"


def pseudonym(text: str) -> str:
    return hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()


def uid_of(uid: str) -> str:
    known = uid.startswith("1.2.840.10008.")
    return uid if known else "2.25." + str(int(pseudonym(uid)[:32], 16))


def value_of(action: str, fixed: str, element):
    if action == "UID":
        value = element.value
        return [uid_of(one) for one in value] if element.VM > 1 else uid_of(value or "")
    if action == "PSEUDONYM":
        return pseudonym(str(element.value))[:12]
    if action == "AGE":
        return min(str(element.value), "090Y")
    return fixed if action == "REPLACE" else None


def rewrite(dataset, by_tag, by_vr) -> None:
    for tag in list(dataset.keys()):
        group = tag >> 16
        if group % 2 or group >> 8 in {0x50, 0x60} or group > 0x7FE0:
            del dataset[tag]
            continue
        if not dictionary_has_tag(tag):
            del dataset[tag]
            continue
        element = dataset[tag]
        action, fixed = by_tag.get(int(tag)) or by_vr.get(element.VR) or ("KEEP", "")
        if action == "REMOVE":
            del dataset[tag]
        elif action != "KEEP":
            element.value = value_of(action, fixed, element)
        elif element.VR == "SQ":
            for item in element.value:
                rewrite(item, by_tag, by_vr)


def main(source: Path, out: Path, rules: Path) -> None:
    said = json.loads(rules.read_text())
    by_tag = {int(tag): rule for tag, rule in said["by_tag"].items()}
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        dataset = dcmread(path)
        syntax = dataset.file_meta.TransferSyntaxUID
        rewrite(dataset, by_tag, said["by_vr"])
        dataset.PatientIdentityRemoved = "YES"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.preamble = bytes(128)
        dataset.save_as(out / f"{dataset.SOPInstanceUID}.dcm", enforce_file_format=True)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
