"""A command killed at the steps around the exchange of a folder, in forks of a process of its own.

Run as a program, `python -m tests.kills FOLDER OFFSETS COMMAND...`: it has one thread, so it may
fork. It writes what came of each kill as JSON. A step is whatever Python's audit hooks tell of
before it is done, and each time something is synced; offset 0 is just before the exchange.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.io import audit
from pipelines.io.sealing import seal
from pipelines.io.workspace import Workspace
from tests.workspaces import contents, mosmed

EXCHANGE = "ctypes.dlsym"
STEPS = {EXCHANGE, "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate"}
PLACES = ("dataset", "private/select/selection")


def main(before: Path, offsets: Sequence[int], command: Sequence[str]) -> None:
    """Kill the command on copies of a workspace, and go on with it."""
    root = before.with_name("copy")
    shutil.copytree(before, root)
    steps = steps_of(root, command)
    exchange = len(steps) - 1 - steps[::-1].index(EXCHANGE)
    result = [of_kill(exchange + offset, before, root, command) for offset in offsets]
    sys.stdout.write(json.dumps(result))


def of_kill(number: int, before: Path, root: Path, command: Sequence[str]) -> dict[str, object]:
    """What a kill before this step left, and what came of it in the end."""
    shutil.rmtree(root)
    shutil.copytree(before, root)
    killed_at(number, root, command)
    left = digests(root)
    workspace = Workspace(root)
    with workspace.locked():
        seats = (workspace.seat_of_dataset, workspace.seat_of_selection)
        is_agreed = all(seal(seat.place) == seat.entry().outputs for seat in seats)
    in_fork(lambda: mosmed(*command, "-w", root))
    audit.checked(workspace.private)
    return {
        "left": left,
        "is_agreed": is_agreed,
        "then": digests(root),
        "parts": list(map(str, root.rglob(".part-*"))),
    }


def steps_of(root: Path, command: Sequence[str]) -> list[str]:
    """The steps of a command that is not killed."""
    place = root.with_name("steps")

    def work() -> None:
        with place.open("a", buffering=1) as file:
            tell(lambda step: print(step, file=file))
            mosmed(*command, "-w", root)

    in_fork(work)
    return place.read_text().split()


def killed_at(number: int, root: Path, command: Sequence[str]) -> None:
    """The command, killed just before a step."""
    heard = iter(range(number + 1))

    def hear(_: str) -> None:
        if next(heard) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        tell(hear)
        mosmed(*command, "-w", root)

    assert in_fork(work) == -signal.SIGKILL, f"step {number} never came"


def tell(hear: Callable[[str], None]) -> None:
    """Have every step told from now on, before it is done."""
    fsync = os.fsync

    def hook(event: str, args: tuple) -> None:
        if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
            hear("open")
        elif event in STEPS:
            hear(event)

    def sync(descriptor: int) -> None:
        hear("fsync")
        fsync(descriptor)

    sys.addaudithook(hook)
    os.fsync = sync


def in_fork(work: Callable[[], object]) -> int:
    """The exit status of a fork that does this; negative where it was killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def digests(root: Path) -> dict[str, str]:
    """What lies in the two places that are replaced whole."""
    return {
        place: hashlib.sha256(repr(sorted(contents(root / place).items())).encode()).hexdigest()
        for place in PLACES
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(one) for one in sys.argv[2].split(",")], sys.argv[3:])
