"""Processes that do not outlive the one that started them by more than a moment."""

import fcntl
import os
import signal
import threading
from multiprocessing import parent_process
from pathlib import Path


def begin_worker(presence: Path | None = None) -> None:
    """Show that this worker lives, and end it as soon as the process that started it is gone.

    It holds a shared lock on the folder `presence` for as long as it lives. Ctrl-C is for the
    parent alone: a worker finishes what it has in hand.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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
