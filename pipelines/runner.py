"""Runs the work of stages somewhere, and brings back whole results or the reason there is none.

The runner takes any `concurrent.futures.Executor`; values cross the border between processes,
never exceptions. One bad study never stops the others: a worker that dies takes only the study
it had with it. Only the full disk stops everything.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import (
    DISK_FULL,
    DISK_REFUSES,
    CodedError,
    MosmedError,
    PrivacyError,
    WorkspaceError,
)
from pipelines.core.faults import FAULTS
from pipelines.core.model import Excluded, Failed
from pipelines.core.tracebacks import traceback_of

if TYPE_CHECKING:  # loaded only by whoever has more than one thing to do
    from concurrent.futures import Executor, Future, ProcessPoolExecutor

    from pipelines.io.ledger import Outputs

IN_FLIGHT_PER_JOB = 2
"""Enough that no worker waits, few enough that a stop loses little."""

FREED_ONCE_BYTES = 4 << 20
"""More than a slice of 1024 x 1024 takes; volumes would leave gaps, and are given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One call `work(*arguments, folder)` for one study; `folder` is made for it, empty.

    Unless `makes_folder`: then the work makes it itself, once it has something to put there. What
    it makes is synced and digested for the ledger if `is_sealed`, else left to the caller.
    """

    public_id: str
    work: Callable[..., Any]
    arguments: tuple[Any, ...]
    folder: Path
    is_sealed: bool = True
    makes_folder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a task: a record, an Excluded or a Failed; `outputs` only with a record.

    `stop` is the message and hint of what would make every other study fail, too.
    """

    public_id: str
    value: Any
    outputs: "Outputs | None" = None
    seconds: float = 0.0
    trace: str = ""
    stop: tuple[str, str] | None = None


def attempt(task: Task) -> Result:
    """Do one task in a clean folder; whatever goes wrong comes back as a value."""
    start = time.perf_counter()
    _keep_memory()
    outputs, trace, stop = None, "", None
    value: Any
    try:
        shutil.rmtree(task.folder, ignore_errors=True)
        if not task.makes_folder:
            task.folder.mkdir(parents=True)
        value = task.work(*task.arguments, task.folder)
        if task.is_sealed and not isinstance(value, Excluded):
            from pipelines.io.sealing import seal

            outputs = seal(task.folder)
    except CodedError as error:
        private = isinstance(error, PrivacyError)
        value = _failed(task, error.code, error.message, hint=error.hint, privacy=private)
    except MosmedError as error:
        stop = (error.message, error.hint)
        value = _failed(task, "INTERNAL", error.message)
    except OSError as error:
        if error.errno in DISK_FULL:
            stop = ("the disk is full", "Free some space, then run the same command again.")
        value = _failed(task, "DISK", os.strerror(error.errno) if error.errno else "I/O error")
        trace = "" if error.errno in DISK_REFUSES else traceback_of(error)
    except Exception as error:  # noqa: BLE001  a bug must not take the other studies with it
        value = _failed(task, "INTERNAL", type(error).__name__)
        trace = traceback_of(error)
    return Result(
        public_id=task.public_id,
        value=value,
        outputs=outputs,
        seconds=time.perf_counter() - start,
        trace=trace,
        stop=stop,
    )


@cache
def _keep_memory() -> None:
    """Let this process keep what it frees, instead of begging the kernel for it slice by slice.

    glibc maps blocks that are larger than any it has seen freed, and each page of them is then
    cleared anew: a third of the time of a short study. These zeros are never touched.
    """
    bytes(FREED_ONCE_BYTES)


def _failed(
    task: Task, code: str, message: str, *, hint: str = "", privacy: bool = False
) -> Failed:
    return Failed(
        public_id=task.public_id,
        code=code,
        message=message,
        hint=hint or FAULTS[code].hint,
        privacy=privacy,
    )


class Workers:
    """Where tasks run: in this process for one job, else in a pool that is started once."""

    def __init__(
        self,
        jobs: int,
        *,
        start: "Callable[[int], Executor] | None" = None,
        presence: Path | None = None,
    ) -> None:
        self.jobs = jobs
        self._start = start or partial(start_processes, presence=presence)
        self._executor: Executor | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is KeyboardInterrupt and self._executor is not None:
            _end_workers()
        self._stop()

    def run(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """The results of tasks as they come.

        Raises WorkspaceError where every other study would fail, too: the disk is full, or the
        archive is gone. What was in hand then is finished first.
        """
        halted: list[tuple[str, str]] = []
        handed_out = takewhile(lambda _: not halted, tasks)
        results = self._results(handed_out, halted)
        for result in results:
            if result.trace:
                _log_error("%s:\n%s", result.public_id, result.trace)
            if result.stop:
                halted.append(result.stop)
            else:
                yield result
        if halted:
            message, hint = halted[0]
            raise WorkspaceError(message, hint=hint)

    def _results(self, tasks: Iterator[Task], halted: list[tuple[str, str]]) -> Iterator[Result]:
        if self.jobs == 1:
            return map(attempt, tasks)
        return self._run_in_pool(tasks, halted)

    def _run_in_pool(
        self, tasks: Iterator[Task], halted: list[tuple[str, str]]
    ) -> Iterator[Result]:
        from concurrent.futures import FIRST_COMPLETED, wait
        from concurrent.futures.process import BrokenProcessPool

        waiting: dict[Future[Result], Task] = {}
        while True:
            suspects = self._fill(waiting, tasks)
            if halted:
                waiting = {future: task for future, task in waiting.items() if not future.cancel()}
            if not waiting and not suspects:
                return
            finished = wait(waiting, return_when=FIRST_COMPLETED).done if waiting else set()
            for future in finished:
                task = waiting.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    suspects.append(task)
                else:
                    yield future.result()
            if suspects:
                suspects += waiting.values()
                waiting.clear()
                self._stop()
                yield from map(self._attempt_alone, suspects)

    def _fill(self, waiting: "dict[Future[Result], Task]", tasks: Iterator[Task]) -> list[Task]:
        """Hand out tasks until enough are in flight; the one that a broken pool refused."""
        from concurrent.futures.process import BrokenProcessPool

        from pipelines.io.processes import starting_workers

        while len(waiting) < self.jobs * IN_FLIGHT_PER_JOB:
            task = next(tasks, None)
            if task is None:
                break
            try:
                with starting_workers():
                    waiting[self._pool().submit(attempt, task)] = task
            except BrokenProcessPool:
                return [task]
        return []

    def _attempt_alone(self, task: Task) -> Result:
        """Try a task that may have killed a worker in a worker of its own."""
        from concurrent.futures.process import BrokenProcessPool

        from pipelines.io.processes import starting_workers

        with self._start(1) as alone:
            try:
                with starting_workers():
                    result = alone.submit(attempt, task)
                return result.result()
            except BrokenProcessPool:
                return Result(
                    public_id=task.public_id,
                    value=_failed(task, "WORKER_DIED", FAULTS["WORKER_DIED"].meaning),
                )

    def _pool(self) -> "Executor":
        if self._executor is None:
            self._executor = self._start(self.jobs)
        return self._executor

    def _stop(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None


def _end_workers() -> None:
    """Kill what runs: nobody would record it any more, and it may wait for a PACS for long."""
    import multiprocessing

    for worker in multiprocessing.active_children():
        worker.kill()


def start_processes(
    jobs: int, *, presence: Path | None = None, preload: str = "pipelines.chain"
) -> "ProcessPoolExecutor":
    """A pool of processes that do not outlive this one by more than a moment.

    They hold a shared lock on the folder `presence` for as long as they live, so that whoever comes
    after a run that was killed can wait for the last of them. The module `preload` is loaded once.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    from pipelines.io.processes import begin_worker

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    return ProcessPoolExecutor(
        jobs, mp_context=context, initializer=begin_worker, initargs=(presence,)
    )


def _log_error(message: str, *values: str) -> None:
    import logging

    logging.getLogger(__name__).error(message, *values)
