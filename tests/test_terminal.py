"""What is laid out for a terminal: no word is broken, nothing is wider than the window."""

import json
import os
import pty
import re
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from mosmedcli.terminal import GAP, column_widths
from tests.workspaces import make_workspace, mosmed

CELLS = st.text(alphabet="ab ", max_size=30)


@given(lines=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1), available=st.integers(1, 100))
def test_columns_fill_the_window_and_hold_every_word(lines, available):
    widths = column_widths(lines, available)

    if widths:
        assert sum(widths) + GAP * 2 == available
        for line in lines:
            for cell, width in zip(line, widths, strict=True):
                assert all(len(word) <= width for word in cell.split())


def shown_on_a_terminal(*args, stream, cwd, **environment):
    """How a command ended, and what it wrote to `stream`, which is a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "mosmedcli", *map(str, args)],
        **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: theirs},
        cwd=cwd,
        env={**os.environ, "COLUMNS": "80", **environment},
    ) as process:
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(ours, 1 << 16):
                seen += part
        except OSError:  # how Linux ends a terminal that nobody writes to any more
            pass
        os.close(ours)
    return process.returncode, seen.decode()


def test_no_keyword_is_broken_on_80_columns(tmp_path):
    status, text = shown_on_a_terminal("explain", stream="stdout", cwd=tmp_path, TERM="dumb")

    assert status == 0
    assert max(map(len, text.splitlines())) <= 80
    keywords = {row["keyword"] for row in json.loads(mosmed("explain", "--json").stdout)}
    long_words = set(re.findall(r"\b[A-Z][A-Za-z]{17,}\b", text))
    assert "PatientDeathDateInAlternativeCalendar" in long_words
    assert long_words <= keywords


def test_a_run_is_shown_as_bars_and_what_falls_out_as_a_line(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "letter.txt").write_text("no CT")

    status, text = shown_on_a_terminal(
        "convert", "in", "out", stream="stderr", cwd=tmp_path, TERM="xterm"
    )

    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert status == 0
    assert plain.count("convert: other-files fell out: not_ct") == 1
    last = plain.splitlines()[-1]
    assert last.startswith("convert ")
    assert "1/1" in last
    assert "1 fell out" in last


def test_no_name_of_a_file_drives_the_terminal_that_shows_bars(tmp_path):
    folder = tmp_path / "in" / "\x1b[31mred"
    folder.mkdir(parents=True)
    (folder / "slice.dcm").write_bytes(bytes(128) + b"DICM" + bytes(40))

    _, text = shown_on_a_terminal(
        "convert", "in", "out", stream="stderr", cwd=tmp_path, TERM="xterm"
    )

    assert "\\x1b[31mred" in text
    assert "\x1b[31mred" not in text


def test_what_a_hospital_writes_is_neither_markup_nor_an_order_to_the_terminal(tmp_path):
    root = make_workspace(tmp_path / "w", studies=1)
    table = tmp_path / "readings.csv"
    table.write_text(
        "accession_number,A [/b] :warning: \x1b[31m,B\nMH1,CT-1,CT-1\nMH2,nonsense,CT-1\n"
    )

    result = mosmed("readings", "-w", root, "--readings", table)

    assert result.exit_code == 0, result.output
    assert "A [/b] :warning: \\x1b[31m: 1 readings could not be read" in result.output
