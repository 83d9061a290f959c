"""A function runs in a separate process. Its memory use and its end don't affect the caller.

`run_in_subprocess` runs one call, with a scratch folder; `SubprocessWorker` takes many calls, and any of them
may end the process. Results and errors come back to the caller; those that can't be sent come back as a
`SubprocessError` that names them.

Knows processes, pickling and a scratch folder. Does not know what the functions do.
"""

from __future__ import annotations

import os
import pickle
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

# A process of `multiprocessing` would import the main module again, with everything in it.
_PROGRAM = """
import sys
from multiprocessing.connection import Connection
caller = Connection(int(sys.argv[1]))
sys.path[:] = caller.recv()
from flipbatch.runtime import subprocess_worker
getattr(subprocess_worker, sys.argv[2])(caller)
"""


class SubprocessError(Exception):
    """An error or a result of a subprocess that can't be sent; the message names its type and says why."""


class SubprocessDiedError(Exception):
    """The process of a call ended; the message says how, in the same words each time.

    Attributes
    ----------
    by_own_fault : bool
        True if the call ended the process or took too long; False if the process was killed, for example by
        the out-of-memory killer, or could not start.
    """

    def __init__(self, how: str, by_own_fault: bool) -> None:
        super().__init__(how)
        self.by_own_fault = by_own_fault


# ---------------------------------------------------------------------------------------- one call


class SubprocessFuture(Generic[Result]):
    """The future result of a subprocess."""

    def __init__(self, process: subprocess.Popen[bytes], connection: Connection, task: str) -> None:
        self._process, self._connection, self._task = process, connection, task

    def result(self) -> Result:
        """Wait for the process; return the result of its function or raise its error. May be called once.

        Raises
        ------
        JobError
            If the process was ended by a signal, or ended without an answer.
        SubprocessError
            If the error or the result can't be sent.
        """
        try:
            answer = self._connection.recv_bytes()
        except (EOFError, OSError):  # raised in the middle of an answer, too
            raise JobError(f"The process that {self._task} {_ended(self._process.wait())}") from None
        return _result_in(answer)


def _ended(code: int) -> str:
    """Return how a process ended without an answer, and what to do."""
    if code >= 0:
        return f"ended (exit code {code}) before its work was done: what it printed above says why."
    again = "start the same command again."
    if code == -signal.SIGKILL:
        return f"was killed (SIGKILL), as happens where memory runs out: give it more, and {again}"
    return f"was ended by {_signal_name(-code)}: {again}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name
        return f"signal {number}"


@contextmanager
def run_in_subprocess(
    task: str, function: Callable[..., Result], *arguments: Any
) -> Iterator[SubprocessFuture[Result]]:
    """Start a function in a new process; the process ends with the block, also when the block raises.

    Parameters
    ----------
    task : str
        What the process does, after "The process that …".
    function : callable
        Of a module that the process can import. It is called with `arguments`, followed by the `Path` of a
        scratch folder, which is removed with the process.
    arguments
        Picklable.

    Yields
    ------
    SubprocessFuture
    """
    with tempfile.TemporaryDirectory(prefix="flipbatch-") as scratch:
        process, connection = _start("work")
        try:
            with suppress(ConnectionError):  # the process was killed already: the result says so
                connection.send((function, arguments, Path(scratch)))
            yield SubprocessFuture(process, connection, task)
        finally:
            _end(process, connection)


# ---------------------------------------------------------------------------------------- many calls


class SubprocessWorker(Generic[Result]):
    """A function that is called many times in a separate process, which a call may end.

    Parameters
    ----------
    function : callable
        Of a module that the process can import.
    seconds : float
        The time limit of a call.
    """

    def __init__(self, function: Callable[..., Result], seconds: float) -> None:
        self._function, self._seconds = function, seconds
        self._running: tuple[subprocess.Popen[bytes], Connection] | None = None

    def __call__(self, *arguments: Any) -> Result:
        """Call the function with picklable arguments; return its result or raise its error.

        Raises
        ------
        SubprocessDiedError
            If the process ended, or was ended because the time was up. The next call starts a new one.
        SubprocessError
            If the error or the result can't be sent.
        """
        process, connection = self._running = self._running or self._start()
        try:
            connection.send(arguments)
            if not connection.poll(self._seconds):
                self.close()
                raise SubprocessDiedError(f"it took longer than {self._seconds:g} seconds", by_own_fault=True)
            answer = connection.recv_bytes()
        except (EOFError, OSError):  # raised in the middle of an answer, too
            error = _death_of(process)
            self.close()
            raise error from None
        return _result_in(answer)

    def _start(self) -> tuple[subprocess.Popen[bytes], Connection]:
        process, connection = _start("serve")
        with suppress(ConnectionError):
            connection.send(self._function)
        return process, connection

    def close(self) -> None:
        """End the process."""
        if self._running is not None:
            _end(*self._running)
        self._running = None


_FATAL = {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL, -signal.SIGPROF}


def _death_of(process: subprocess.Popen[bytes]) -> SubprocessDiedError:
    code = process.wait()
    how = _signal_name(-code) if code < 0 else f"exit code {code}"
    return SubprocessDiedError(f"it ended the process ({how})", code in _FATAL)


# ---------------------------------------------------------------------------------------- processes


def _start(entry: str) -> tuple[subprocess.Popen[bytes], Connection]:
    """Start a process that runs one of this module's functions, `work` or `serve`."""
    here, there = Pipe()
    with there:
        # The process has a group of its own: Ctrl-C reaches the caller alone, which then ends the process.
        program = [sys.executable, "-c", _PROGRAM, str(there.fileno()), entry]
        process = subprocess.Popen(program, pass_fds=[there.fileno()], process_group=0)
    with suppress(ConnectionError):
        here.send(sys.path)
    return process, here


def _end(process: subprocess.Popen[bytes], connection: Connection) -> None:
    connection.close()
    process.kill()
    process.wait()


def work(caller: Connection) -> None:
    """Do one call in the new process."""
    function, arguments, scratch = caller.recv()
    threading.Thread(target=_end_with_caller, args=(caller, scratch), daemon=True).start()
    caller.send_bytes(_answer(function, *arguments, scratch))


def _end_with_caller(caller: Connection, scratch: Path) -> None:
    """End this process with its caller: a command that is started next must find no writer left."""
    with suppress(EOFError, ConnectionError):
        caller.recv()
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(1)


def serve(caller: Connection) -> None:
    """Answer calls in the new process until the caller is gone."""
    with suppress(EOFError, OSError):
        function = caller.recv()
        while True:
            caller.send_bytes(_answer(function, *caller.recv()))


# ---------------------------------------------------------------------------------------- answers


def _answer(function: Callable[..., Any], *arguments: Any) -> bytes:
    """Call a function; return its result or its error, pickled."""
    try:
        result = function(*arguments)
    except Exception as error:
        return _pickled_error(error)
    try:
        return pickle.dumps((result, None))
    except Exception as error:
        return _pickled_error(SubprocessError(f"A {_name(type(result))} can't be sent: {_described(error)}"))


def _pickled_error(error: Exception) -> bytes:
    described, trace = _described(error), traceback.format_exc()
    if not isinstance(error, FlipbatchError | SubprocessError):
        error.add_note(trace)
    try:
        answer = pickle.dumps((None, error))
        pickle.loads(answer)  # fails for errors whose constructor takes other arguments
    except Exception:
        sent = SubprocessError(described)
        sent.add_note(trace)
        return pickle.dumps((None, sent))
    return answer


def _result_in(answer: bytes) -> Any:
    """Return the result in an answer, or raise the error in it."""
    try:
        result, error = pickle.loads(answer)
    except Exception as failure:
        raise SubprocessError(f"The answer of a subprocess can't be read: {_described(failure)}") from failure
    if error is not None:
        raise error
    return result


def _described(error: BaseException) -> str:
    """Return the type and the text of an error; never raises, as `str` of an error may."""
    return "".join(traceback.format_exception_only(error)).strip()


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
