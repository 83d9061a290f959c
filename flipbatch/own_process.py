"""A function runs in a process of its own, so that what it needs in memory is never the caller's.

Knows processes, signals and a scratch folder; knows nothing of what is run.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Generic, TypeVar

from flipbatch.errors import FlipbatchError, JobError

Result = TypeVar("Result")


class Pending(Generic[Result]):
    """What a process will have returned."""

    def __init__(self, process: BaseProcess, receiver: Connection, what: str) -> None:
        self._process, self._receiver, self._what = process, receiver, what

    def result(self) -> Result:
        """Wait for the process, and return what its function returned or raise what it raised; once.

        Raises
        ------
        JobError
            Where the process was killed.
        """
        try:
            outcome = self._receiver.recv()
        except EOFError:
            self._process.join()
            raise JobError(
                f"The process that {self._what} was killed (exit code {self._process.exitcode}), as happens "
                "where memory runs out: give it more, and start the same command again."
            ) from None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


@contextmanager
def own_process(what: str, function: Callable[..., Result], *arguments: Any) -> Iterator[Pending[Result]]:
    """Start a function in a new process, and end that process with the block, whatever happens in it.

    Parameters
    ----------
    what : str
        What the process does, for "The process that …".
    function : callable
        Of a module, so that the process can import it. It is given `arguments`, and last the path of a
        scratch folder, which is removed with the process however it ends.
    arguments
        What can be pickled.

    Yields
    ------
    Pending
    """
    # Started anew and not forked: threads of this process may hold locks, and its memory is not wanted.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="flipbatch-") as scratch, receiver:
        process = context.Process(
            target=_work, args=(sender, function, arguments, Path(scratch)), name="flipbatch", daemon=True
        )
        process.start()
        sender.close()
        try:
            yield Pending(process, receiver, what)
        finally:
            process.kill()
            process.join()


def _work(
    sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...], scratch: Path
) -> None:
    # Ctrl-C goes to both processes: the other one ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(scratch,), daemon=True).start()
    try:
        outcome = function(*arguments, scratch)
    except Exception as error:
        outcome = error
        if not isinstance(error, FlipbatchError):
            error.add_note(traceback.format_exc())
    sender.send(outcome)


def _end_with_parent(scratch: Path) -> None:
    """A command that was killed must not go on writing beside the one that is started in its place."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        shutil.rmtree(scratch, ignore_errors=True)
        os._exit(1)
