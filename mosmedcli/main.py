"""The command group, and the one place where an error becomes a message and an exit status."""

import os
import sys
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

import click

from mosmedcli.terminal import printable
from pipelines.core.errors import DISK_FULL, DISK_REFUSES, MosmedError

EXIT_INTERRUPTED = 130
HELP_WIDTH = 62

SECTIONS = {
    "A workspace": {"init": "dataset", "run": "dataset", "status": "dataset", "why": "dataset"},
    "The six steps one by one": {
        "select": "stages",
        "export": "stages",
        "anonymize": "anonymize",
        "convert": "volumes",
        "thin": "volumes",
        "build-registry": "stages",
    },
    "Quality": {
        "readings": "readings",
        "validate": "dataset",
        "prove": "privacy",
        "canary": "privacy",
        "explain": "privacy",
    },
    "For the owner alone": {"reidentify": "privacy", "forget": "privacy"},
    "To try it": {"sample": "dataset"},
}
"""What the commands are for, as `mosmed --help` lists them, and the modules they stand in."""

# Nothing here is linear algebra: the threads of the library cost more than all else at the start
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")


class Commands(Mapping[str, click.Command]):
    """The commands by name, in the order of their use; each is loaded when it is asked for."""

    modules: Mapping[str, str] = ChainMap(*SECTIONS.values())

    def __getitem__(self, name: str) -> click.Command:
        module = import_module(f"mosmedcli.{self.modules[name]}")
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command

    def __iter__(self) -> Iterator[str]:
        return (name for names in SECTIONS.values() for name in names)

    def __len__(self) -> int:
        return len(self.modules)


class Boundary(click.Group):
    """A group whose commands end in a sentence and a status, never in a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command; whatever it raises is said on stderr."""
        if isinstance(sys.stdout, TextIOWrapper):  # what a terminal cannot show is written out
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except MosmedError as error:
            _say("error", error.message)
            if error.hint:
                _say("next", error.hint)
            sys.exit(error.exit_status)
        except (click.Abort, KeyboardInterrupt):
            _say("stopped", "nothing is lost; run the same command again to go on")
            # CPython ends `python -m` by SIGINT, whatever the status, if the last text that exec()
            # ran was interrupted, and dataclasses are made so; one that ends well comes after it
            exec("")  # noqa: S102
            sys.exit(EXIT_INTERRUPTED)
        except Exception as error:  # noqa: BLE001  the last resort of the whole program
            _say_what_disk_refuses(error, kwargs.get("args") or sys.argv[1:])
            _give_up(error)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which they are used, not that of the alphabet."""
        del ctx
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by what they are for."""
        del ctx
        width = max(map(len, self.commands))
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [
                        (f"{name:{width}}", self.commands[name].get_short_help_str(HELP_WIDTH))
                        for name in names
                    ]
                )


def _say(word: str, text: str) -> None:
    lines = "\n".join(map(printable, text.split("\n")))
    click.echo(f"{click.style(word, bold=True)}: {lines}", err=True)


def _say_what_disk_refuses(error: Exception, named: Sequence[str]) -> None:
    """End with what the disk says, if it does, and in which of the places that were named.

    A longer path may name a patient.
    """
    if not isinstance(error, OSError) or error.errno not in DISK_REFUSES:
        return
    if error.errno in DISK_FULL:
        _say("error", "the disk is full")
        _say("next", "free some space, then run the same command again")
    else:
        path = Path(os.fsdecode(error.filename or "")).absolute()
        places = [Path(name).absolute() for name in named]
        place = next((f"{place}: " for place in places if path.is_relative_to(place)), "")
        _say("error", f"{place}{error.strerror}")
        _say("next", "look who may read and write there, and whether the disk is all right")
    sys.exit(1)


def _give_up(error: Exception) -> NoReturn:
    import tempfile

    from pipelines.core.tracebacks import traceback_of

    with tempfile.NamedTemporaryFile(
        "w", prefix="mosmed-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        file.write(traceback_of(error))
    _say("error", f"mosmed met something it did not expect ({type(error).__name__})")
    _say("next", f"please report it; the traceback, which quotes no value, is in {Path(file.name)}")
    sys.exit(1)


@click.group(
    cls=Boundary,
    commands=Commands(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 all well · 2 wrong usage · 3 some studies failed · 4 identity found "
    "where none may be · 1 anything else.",
)
@click.version_option(package_name="mosmed")
def main() -> None:
    """Turn hospital CT into a dataset people can trust, the way MosMedData was formed.

    \b
    RIS > select > export > anonymize > convert > thin > build-registry > dataset

    \b
    Begin with:
      mosmed init lungs --ris ris_export.xlsx --pacs /pacs_drop
      mosmed run -w lungs
    """
