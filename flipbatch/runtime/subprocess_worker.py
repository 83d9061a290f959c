"""A function runs in a process of its own: what it needs in memory is never the caller's, nor is its death.

Knows processes and a scratch folder; knows nothing of what is run.
"""

from __future__ import annotations

import os
import shutil
import signal
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
from flipbatch.runtime import subprocess_worker
getattr(subprocess_worker, sys.argv[2])(caller)
"""


class SubprocessFuture(Generic[Result]):
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
        except (EOFError, OSError):  # also in the middle of what it was sending
            raise JobError(
                f"The process that {self._what} was killed (exit code {self._process.wait()}), as happens "
                "where memory runs out: give it more, and start the same command again."
            ) from None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


@contextmanager
def run_in_subprocess(
    what: str, function: Callable[..., Result], *arguments: Any
) -> Iterator[SubprocessFuture[Result]]:
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
    SubprocessFuture
    """
    with tempfile.TemporaryDirectory(prefix="flipbatch-") as scratch:
        process, connection = _start("work")
        try:
            with suppress(ConnectionError):  # killed already: the result says so
                connection.send((function, arguments, Path(scratch)))
            yield SubprocessFuture(process, connection, what)
        finally:
            _end(process, connection)


def _start(part: str) -> tuple[subprocess.Popen[bytes], Connection]:
    here, there = Pipe()
    with there:
        # In a group of its own, Ctrl-C reaches the caller alone, which ends the block and the process.
        program = [sys.executable, "-c", _PROGRAM, str(there.fileno()), part]
        process = subprocess.Popen(program, pass_fds=[there.fileno()], process_group=0)
    with suppress(ConnectionError):
        here.send(sys.path)
    return process, here


def _end(process: subprocess.Popen[bytes], connection: Connection) -> None:
    connection.close()
    process.kill()
    process.wait()


class SubprocessWorker(Generic[Result]):
    """A function that is called again and again in a process of its own, which may die of it.

    Parameters
    ----------
    function : callable
        Of a module, so that the process can import it.
    seconds : float
        How long a call may take.
    """

    def __init__(self, function: Callable[..., Result], seconds: float) -> None:
        self._function, self._seconds = function, seconds
        self._started: tuple[subprocess.Popen[bytes], Connection] | None = None

    def __call__(self, *arguments: Any) -> Result:
        """Call the function with what can be pickled.

        Raises
        ------
        SubprocessDiedError
            Where the process ended, or was ended because the time was up. The next call has a new one.
        """
        process, connection = self._started = self._started or self._begin()
        try:
            connection.send(arguments)
            if not connection.poll(self._seconds):
                self.close()
                raise SubprocessDiedError(f"it took longer than {self._seconds:g} seconds", by_own_fault=True)
            outcome = connection.recv()
        except (EOFError, OSError):  # also in the middle of what it was sending
            died = _ended(process)
            self.close()
            raise died from None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def _begin(self) -> tuple[subprocess.Popen[bytes], Connection]:
        process, connection = _start("serve")
        with suppress(ConnectionError):
            connection.send(self._function)
        return process, connection

    def close(self) -> None:
        """End the process."""
        if self._started is not None:
            _end(*self._started)
        self._started = None


class SubprocessDiedError(Exception):
    """The process of a call ended; says how, in the same words each time.

    Attributes
    ----------
    by_own_fault : bool
        Whether what it did ended it or took too long. Else it was killed, as where memory runs out, or could
        not even start.
    """

    def __init__(self, how: str, by_own_fault: bool) -> None:
        super().__init__(how)
        self.by_own_fault = by_own_fault


_FATAL = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL, -signal.SIGPROF}


def _ended(process: subprocess.Popen[bytes]) -> SubprocessDiedError:
    code = process.wait()
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return SubprocessDiedError(f"it ended the process ({how})", code in _FATAL)


def serve(caller: Connection) -> None:
    """Answer calls in the new process, until the caller is gone."""
    with suppress(EOFError, OSError):
        function = caller.recv()
        while True:
            arguments = caller.recv()
            try:
                outcome = function(*arguments)
            except Exception as error:
                outcome = error
            caller.send(outcome)


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
