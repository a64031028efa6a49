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
from tests.workspaces import mosmed

CELLS = st.text(alphabet="ab ", max_size=30)


@given(lines=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1), available=st.integers(1, 100))
def test_columns_fill_the_window_and_hold_every_word(lines, available):
    widths = column_widths(lines, available)

    if widths:
        assert sum(widths) + GAP * 2 == available
        for line in lines:
            for cell, width in zip(line, widths, strict=True):
                assert all(len(word) <= width for word in cell.split())


def test_no_keyword_is_broken_on_80_columns(tmp_path):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    command = [sys.executable, "-m", "mosmedcli", "explain"]
    with subprocess.Popen(command, stdout=theirs, cwd=tmp_path, env=environment) as process:
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(ours, 1 << 16):
                seen += part
        except OSError:  # how Linux ends a terminal that nobody writes to any more
            pass
        os.close(ours)

    assert process.returncode == 0
    text = seen.decode()
    assert max(map(len, text.splitlines())) <= 80
    keywords = {row["keyword"] for row in json.loads(mosmed("explain", "--json").stdout)}
    long_words = set(re.findall(r"\b[A-Z][A-Za-z]{17,}\b", text))
    assert "PatientDeathDateInAlternativeCalendar" in long_words
    assert long_words <= keywords
