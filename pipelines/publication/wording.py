"""The words of the README that depend on what the dataset holds, in English and in Russian.

Both languages have the same keys and the same places to fill in; numbers stand in tables or after
a colon, so that no Russian noun has to be declined after one.
"""

from pipelines.publication.language import Language

_EN = {
    "property": "Property",
    "value": "Value",
    "page": "page {number} of {pages}",
    "title": "Dataset Title",
    "code": "Internal Code",
    "annotation_class": "Annotation Class",
    "keywords": "Keywords",
    "keywords_value": "computed tomography, chest, lungs, COVID-19, pneumonia, severity",
    "language": "Language",
    "language_value": "English, Russian",
    "funding": "Funding Sources",
    "version": "Dataset Version",
    "link": "Permanent link",
    "release_date": "Release Date",
    "contact": "Contact: {contact}",
    "holder": "Rights holder: {holder}",
    "no_holder": "No rights holder is named.",
    "masks_some": "Some of the studies come with a binary pixel mask of these changes.",
    "masks_all": "Each study comes with a binary pixel mask of these changes.",
    "masks_none": "",
    "studies": "Number of studies",
    "patients": "Number of unique patients",
    "sexes": "Sex: male / female / other or unknown, %",
    "ages": "Age: min. / median / max., years",
    "unknown_ages": "Number of studies without a known age",
    "masks": "Number of studies with a pixel mask (Class A)",
    "categories": "Number of studies in CT-0 / CT-1 / CT-2 / CT-3 / CT-4 (Class C)",
    "slices": "Slices in a study: min. / median / max.",
    "slices_before": "Slices in a study before thinning: min. / median / max.",
    "steps": "Slice step, mm",
    "pixels": "Pixel size: min. / median / max., mm",
    "matrices": "Matrix, pixels",
    "in_studies": "{value} (studies: {studies})",
    "kept_all": "Every slice was kept.",
    "kept_multiples": (
        "Only the slices whose InstanceNumber (0020,0013) is a multiple of {every} were kept."
    ),
    "kept_remainder": (
        "Only the slices whose InstanceNumber (0020,0013) leaves a remainder of {remainder} "
        "when divided by {every} were kept."
    ),
    "kept_position": (
        "About 1 slice in {one_of} was kept, counted by position along the axis of the volume."
    ),
    "kept_others": (
        "Studies whose slices are not numbered evenly are the exception (there are {others} among "
        "{studies}): their slices were counted by position along the axis."
    ),
    "difference_number": (
        "The paper on that dataset says that 1 image of 10 was kept, its README that "
        "InstanceNumber decided which; where the two differ, the README is followed here."
    ),
    "difference_position": (
        "The README of that dataset counts slices by InstanceNumber; here they are counted by "
        "position."
    ),
    "difference_all": "Of that dataset 1 image of 10 was kept; here all of them are.",
    "category": "Category",
    "severity": "Severity",
    "involvement": "Lung parenchyma involved",
    "findings": "CT findings",
    "category_studies": "Studies",
    "category_share": "Share, %",
    "category_masks": "Masks",
    "CT-0": "zero | none | no sign of pneumonia",
    "CT-1": "mild | ≤ 25 % | ground-glass, with or without consolidation; crazy paving",
    "CT-2": "moderate | 25–50 % | ground-glass, with or without consolidation; crazy paving",
    "CT-3": (
        "severe | 50–75 % | ground-glass, consolidation, crazy paving; "
        "the volume of lesions grows by 50 % in 24–48 hours"
    ),
    "CT-4": (
        "critical | ≥ 75 % | diffuse ground-glass, consolidation, crazy paving; pleural effusion"
    ),
    "mask_principles": (
        "A mask lies on the grid of its volume: same shape, same affine. A voxel is 1 where it is "
        "marked and 0 elsewhere. As in MosMedData, ground-glass, consolidation, and changes of "
        "small vessels and bronchioles are marked; large vessels and bronchi, normal parenchyma, "
        "motion artefacts, changes due to gravity, calcifications and pleural fluid are not."
    ),
    "no_masks": "No study of this dataset has a pixel mask; the folder `masks` is empty.",
    "years": "years",
    "mm": "mm",
    "ml": "ml",
    "kV": "kV",
    "mGy·cm": "mGy·cm",
    "mSv": "mSv",
    "column": "Column",
    "unit": "Unit",
    "meaning": "Meaning",
    "splits": (
        "The column `split` says what a study is for ({counts}). Patients were drawn by a hash, "
        "each category by itself, and a patient is in one split with all studies."
    ),
    "no_splits": "The dataset comes without a division into training and test data.",
    "k_anonymity": (
        "Nobody may stand out by what others may know: each combination of sex, age band and "
        "scanner in the table is shared by at least {k} patients. Where it would not be, the "
        "scanner is hidden, then the age band, then the sex, and `*` stands for what is hidden. "
        "Hidden here, of {studies} studies: scanner {scanner}, age band {age_band}, sex {sex}."
    ),
    "k_is_1": "No combination of sex, age band and scanner is hidden in the table.",
    "nobody_told": "The table tells neither sex nor age nor scanner.",
    "licence": (
        "The dataset is licensed under [{title} ({short})]({link}). The full text is in the file "
        "`LICENSE`; it alone is binding, the list below is a summary."
    ),
    "credit": "Give credit: name the dataset and its licence.",
    "changes": "Say what you changed.",
    "non-commercial": "Do not use it commercially.",
    "no-derivatives": "Do not share modified versions.",
    "share-alike": "Share modified versions under the same licence only.",
    "no_terms": "Use it for any purpose; no conditions apply.",
    "citation_version": "Version {version}",
    "distribution": (
        "Pass the dataset on together with the file `LICENSE` and both README files, and keep its "
        "folders as they are: the paths in the registry count on them."
    ),
}

_RU = {
    "property": "Показатель",
    "value": "Значение",
    "page": "страница {number} из {pages}",
    "title": "Название набора данных",
    "code": "Внутренний код",
    "annotation_class": "Класс разметки",
    "keywords": "Ключевые слова",
    "keywords_value": (
        "компьютерная томография, органы грудной клетки, лёгкие, COVID-19, пневмония, "
        "степень тяжести"
    ),
    "language": "Язык",
    "language_value": "английский, русский",
    "funding": "Источники финансирования",
    "version": "Версия набора данных",
    "link": "Постоянная ссылка",
    "release_date": "Дата публикации",
    "contact": "Связь: {contact}",
    "holder": "Правообладатель: {holder}",
    "no_holder": "Правообладатель не указан.",
    "masks_some": "К части исследований приложены бинарные попиксельные маски этих изменений.",
    "masks_all": "К каждому исследованию приложена бинарная попиксельная маска этих изменений.",
    "masks_none": "",
    "studies": "Число исследований",
    "patients": "Число уникальных пациентов",
    "sexes": "Пол: мужской / женский / другой или неизвестен, %",
    "ages": "Возраст: мин. / медиана / макс., лет",
    "unknown_ages": "Число исследований, для которых возраст неизвестен",
    "masks": "Число исследований с попиксельной маской (класс A)",
    "categories": "Число исследований в категориях CT-0 / CT-1 / CT-2 / CT-3 / CT-4 (класс C)",
    "slices": "Число срезов в исследовании: мин. / медиана / макс.",
    "slices_before": "Число срезов в исследовании до прореживания: мин. / медиана / макс.",
    "steps": "Шаг между срезами, мм",
    "pixels": "Размер пикселя: мин. / медиана / макс., мм",
    "matrices": "Матрица, пиксели",
    "in_studies": "{value} (исследований: {studies})",
    "kept_all": "Сохранены все срезы.",
    "kept_multiples": (
        "Сохранены только те срезы, у которых InstanceNumber (0020,0013) кратен {every}."
    ),
    "kept_remainder": (
        "Сохранены только те срезы, у которых InstanceNumber (0020,0013) при делении на {every} "
        "даёт остаток {remainder}."
    ),
    "kept_position": (
        "Сохранён примерно 1 срез из {one_of}; срезы отсчитаны по положению вдоль оси объёма."
    ),
    "kept_others": (
        "Исключение — исследования с неравномерной нумерацией срезов (таких {others} из "
        "{studies}): в них срезы отсчитаны по положению вдоль оси."
    ),
    "difference_number": (
        "В статье об этом наборе сказано, что сохранено 1 изображение из 10, а в README — что "
        "сохраняемые изображения определял InstanceNumber; там, где они расходятся, здесь за "
        "основу взят README."
    ),
    "difference_position": (
        "В README того набора срезы отсчитываются по InstanceNumber, здесь — по положению."
    ),
    "difference_all": "В том наборе сохранено 1 изображение из 10, здесь — все.",
    "category": "Категория",
    "severity": "Тяжесть",
    "involvement": "Поражение паренхимы лёгких",
    "findings": "КТ-признаки",
    "category_studies": "Исследования",
    "category_share": "Доля, %",
    "category_masks": "Маски",
    "CT-0": "нулевая | нет | признаков пневмонии нет",
    "CT-1": "лёгкая | ≤ 25 % | «матовое стекло» с консолидацией или без неё; «булыжная мостовая»",
    "CT-2": (
        "среднетяжёлая | 25–50 % | «матовое стекло» с консолидацией или без неё; "
        "«булыжная мостовая»"
    ),
    "CT-3": (
        "тяжёлая | 50–75 % | «матовое стекло», консолидация, «булыжная мостовая»; "
        "объём поражения растёт на 50 % за 24–48 часов"
    ),
    "CT-4": (
        "критическая | ≥ 75 % | диффузное «матовое стекло», консолидация, «булыжная мостовая»; "
        "плевральный выпот"
    ),
    "mask_principles": (
        "Маска лежит на сетке своего объёма: размеры и аффинная матрица совпадают. Отмеченный "
        "воксель имеет значение 1, остальные — 0. Как и в MosMedData, отмечены «матовое стекло», "
        "консолидация, изменения мелких сосудов и бронхиол; не отмечены крупные сосуды и бронхи, "
        "неизменённая паренхима, артефакты движения, гравитационные изменения, кальцинаты и "
        "плевральная жидкость."
    ),
    "no_masks": "Попиксельных масок в этом наборе данных нет; папка `masks` пуста.",
    "years": "лет",
    "mm": "мм",
    "ml": "мл",
    "kV": "кВ",
    "mGy·cm": "мГр·см",
    "mSv": "мЗв",
    "column": "Столбец",
    "unit": "Единица",
    "meaning": "Значение",
    "splits": (
        "Столбец `split` указывает назначение исследования ({counts}). Пациенты распределены по "
        "хеш-значению отдельно в каждой категории; все исследования пациента — в одной части."
    ),
    "no_splits": "Деление на обучающую и контрольную части не предусмотрено.",
    "k_anonymity": (
        "Чтобы никого нельзя было узнать по сведениям, известным окружающим, каждое сочетание "
        "пола, возрастной группы и аппарата в таблице встречается не менее чем у стольких "
        "пациентов: {k}. Иначе скрывается аппарат, затем возрастная группа, затем пол; скрытое "
        "обозначено знаком `*`. Всего исследований: {studies}; скрыто: аппарат — {scanner}, "
        "возрастная группа — {age_band}, пол — {sex}."
    ),
    "k_is_1": "Ни одно сочетание пола, возрастной группы и аппарата в таблице не скрыто.",
    "nobody_told": "В таблице нет ни пола, ни возраста, ни аппарата.",
    "licence": (
        "Набор данных распространяется на условиях лицензии [{title} ({short})]({link}). Полный "
        "текст — в файле `LICENSE`; юридическую силу имеет только он, ниже приведено краткое "
        "изложение."
    ),
    "credit": "Указывайте авторство: назовите набор данных и его лицензию.",
    "changes": "Сообщайте, что именно вы изменили.",
    "non-commercial": "Не используйте набор в коммерческих целях.",
    "no-derivatives": "Не распространяйте изменённые версии.",
    "share-alike": "Изменённые версии распространяйте только на условиях той же лицензии.",
    "no_terms": "Набор можно использовать в любых целях без каких-либо условий.",
    "citation_version": "Версия {version}",
    "distribution": (
        "Передавайте набор данных вместе с файлом `LICENSE` и обоими файлами README и сохраняйте "
        "структуру папок: на неё опираются пути в реестре."
    ),
}

ENGLISH = Language(code="en", decimal_mark=".", words=_EN)
RUSSIAN = Language(code="ru", decimal_mark=",", words=_RU)
LANGUAGES = (ENGLISH, RUSSIAN)
