"""A RIS is a table, wherever it lies: the same rows give the same draw, and nothing is written."""

import csv
import sqlite3
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from pipelines.core.errors import MosmedError, PeerError, SettingsError
from pipelines.core.identity import Pseudonyms
from pipelines.core.select_settings import SelectSettings
from pipelines.peers import ris
from pipelines.select import draw
from tests.servers import PASSWORD, postgresql
from tests.workspaces import SAMPLE, mosmed

COLUMNS = ("accession_number", "study_instance_uid", "patient_id", "patient_name", "patient_sex",
           "patient_birth_date", "study_date", "modality", "expected_instances")  # fmt: skip
RULES = ("identified", "modality", "window", "age", "one_study_per_patient")
FIRST = date(2020, 2, 25)


def studies(count: int = 120) -> list[tuple]:
    """Rows as a hospital has them: repeated patients, children, other modalities and days."""
    return [
        (
            f"00{number}", f"1.2.643.{number}", f"{number % 90:05d}", f"Ёлкин{number % 90}^Пётр",
            "MF"[number % 2], date(1930 + number % 89, 3, 1), FIRST + timedelta(days=number % 64),
            "MR" if number % 7 == 0 else "CT", 100 + number,
        )
        for number in range(1, count + 1)
    ]  # fmt: skip


def as_text(row: tuple) -> list[str]:
    return [str(value) for value in row]


@pytest.fixture(scope="session")
def database():
    """A PostgreSQL that holds the studies."""
    import sqlalchemy

    with postgresql() as address:
        url = sqlalchemy.make_url(address).set(drivername="postgresql+psycopg", password=PASSWORD)
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
        table = sqlalchemy.Table(
            "ct", sqlalchemy.MetaData(),
            *(sqlalchemy.Column(name, sqlalchemy.Text) for name in COLUMNS[:5]),
            sqlalchemy.Column("patient_birth_date", sqlalchemy.Date),
            sqlalchemy.Column("study_date", sqlalchemy.DateTime),
            sqlalchemy.Column("modality", sqlalchemy.Text),
            sqlalchemy.Column("expected_instances", sqlalchemy.Numeric),
        )  # fmt: skip
        with engine.begin() as connection:
            table.create(connection)
            connection.execute(
                table.insert(), [dict(zip(COLUMNS, row, strict=True)) for row in studies()]
            )
        yield address


@pytest.fixture
def places(tmp_path) -> dict[str, Path | str]:
    """The same studies in two files and a database file."""
    rows = studies()
    with (tmp_path / "ris.csv").open("w", encoding="cp1251", newline="") as file:
        csv.writer(file, delimiter=";").writerows([COLUMNS, *map(as_text, rows)])
    book = openpyxl.Workbook()
    for row in [COLUMNS, *rows]:
        book.active.append(row)
    book.save(tmp_path / "ris.xlsx")
    with sqlite3.connect(tmp_path / "ris.db") as connection:
        connection.execute(f"CREATE TABLE ct ({', '.join(COLUMNS)})")
        marks = ", ".join("?" * len(COLUMNS))
        connection.executemany(f"INSERT INTO ct VALUES ({marks})", map(as_text, rows))
    connection.close()
    return {
        "csv": tmp_path / "ris.csv",
        "xlsx": tmp_path / "ris.xlsx",
        "sqlite": f"sqlite:///{tmp_path / 'ris.db'}",
    }


def settings_for(place, **changes) -> SelectSettings:
    asked = {"query": "SELECT * FROM ct"} if isinstance(place, str) else {}
    given = {"ris": place, "rules": RULES, "studies": 10, "reserves": 5} | asked | changes
    return SelectSettings(**given)


def candidates_of(place, **changes):
    limits = settings_for(place, **changes)
    source = ris.open_ris(limits)
    drawn = draw(source.rows(), limits, Pseudonyms(b"key of the tests"))
    assert not source.unreadable
    return drawn.candidates


def failure(place, **changes) -> MosmedError:
    with pytest.raises(MosmedError) as caught:
        list(ris.open_ris(settings_for(place, **changes)).rows())
    assert caught.value.hint
    return caught.value


# --- the same draw


@pytest.mark.parametrize("kind", ["xlsx", "sqlite"])
def test_the_same_rows_give_the_same_draw_wherever_they_lie(places, kind):
    expected = candidates_of(places["csv"])

    assert len(expected) == 15
    assert candidates_of(places[kind]) == expected


def test_postgresql_gives_the_same_draw_in_any_order_of_its_rows(places, database, monkeypatch):
    monkeypatch.setenv("MOSMED_RIS_PASSWORD", PASSWORD)
    expected = candidates_of(places["csv"])

    assert candidates_of(database) == expected
    for order in ("patient_name", "expected_instances DESC"):
        assert candidates_of(database, query=f"SELECT * FROM ct ORDER BY {order}") == expected


def test_a_query_names_the_columns_and_the_mapping_the_rest(places):
    query = "SELECT accession_number AS nr, patient_id pid, modality, study_date, 47 age FROM ct"

    source = ris.open_ris(
        settings_for(places["sqlite"], query=query, columns={"accession_number": "nr"})
    )

    row = next(source.rows())
    assert (row.accession_number, row.patient_id, row.patient_age_years) == ("001", "00001", 47)


def test_a_value_of_a_database_is_what_a_cell_would_be(database, monkeypatch):
    monkeypatch.setenv("MOSMED_RIS_PASSWORD", PASSWORD)
    query = """
        -- a like with a percent sign, a time with a colon, and numbers beyond 15 digits
        SELECT 12345678901234567890 AS accession_number, 'x'::bytea AS patient_id, true AS pregnant,
               TIMESTAMP '2020-03-01 10:15' AS study_date, NULL AS modality, 97.5::numeric AS spo2,
               '1.2.3' AS study_instance_uid
        WHERE 'a:b' LIKE '%:%'
    """

    [row] = ris.open_ris(settings_for(database, query=query, rules=("identified",))).rows()

    assert row.accession_number == "12345678901234567890"
    assert (row.patient_id, row.is_pregnant, row.modality) == ("x", True, None)
    assert (row.study_date, row.spo2_percent) == (date(2020, 3, 1), 97.5)


# --- only reading


@pytest.mark.parametrize(
    "query",
    ["DELETE FROM ct", "DROP TABLE ct", "/* SELECT */ UPDATE ct SET modality = 'CT'", "; SELECT 1"],
)
def test_what_is_no_question_is_refused(places, query):
    assert "SELECT" in failure(places["sqlite"], query=query).message


def test_a_question_that_would_change_something_is_refused_by_the_database(database, monkeypatch):
    monkeypatch.setenv("MOSMED_RIS_PASSWORD", PASSWORD)

    error = failure(
        database,
        query="WITH gone AS (DELETE FROM ct RETURNING *) SELECT * FROM gone",
    )

    assert isinstance(error, PeerError)
    assert len(candidates_of(database)) == 15


def test_a_database_file_that_is_not_there_is_not_made(tmp_path):
    error = failure(f"sqlite:///{tmp_path}/none.db")

    assert "none.db" in error.message
    assert list(tmp_path.iterdir()) == []


def test_one_snapshot_is_read_though_rows_come_meanwhile(database, monkeypatch):
    import sqlalchemy

    monkeypatch.setenv("MOSMED_RIS_PASSWORD", PASSWORD)
    url = sqlalchemy.make_url(database).set(drivername="postgresql+psycopg", password=PASSWORD)
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    with engine.begin() as other:
        other.exec_driver_sql("CREATE TABLE live AS SELECT * FROM ct")
    query = "SELECT live.* FROM live CROSS JOIN generate_series(1, 100)"
    rows = ris.open_ris(settings_for(database, query=query, rules=("identified",))).rows()

    next(rows)
    with engine.begin() as other:
        other.exec_driver_sql("INSERT INTO live SELECT * FROM ct")

    assert 1 + sum(1 for _ in rows) == 100 * len(studies())


# --- passwords stay where they are


@pytest.mark.parametrize(
    "address",
    ["postgresql://reader:hunter2@db/ris", "postgresql://db/ris?user=x&password=hunter2",
     "https://pacs/qido?token=hunter2"],
)  # fmt: skip
def test_a_password_in_an_address_is_refused_and_not_repeated(address, tmp_path):
    refused = mosmed("init", tmp_path / "w", "--ris", address)

    assert refused.exit_code == 2
    assert "MOSMED_RIS_PASSWORD" in refused.output
    assert "hunter2" not in refused.output
    assert not (tmp_path / "w").exists()


def test_a_wrong_password_is_told_without_it(database, monkeypatch):
    monkeypatch.setenv("MOSMED_RIS_PASSWORD", "not-the-one")

    error = failure(database)

    assert "password" in error.message
    assert "MOSMED_RIS_PASSWORD" in error.hint
    assert "not-the-one" not in f"{error.message}{error.hint}"


def test_no_file_of_a_workspace_holds_the_password(database, monkeypatch, tmp_path):
    monkeypatch.setenv("MOSMED_RIS_PASSWORD", PASSWORD)
    root = tmp_path / "w"
    assert mosmed("init", root, "--ris", database, "--query", "SELECT * FROM ct",
                  "--pacs", SAMPLE / "pacs").exit_code == 0  # fmt: skip
    with (root / "mosmed.toml").open("a") as file:
        file.write("")
    text = (root / "mosmed.toml").read_text()
    (root / "mosmed.toml").write_text(text.replace("# rules = ", f"rules = {list(RULES)} #"))

    drawn = mosmed("select", "-w", root)

    assert drawn.exit_code == 3, drawn.output  # 60 of the 1110 that were asked for
    for path in filter(Path.is_file, root.rglob("*")):
        assert PASSWORD.encode() not in path.read_bytes()
    assert PASSWORD not in drawn.output


# --- what goes wrong


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "There is: ct"),
        ("SELECT * FROM cts", "no such table: cts"),
        ("SELECT nr FROM ct", "nr"),
    ],
)
def test_a_query_that_cannot_be_answered_says_what_there_is(places, query, said):
    error = failure(places["sqlite"], query=query)

    assert said in f"{error.message} {error.hint}"


def test_a_rule_without_a_column_names_the_one_that_is_most_like_it(places):
    error = failure(
        places["sqlite"], query="SELECT accession_number, patient_id, 'x' AS mdality FROM ct"
    )

    assert isinstance(error, SettingsError)
    assert '"mdality"' in error.hint


def test_a_column_given_twice_is_named(places):
    query = "SELECT modality, accession_number, modality FROM ct"

    assert "modality" in failure(places["sqlite"], query=query).message


def test_a_server_that_is_not_there_is_told_with_the_next_step():
    error = failure("postgresql://reader@127.0.0.1:1/ris")

    assert "cannot be reached" in error.message
    assert "reader" not in error.message.partition(": the database")[0]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("oracle://h/db", "pip install"),
        ("nosuch://h/db", "postgresql://"),
        ("mssql+pyodbc://h/db", "pip install"),
    ],
)
def test_a_driver_that_is_missing_is_named(address, said):
    assert said in failure(address).hint


def test_without_the_extra_it_is_named(places, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sqlalchemy", None)

    assert ".[sql]" in failure(places["sqlite"]).hint


def test_what_a_database_says_of_a_row_is_not_repeated(database, monkeypatch):
    monkeypatch.setenv("MOSMED_RIS_PASSWORD", PASSWORD)

    error = failure(
        database, query="SELECT CAST(patient_name AS integer) AS accession_number FROM ct"
    )

    assert "Ёлкин" not in f"{error.message} {error.hint}"


def test_a_number_and_a_time_are_as_a_spreadsheet_would_hold_them():
    from pipelines.io.sql import _cell

    noon = datetime(2020, 3, 1, 12)  # noqa: DTZ001
    given = [None, Decimal("12.0"), Decimal("12.5"), noon, True, b"ab", b"\xff", 7]

    assert [_cell(value) for value in given] == [
        None, "12", "12.5", noon, "TRUE", "ab", "\\xff", "7",
    ]  # fmt: skip
