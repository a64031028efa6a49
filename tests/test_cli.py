"""Whole commands through the command line: help, errors, settings, exit statuses."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from mosmedcli.main import main
from pipelines.chain import STAGE_NAMES

HEAVY = ("pydicom", "SimpleITK", "nibabel", "pandas", "numpy", "deid", "imagecodecs", "rich")


def invoke(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.mark.parametrize("command", list(main.commands))
def test_every_command_has_help_with_an_example(command):
    result = invoke(command, "--help")

    assert result.exit_code == 0
    assert f"mosmed {command} " in result.output
    assert "Example" in result.output


def test_the_commands_are_listed_in_the_order_of_their_use():
    names = [name for name in main.list_commands(None) if name in STAGE_NAMES]

    assert tuple(names) == STAGE_NAMES


def test_help_loads_no_heavy_library():
    code = (
        "import sys\nfrom mosmedcli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stderr.strip() == "[]"


def test_a_command_outside_a_workspace_says_how_to_make_one(tmp_path):
    result = invoke("status", "-w", tmp_path)

    assert result.exit_code == 1
    assert "no mosmed.toml here" in result.output
    assert "mosmed init" in result.output
