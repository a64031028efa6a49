"""The command about the readers' categories: readings."""

from typing import TYPE_CHECKING

import click

from mosmedcli.options import EXISTING_FILE, Session, session_options, setting
from mosmedcli.terminal import print_json, printable
from pipelines.core.select_settings import SelectSettings

if TYPE_CHECKING:
    from rich.table import Table

    from pipelines.core.agreement import Kappa, ReaderPair
    from pipelines.readers import ReadersReport

TABLES_SHOWN = 3


@click.command()
@setting("--readings", SelectSettings, "readings", multiple=True, type=EXISTING_FILE)
@session_options
def readings(session: Session) -> None:
    """Show how far the readers agree, and what is left to decide.

    The final category of a study is the one its readers agree on, else the expert's word, else
    none. Where readers differ, private/disagreements.xlsx lists the studies: have an expert fill
    in that column, add the file to `readings`, and select again. Weighted kappa is given with
    its 95 % confidence interval.

    \b
    Examples:
      mosmed readings -w lungs
      mosmed readings -w lungs --readings readings.xlsx --readings decided.xlsx
    """
    from pipelines.core.identity import Pseudonyms
    from pipelines.io.keys import read_key
    from pipelines.readers import WORKBOOK_NAME, report_readers

    work = session.look()
    place = None if session.dry_run else work.workspace.private / WORKBOOK_NAME
    assert work.settings.anonymize.key is not None
    names = Pseudonyms(read_key(work.settings.anonymize.key))
    report = report_readers(work.settings.select, names, workbook=place)
    if session.as_json:
        print_json(report)
        return
    _show(report)


def _show(report: "ReadersReport") -> None:
    from mosmedcli import show

    out = show.console()
    out.print(f"{report.studies} studies, {len(report.readings_of)} readers")
    for title, cells in report.unreadable.items():
        said = f"{title}: {cells} readings could not be read, or contradict one another"
        out.print(printable(said))
    rules = show.new_table("category by", "studies")
    for rule, count in report.by_rule.items():
        rules.add_row(rule, str(count))
    out.print(rules)
    pairs = show.new_table(
        "first", "second", "studies", "agreed", "linear kappa", "quadratic kappa"
    )
    for pair in report.pairs:
        share = f"{pair.agreed} ({100 * pair.agreed / pair.studies:.0f} %)"
        kappas = _kappa(pair.linear), _kappa(pair.quadratic)
        pairs.add_row(pair.first, pair.second, str(pair.studies), share, *kappas)
    out.print(pairs)
    for pair in report.pairs[:TABLES_SHOWN]:
        out.print(_matrix(pair))
    if report.workbook is not None:
        out.print(f"{report.undecided} studies to decide, listed in {report.workbook}")


def _kappa(kappa: "Kappa | None") -> str:
    if kappa is None:
        return "not defined"
    return f"{kappa.value:.3f} ({kappa.low:.3f} .. {kappa.high:.3f})"


def _matrix(pair: "ReaderPair") -> "Table":
    from mosmedcli import show
    from pipelines.core.agreement import CATEGORIES

    table = show.new_table(f"{pair.first} \\ {pair.second}", *CATEGORIES)
    for category, row in zip(CATEGORIES, pair.counts, strict=True):
        table.add_row(category, *(str(count or "·") for count in row))
    return table
