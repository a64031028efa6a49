"""Processes that do not outlive the one that started them by more than a moment."""

import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process, resource_tracker
from pathlib import Path

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def starting_workers() -> Iterator[None]:
    """Workers that are started meanwhile are deaf to Ctrl-C, and none is left half started.

    Ctrl-C is for the parent alone. What would stop it meanwhile stops it afterwards: a worker that
    it did not know of yet would look for what is gone, and complain.
    """
    resource_tracker.ensure_running()  # where it is started, it lets the signal through again
    came: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    handlers = {
        number: signal.signal(number, lambda which, _: came.append(which))
        for number in (STOPS if is_main else ())
    }
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def begin_worker(presence: Path | None = None) -> None:
    """Show that this worker lives, and end it as soon as the process that started it is gone.

    It holds a shared lock on the folder `presence` for as long as it lives.
    """
    parent = parent_process()
    assert parent is not None, "no worker"
    if presence is not None:
        fcntl.flock(os.open(presence, os.O_RDONLY), fcntl.LOCK_SH)
    if not parent.is_alive():
        os._exit(1)  # whoever came after it may not have waited for this worker

    def end_with_parent() -> None:
        # A pipe closes with it, though it may stay in the table of processes as a zombie
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
