"""Which category a study has, of what its readers say: a pure rule.

Every study of the paper was read at least twice, and the word of the centre's radiologist was
final. So: where two readers or more agree, that is the category; where they do not, an expert
decides; where no expert has, nobody guesses.
"""

from collections.abc import Sequence

from pipelines.core.model import Category, Reading

AGREED = "all readers agree"
BY_EXPERT = "the expert's word"
ONE_READER = "one reader alone, and no expert"
READERS_DIFFER = "the readers differ, and no expert has decided"
EXPERTS_DIFFER = "the experts differ"
LEAST_READERS = 2


def final_category(readings: Sequence[Reading]) -> tuple[Category | None, str]:
    """The final category of a study that was read, and by which rule; None and why not."""
    of_readers = {reading.category for reading in readings if not reading.is_expert}
    of_experts = {reading.category for reading in readings if reading.is_expert}
    readers = sum(not reading.is_expert for reading in readings)
    if readers >= LEAST_READERS and len(of_readers) == 1:
        return of_readers.pop(), AGREED
    if len(of_experts) == 1:
        return of_experts.pop(), BY_EXPERT
    if of_experts:
        return None, EXPERTS_DIFFER
    return None, ONE_READER if readers < LEAST_READERS else READERS_DIFFER


def told(readings: Sequence[Reading]) -> str:
    """The readings in one line, by pseudonym: `R-0A1B2C CT-1, R-3D4E5F (expert) CT-2`."""
    return ", ".join(
        f"{reading.reader}{' (expert)' * reading.is_expert} {reading.category}"
        for reading in readings
    )
