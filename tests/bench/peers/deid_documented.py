"""deid as its documentation calls it, with the recipe that mosmed ships: IN OUT RECIPE."""

import hashlib
import hmac
import sys
from pathlib import Path

from deid.config import DeidRecipe
from deid.dicom import get_identifiers, replace_identifiers
from deid.logger import bot

KEY = b"bench"


def pseudonym_uid(item, value, field, dicom) -> str:
    uid = str(field.element.value)
    if uid.startswith("1.2.840.10008."):
        return uid
    digest = hmac.new(KEY, uid.encode(), hashlib.sha256).digest()
    return "2.25." + str(int.from_bytes(digest[:16], "big"))


def pseudonym_patient(item, value, field, dicom) -> str:
    return (
        "P-" + hmac.new(KEY, str(dicom.get("PatientID")).encode(), hashlib.sha256).hexdigest()[:12]
    )


def cap_age(item, value, field, dicom) -> str:
    return min(str(field.element.value), "090Y")


def main(source: Path, out: Path, recipe_path: Path) -> None:
    bot.level = 0
    files = [str(path) for path in sorted(source.iterdir())]
    recipe = DeidRecipe(str(recipe_path))
    ids = get_identifiers(files)
    functions = (pseudonym_uid, pseudonym_patient, cap_age)
    for values in ids.values():
        values.update({function.__name__: function for function in functions})
    out.mkdir(parents=True, exist_ok=True)
    replace_identifiers(
        dicom_files=files,
        deid=recipe,
        ids=ids,
        save=True,
        overwrite=True,
        output_folder=str(out),
        remove_private=True,
    )


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
