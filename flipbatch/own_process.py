"""A function runs in a process of its own, so that what it needs in memory is never the caller's.

Knows processes and a scratch folder; knows nothing of what is run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Generic, TypeVar

from flipbatch.errors import FlipbatchError, JobError

Result = TypeVar("Result")

# Not a process of `multiprocessing`: that would import the main module again, with all that is in it.
_PROGRAM = """
import sys
from multiprocessing.connection import Connection
caller = Connection(int(sys.argv[1]))
sys.path[:] = caller.recv()
from flipbatch.own_process import work
work(caller)
"""


class Pending(Generic[Result]):
    """What a process will have returned."""

    def __init__(self, process: subprocess.Popen[bytes], connection: Connection, what: str) -> None:
        self._process, self._connection, self._what = process, connection, what

    def result(self) -> Result:
        """Wait for the process, and return what its function returned or raise what it raised; once.

        Raises
        ------
        JobError
            Where the process was killed.
        """
        try:
            outcome = self._connection.recv()
        except (EOFError, ConnectionError):
            raise JobError(
                f"The process that {self._what} was killed (exit code {self._process.wait()}), as happens "
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
    here, there = Pipe()
    with here, tempfile.TemporaryDirectory(prefix="flipbatch-") as scratch:
        with there:
            # In a group of its own, Ctrl-C reaches the caller alone, which ends the block and the process.
            program = [sys.executable, "-c", _PROGRAM, str(there.fileno())]
            process = subprocess.Popen(program, pass_fds=[there.fileno()], process_group=0)
        try:
            with suppress(ConnectionError):  # killed already: the result says so
                here.send(sys.path)
                here.send((function, arguments, Path(scratch)))
            yield Pending(process, here, what)
        finally:
            process.kill()
            process.wait()


def work(caller: Connection) -> None:
    """Do in the new process what it was started for."""
    function, arguments, scratch = caller.recv()
    threading.Thread(target=_end_with_caller, args=(caller, scratch), daemon=True).start()
    try:
        outcome = function(*arguments, scratch)
    except Exception as error:
        outcome = error
        if not isinstance(error, FlipbatchError):
            error.add_note(traceback.format_exc())
    caller.send(outcome)


def _end_with_caller(caller: Connection, scratch: Path) -> None:
    """A command that was killed must not go on writing beside the one that is started in its place."""
    with suppress(EOFError, ConnectionError):
        caller.recv()
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)
