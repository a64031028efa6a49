"""Which column of a RIS is which field of a row: by the titles, in English and in Russian."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import SequenceMatcher

from pipelines.core.errors import SettingsError
from pipelines.core.identity import RisRow
from pipelines.core.select_settings import SelectSettings
from pipelines.core.spelling import did_you_mean, fold, nearest
from pipelines.io.table_header import IsKnown
from pipelines.peers.ris_sources import Source

SYNONYMS: dict[str, str] = {
    "accession_number": "accession|accession no|accession №|acc no|acc number|номер исследования"
    "|номер доступа|номер протокола исследования",
    "study_instance_uid": "study uid|uid|uid исследования|уид исследования|study instance uid"
    "|уникальный идентификатор исследования",
    "issuer_of_patient_id": "issuer|patient id issuer|assigning authority|эмитент|эмитент id"
    "|эмитент id пациента|эмитент идентификатора|источник id пациента",
    "patient_id": "pid|mrn|medical record number|id пациента|идентификатор пациента|ид пациента"
    "|номер пациента|код пациента|номер карты|номер медицинской карты|номер амбулаторной карты",
    "patient_name": "patients name|name|full name|фио|фио пациента|пациент|имя пациента"
    "|фамилия имя отчество|фамилия имя отчество пациента",
    "patient_birth_date": "patients birth date|birth date|birthdate|birthday|date of birth|dob"
    "|patient date of birth|дата рождения|дата рождения пациента|др",
    "patient_sex": "patients sex|sex|gender|patient gender|пол|пол пациента",
    "patient_age_years": "patients age|patient age|age|age years|возраст|возраст пациента"
    "|возраст лет|возраст полных лет|полных лет",
    "study_date": "exam date|examination date|date of study|study datetime|study date time"
    "|дата исследования|дата и время исследования|дата время исследования|дата проведения"
    "|дата проведения исследования|дата выполнения|дата выполнения исследования",
    "modality": "study modality|modalities in study|модальность|модальность исследования",
    "body_part": "body part examined|body region|anatomical region|область исследования"
    "|область сканирования|исследуемая область|анатомическая область|зона исследования|часть тела",
    "is_pregnant": "pregnancy|pregnant|pregnancy status|беременность|беременна"
    "|наличие беременности|статус беременности",
    "spo2_percent": "spo2|saturation|oxygen saturation|сатурация|сатурация кислорода"
    "|сатурация spo2|spo2 до кт|сатурация до кт|насыщение кислородом|уровень сатурации",
    "payer": "payment source|source of payment|insurance|insurance type|coverage|источник оплаты"
    "|источник финансирования|вид оплаты|тип оплаты|вид финансирования|канал финансирования"
    "|плательщик",
    "referrer": "referring physician|referring physician name|referring physicians name"
    "|referred by|requesting physician"
    "|кем направлен|кем направлена|кто направил|направил|направивший врач|врач направивший"
    "|специальность направившего врача|должность направившего врача",
    "facility": "institution|institution name|hospital|clinic|medical organization|organization"
    "|медицинская организация|мо|лпу|учреждение|медицинское учреждение|наименование мо"
    "|организация|место проведения|мо проведения исследования",
    "category": "ct category|final category|ct grade|ct severity|категория|категория кт"
    "|категория кт итог|категория кт итоговая|кт категория|итоговая категория"
    "|итоговая категория кт|степень кт|степень тяжести кт",
    "expected_instances": "number of instances|number of images|images|image count|instances"
    "|number of study related instances|количество изображений|число изображений"
    "|кол во изображений|изображений|количество снимков|число снимков|кол во снимков",
}
"""Titles a column may bear, beside the name of the field itself; see `simplified`."""

NEEDS: dict[str, tuple[str, ...]] = {
    "identified": ("accession_number", "study_instance_uid"),
    "modality": ("modality",),
    "body_part": ("body_part",),
    "window": ("study_date",),
    "facility": ("facility",),
    "referrer": ("referrer",),
    "payer": ("payer",),
    "age": ("patient_age_years", "patient_birth_date"),
    "pregnancy": ("is_pregnant",),
    "spo2": ("spo2_percent",),
    "category": ("category",),
}
"""Of which columns a rule needs at least one, or it would leave out every row."""


UNREADABLE_TITLES = "If the titles cannot be read, save the table as 'CSV UTF-8'. "


def simplified(title: str) -> str:
    """A title without case, spaces, punctuation, ё and letters that only look like others."""
    spelled = unicodedata.normalize("NFKC", title.replace("№", " номер "))
    return "".join(filter(str.isalnum, fold(spelled)))


NOT_READ = {"row", "readings", "same_as"}
"""What a row gets from elsewhere: no column is taken for it."""

FIELDS = tuple(item.name for item in fields(RisRow) if item.name not in NOT_READ)
FIELD_OF = {
    simplified(title): name
    for name in FIELDS
    for title in (name, *SYNONYMS.get(name, "").split("|"))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """Which column is which: `titles` by field of RisRow, and the titles that are nothing.

    `read_as` is what was chosen to read the table so: an encoding, a sheet of several.
    """

    titles: Mapping[str, str]
    unrecognised: tuple[str, ...]
    read_as: str = ""


def title_known_to(settings: SelectSettings) -> IsKnown:
    """Tells whether a title is one of ours, or one that the settings name."""
    named = set(map(simplified, settings.columns.values()))

    def is_known(title: str) -> bool:
        return simplified(title) in FIELD_OF or simplified(title) in named

    return is_known


def recognised_in(source: Source, settings: SelectSettings) -> Recognised:
    """The columns that are recognised, and those that the settings name.

    Raises SettingsError for a field or a column that is not there, or a title of several columns.
    """
    columns = source.table.columns
    chosen = {
        _known_field(name): _known_title(source, name, title)
        for name, title in settings.columns.items()
    }
    titles = dict(chosen)
    for title in columns:
        name = FIELD_OF.get(simplified(title))
        if name is None or name in chosen or title in chosen.values():
            continue
        if name in titles:
            raise _ambiguous(source, name, titles[name], title)
        titles[name] = title
    return Recognised(
        titles={name: titles[name] for name in FIELDS if name in titles},
        unrecognised=tuple(title for title in columns if title not in titles.values()),
        read_as=source.table.read_as,
    )


def refuse_blind_rules(settings: SelectSettings, recognised: Recognised) -> None:
    """Raise SettingsError where a rule has no column to go by, and would leave out every row."""
    unknown = {"identified", "category", *settings.exclude_unknown}
    if settings.readings:
        unknown.discard("category")  # the readers' tables have it
    for rule in settings.rules:
        wanted = NEEDS.get(rule, ())
        if rule in unknown and wanted and not any(name in recognised.titles for name in wanted):
            near = _nearest(wanted[0], recognised.unrecognised)
            raise SettingsError(
                f"no column of the RIS is {' or '.join(wanted)}, which the rule '{rule}' needs",
                hint=(UNREADABLE_TITLES if _are_unreadable(recognised) else "")
                + f'Name it under [select] columns, e.g. {{ {wanted[0]} = "{near}" }}; '
                f"or take the rule out. Not recognised: {_listed(recognised.unrecognised)}.",
            )


def _are_unreadable(recognised: Recognised) -> bool:
    """Whether titles may have come in letters that are not theirs, or have lost them."""
    return not recognised.titles or any("??" in title for title in recognised.unrecognised)


def _known_field(name: str) -> str:
    if name not in FIELDS:
        raise SettingsError(
            f"[select] columns: there is no field '{name}'",
            hint=f"{did_you_mean(name, FIELDS)}The fields are {', '.join(FIELDS)}.",
        )
    return name


def _known_title(source: Source, name: str, title: str) -> str:
    columns = source.table.columns
    if title in columns:
        return title
    by_simple = {simplified(column): column for column in columns}
    if simplified(title) in by_simple:
        return by_simple[simplified(title)]
    near = nearest(simplified(title), by_simple)
    raise SettingsError(
        f"[select] columns: {name} = '{title}', but {source.name} has no such column",
        hint=(f"Did you mean `{by_simple[near]}`? " if near else "")
        + f"The columns are {_listed(columns)}.",
    )


def _ambiguous(source: Source, name: str, *titles: str) -> SettingsError:
    return SettingsError(
        f"{source.name}: several columns may be {name}: {_listed(titles)}",
        hint=f'Choose one under [select]: columns = {{ {name} = "{titles[-1]}" }}',
    )


def _nearest(name: str, titles: Sequence[str]) -> str:
    """The title that is most like one that is recognised as the field."""
    known = [simplified(each) for each in (name, *SYNONYMS[name].split("|"))]

    def likeness(title: str) -> float:
        return max(SequenceMatcher(None, each, simplified(title)).ratio() for each in known)

    return max(titles, key=likeness, default="...")


def _listed(titles: Iterable[str]) -> str:
    return ", ".join(f"'{title}'" for title in titles) or "none"
