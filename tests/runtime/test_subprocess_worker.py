"""Facts about `flipbatch.runtime.subprocess_worker`."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from flipbatch.errors import InputError, JobError
from flipbatch.runtime.subprocess_worker import (
    SubprocessDiedError,
    SubprocessError,
    SubprocessWorker,
    run_in_subprocess,
)


def process_id_and(word: str, scratch: Path) -> tuple[int, str, Path]:
    (scratch / "file").touch()
    return os.getpid(), word, scratch


def refuse(scratch: Path) -> None:
    raise InputError("No frames.")


def divide(scratch: Path) -> float:
    return 1 / len(list(scratch.iterdir()))


def die(scratch: Path) -> None:
    (scratch / "file").touch()
    os.kill(os.getpid(), signal.SIGKILL)


def end_by(number: int, _: Path) -> None:
    os.kill(os.getpid(), number)


def break_off(*_: object) -> None:
    """End the process in the middle of an answer."""
    os.write(int(sys.argv[1]), struct.pack("!i", 1000) + b"the first bytes")
    os._exit(1)


class TwoArgumentsError(Exception):
    """Pickles, but can't be unpickled: pickle calls the constructor with the message alone."""

    def __init__(self, file: str, line: int) -> None:
        super().__init__(f"{file}, line {line}")


class UnpicklableError(Exception):
    def __init__(self) -> None:
        super().__init__("holds a lock")
        self.lock = threading.Lock()


class UnreadableResult:
    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return RangeOf, ("not", "numbers")


class RangeOf:
    def __init__(self, start: int, stop: int) -> None:
        self.length = stop - start


def raise_two_arguments(*_: object) -> None:
    raise TwoArgumentsError("a.txt", 7)


def raise_unpicklable(*_: object) -> None:
    raise UnpicklableError


def return_lock(*_: object) -> object:
    return threading.Lock()


def return_unreadable(*_: object) -> object:
    return UnreadableResult()


def return_error(*_: object) -> Exception:
    return ValueError("a result, not a failure")


def divide_numbers(one: float, other: float) -> float:
    if other == 0:
        os._exit(3)
    return one / other


def sleep(pid_file: str, scratch: Path) -> None:
    Path(pid_file).write_text(f"{os.getpid()} {scratch}")
    time.sleep(100)


def started(pid_file: Path) -> tuple[int, Path]:
    while not pid_file.exists() or not pid_file.read_text():
        time.sleep(0.01)
    process_id, scratch = pid_file.read_text().split()
    return int(process_id), Path(scratch)


def runs(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_result_of_another_process_comes_back():
    with run_in_subprocess("adds", process_id_and, "word") as future:
        process_id, word, _ = future.result()
    assert (process_id != os.getpid(), word) == (True, "word")


def test_the_scratch_folder_is_removed_with_the_process():
    with run_in_subprocess("adds", process_id_and, "word") as future:
        process_id, _, scratch = future.result()
        assert (scratch / "file").exists()
    assert not scratch.exists()
    assert not runs(process_id)


def test_errors_for_the_user_come_back_as_they_are():
    with run_in_subprocess("adds", refuse) as future, pytest.raises(InputError, match=r"^No frames\.$"):
        future.result()


def test_other_errors_come_back_with_their_traceback():
    with run_in_subprocess("adds", divide) as future, pytest.raises(ZeroDivisionError) as raised:
        future.result()
    assert "return 1 / len(list(scratch.iterdir()))" in raised.value.__notes__[0]


def test_a_process_that_was_killed_is_one_sentence():
    with (
        run_in_subprocess("lists the frames", die) as future,
        pytest.raises(JobError, match=r"^The process that lists the frames was killed \(SIGKILL\), .*memory"),
    ):
        future.result()


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGSEGV, "SIGSEGV"), (signal.SIGRTMIN + 1, f"signal {signal.SIGRTMIN + 1}")]
)
def test_other_signals_are_named_and_memory_is_not_blamed(number: int, name: str) -> None:
    with (
        run_in_subprocess("lists the frames", end_by, number) as future,
        pytest.raises(JobError, match=rf"^The process that lists the frames was ended by {name}: start the"),
    ):
        future.result()


def test_a_process_that_could_not_start_its_work_is_not_called_killed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "site-packages" not in path])
    with (
        pytest.raises(JobError, match=r"^The process that lists the frames ended \(exit code 1\) before"),
        run_in_subprocess("lists the frames", divide) as future,
    ):
        future.result()
    assert "ModuleNotFoundError" in capfd.readouterr().err


def test_a_process_that_ends_in_the_middle_of_its_answer_is_one_sentence():
    with (
        run_in_subprocess("adds", break_off) as future,
        pytest.raises(JobError, match=r"ended \(exit code 1\)"),
    ):
        future.result()
    with (
        closing(SubprocessWorker(break_off, 5)) as worker,
        pytest.raises(SubprocessDiedError, match=r"\(exit code 1\)"),
    ):
        worker()


def test_the_main_module_is_not_run_again():
    program = (
        "from flipbatch.runtime.subprocess_worker import run_in_subprocess\n"
        "from tests.runtime.test_subprocess_worker import process_id_and\n"
        "print('once')\n"
        "with run_in_subprocess('adds', process_id_and, 'word') as future:\n"
        "    print(future.result()[1])\n"
    )
    ran = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("once\nword\n", "")


def test_an_interrupt_ends_the_process_at_once(tmp_path):
    def interrupted():
        with run_in_subprocess("sleeps", sleep, str(tmp_path / "pid")):
            started(tmp_path / "pid")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    process_id, scratch = started(tmp_path / "pid")
    assert not runs(process_id)
    assert not scratch.exists()


def test_a_process_ends_with_the_one_that_started_it(tmp_path):
    program = (
        "import os; from pathlib import Path\n"
        "from flipbatch.runtime.subprocess_worker import run_in_subprocess\n"
        "from tests.runtime.test_subprocess_worker import sleep, started\n"
        f"with run_in_subprocess('sleeps', sleep, {str(tmp_path / 'pid')!r}):\n"
        f"    started(Path({str(tmp_path / 'pid')!r})); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=False)
    process_id, scratch = started(tmp_path / "pid")
    deadline = time.monotonic() + 30
    while (runs(process_id) or scratch.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not scratch.exists()
    assert not runs(process_id)


# ---------------------------------------------------------------------------------------- unsendable answers

UNSENDABLE = [
    (raise_two_arguments, r"TwoArgumentsError: a\.txt, line 7"),
    (raise_unpicklable, r"UnpicklableError: holds a lock"),
    (return_lock, r"^A _thread\.lock can't be sent: TypeError: cannot pickle"),
    (return_unreadable, r"can't be read: TypeError: unsupported operand"),
]


@pytest.mark.parametrize(("function", "message"), UNSENDABLE)
def test_an_answer_that_can_not_be_sent_is_an_error_that_names_it(function, message):
    with run_in_subprocess("adds", function) as future, pytest.raises(SubprocessError, match=message):
        future.result()


@pytest.mark.parametrize(("function", "message"), UNSENDABLE)
def test_a_worker_survives_an_answer_that_can_not_be_sent(function, message):
    with closing(SubprocessWorker(call, 30)) as worker:
        process_id = worker(os.getpid)
        with pytest.raises(SubprocessError, match=message):
            worker(function)
        assert worker(os.getpid) == process_id


def call(function):
    return function()


def test_an_error_that_can_not_be_sent_keeps_its_traceback():
    with run_in_subprocess("adds", raise_two_arguments) as future, pytest.raises(SubprocessError) as raised:
        future.result()
    assert "raise TwoArgumentsError" in raised.value.__notes__[0]


def test_an_error_that_is_returned_is_a_result():
    with run_in_subprocess("adds", return_error) as future:
        assert isinstance(future.result(), ValueError)


# ---------------------------------------------------------------------------------------- many calls


def test_a_worker_calls_its_function_many_times_in_one_process():
    with closing(SubprocessWorker(divide_numbers, 30)) as divided:
        assert [divided(6, 2), divided(1, 4)] == [3, 0.25]
        with pytest.raises(TypeError):
            divided("a", 1)
        with pytest.raises(SubprocessDiedError, match=r"it ended the process \(exit code 3\)"):
            divided(1, 0)
        assert divided(1, 1) == 1


def test_the_process_of_a_worker_ends_when_it_is_closed():
    worker = SubprocessWorker(os.getpid, 30)
    process_id = worker()
    worker.close()
    assert not runs(process_id)


def test_a_call_that_takes_too_long_ends_the_process():
    started_at = time.monotonic()
    with (
        closing(SubprocessWorker(time.sleep, 0.5)) as worker,
        pytest.raises(SubprocessDiedError, match=r"longer than 0\.5 seconds"),
    ):
        worker(30)
    assert time.monotonic() - started_at < 10
