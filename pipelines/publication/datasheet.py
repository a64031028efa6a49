"""`DATASHEET.md`: the questions of Gebru et al. (Datasheets for Datasets, 2021, 3.1-3.7).

What the records and the settings know is answered; what only the owner of the dataset knows can be
answered under `answers` in [registry]; what is left is listed, so that nobody takes it for said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from pipelines.core.errors import SettingsError
from pipelines.core.registry_settings import RegistrySettings
from pipelines.core.spelling import did_you_mean
from pipelines.publication.answers import answers_of
from pipelines.publication.imprint import Imprint
from pipelines.publication.markdown import escaped
from pipelines.publication.readme import Described

DATASHEET_NAME = "DATASHEET.md"


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the datasheet, under its section and with the key of its answer."""

    section: str
    key: str
    text: str


def questions() -> tuple[Question, ...]:
    """The questions in their order, as `datasheet.txt` beside this file has them."""
    section, found = "", []
    text = (files(__package__) / "datasheet.txt").read_bytes().decode("utf-8")
    for line in filter(None, text.splitlines()):
        if line.startswith("# "):
            section = line.removeprefix("# ")
        else:
            key, _, question = line.partition(": ")
            found.append(Question(section, key, question))
    return tuple(found)


def checked_answers(settings: RegistrySettings) -> Mapping[str, str]:
    """The owner's own answers by key.

    Raises SettingsError for a key of no question.
    """
    keys = [question.key for question in questions()]
    for key in settings.answers:
        if key not in keys:
            raise SettingsError(
                f"answers under [registry]: there is no question {key[:60]!r}",
                hint=f"{did_you_mean(key, keys)}DATASHEET.md names the key of each question.",
            )
    return {key: text for key, text in settings.answers.items() if text.strip()}


def datasheet_text(described: Described, imprint: Imprint, settings: RegistrySettings) -> str:
    """The datasheet as GitHub Markdown with LF line ends."""
    own = {key: escaped(text) for key, text in checked_answers(settings).items()}
    answers = answers_of(described, imprint, settings) | own
    asked = questions()
    answered = [question for question in asked if answers.get(question.key)]
    left = [question for question in asked if not answers.get(question.key)]
    lines = [
        f"# Datasheet: {escaped(imprint.full_title)}",
        "",
        "The questions are those of Gebru et al., *Datasheets for Datasets*, Communications of the "
        "ACM 2021;64(12):86–92 ([arXiv:1803.09010](https://arxiv.org/abs/1803.09010)). "
        f"Answered: {len(answered)} of {len(asked)}.",
    ]
    section = ""
    for question in answered:
        if question.section != section:
            section = question.section
            lines += ["", f"## {section}"]
        lines += ["", f"**{question.text}**", "", answers[question.key]]
    return "\n".join([*lines, *_unanswered(left), ""])


def _unanswered(left: list[Question]) -> list[str]:
    if not left:
        return []
    return [
        "",
        "## Not answered",
        "",
        "Nobody has answered these questions. The key stands before each; "
        'an answer is given as `answers = { key = "…" }` under `[registry]` in `mosmed.toml`.',
        "",
        *(f"- `{question.key}` {question.text}" for question in left),
    ]
