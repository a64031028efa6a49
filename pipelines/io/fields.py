"""The attributes of a pydicom data set as `pipelines.core.fields` reads them."""

from pydicom import Dataset
from pydicom.multival import MultiValue

from pipelines.core.fields import Fields
from pipelines.io.dicom import faults_of


def fields_of(dataset: Dataset, name: str) -> Fields:
    """The attributes of a data set; `name` is the file's, for the errors."""

    def texts(keyword: str) -> tuple[str, ...]:
        with faults_of(name):
            try:
                value = dataset.get(keyword)
            except (ValueError, TypeError, OverflowError, LookupError) as error:
                raise fields.bad(keyword, "cannot be read") from error
        if value is None:
            return ()
        values = value if isinstance(value, MultiValue | list | tuple) else [value]
        return tuple(text for text in (str(one).strip(" \0") for one in values) if text)

    fields = Fields(texts, name)
    return fields
