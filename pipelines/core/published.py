"""The records of a whole dataset: its registry, and what the ledgers tell of it in counts."""

from dataclasses import dataclass

from pipelines.core.model import STAGE_NAMES, Category, Excluded


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryRow:
    """One row of the published registry, and the pseudonym it had until then."""

    study_id: int
    public_id: str
    category: Category
    study_file: str
    mask_file: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The published dataset: its rows in order, and the studies a rule left out at the end."""

    rows: tuple[RegistryRow, ...]
    excluded: tuple[Excluded, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """So many rows of the RIS, or studies, that left at one stage by one rule or fault."""

    stage: str
    code: str
    count: int
    is_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """From the rows of the RIS to the studies that came through, in counts alone.

    `losses` stand in the order of the stages; those of `select` take `rows` to `eligible`, the
    others take the `opened` studies to those that came through and those still `pending`.
    Eligible studies that were never opened are reserves.
    """

    rows: int
    losses: tuple[Loss, ...]
    eligible: int
    opened: int
    pending: int
    came_through: int

    @property
    def is_conserved(self) -> bool:
        """Whether nothing is lost without a loss that says so."""
        lost = [loss.count for loss in self.losses if loss.stage == STAGE_NAMES[0]]
        fell = [loss.count for loss in self.losses if loss.stage != STAGE_NAMES[0]]
        return (
            self.rows == self.eligible + sum(lost)
            and self.opened == self.came_through + self.pending + sum(fell)
            and self.opened <= self.eligible
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deidentification:
    """What was done to take the identity away, in counts alone, and under which rules.

    `profile` holds codes and meanings (PS3.16 CID 7050), `loosened` the keywords kept beyond it,
    `elements` how many elements met each action in so many `objects`. `values_sought` are looked
    for in every byte of the dataset, which is published only where none is found.
    """

    profile: tuple[tuple[str, str], ...]
    loosened: tuple[str, ...]
    objects: int
    elements: tuple[tuple[str, int], ...]
    values_sought: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What the ledgers tell of a dataset beyond its studies: nothing in it is about one person."""

    flow: Flow
    deidentification: Deidentification
    versions: tuple[tuple[str, str], ...]
