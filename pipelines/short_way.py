"""Stages 4 and 5 at once, on plain folders: of a series only what thinning keeps is decoded.

Thinning commutes with conversion: all headers prove that the slices are one even volume, and then
nine tenths of the pixels need not be read. The files are those that the two stages leave, one after
the other, to the byte.
"""

from dataclasses import replace
from pathlib import Path

from pipelines import convert, thin
from pipelines.core.convert_settings import ConvertSettings, ThinSettings
from pipelines.core.grids import affine_of_slices, as_stored
from pipelines.core.model import Excluded, FolderItem
from pipelines.core.thinning import choose_slices
from pipelines.core.volumes import Thinned

find = convert.find


TABLES = (ConvertSettings, ThinSettings)
"""The settings it is told."""


def work_plain(
    item: FolderItem, converting: ConvertSettings, thinning: ThinSettings, folder: Path
) -> Thinned | Excluded:
    """Write `folder/<name>.nii.gz` and `.json` of one series that `find` has found, thinned.

    What every header shows is refused as `convert` refuses it; what only pixels show is not seen
    in slices that are not kept.
    """
    headers = convert.headers_of(item)
    if isinstance(headers, Excluded):
        return headers
    found = convert.survey_of(headers, converting)
    if found is None:
        return convert.only_localizers(item.name)
    kept = choose_slices(found.instance_numbers, thinning)
    volume, decisions = convert.read_slices(
        [found.slices[k] for k in kept.ks],
        found.stack,
        affine_of_slices(as_stored(found.stack.affine_ras), kept.ks, every=thinning.every),
        converting,
    )
    told = replace(thinning, verify=converting.verify)
    record = thin.leave(folder, item.name, volume, kept, told)
    return replace(record, decisions=(*found.decisions, *decisions, *record.decisions))
