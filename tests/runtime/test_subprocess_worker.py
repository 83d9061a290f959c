"""Facts about `flipbatch.runtime.subprocess_worker`."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from flipbatch.errors import InputError, JobError
from flipbatch.runtime.subprocess_worker import SubprocessDiedError, SubprocessWorker, run_in_subprocess


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


def break_off(*_: object) -> None:
    """End the process in the middle of what it sends."""
    os.write(int(sys.argv[1]), struct.pack("!i", 1000) + b"the first bytes")
    os._exit(1)


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


def test_a_function_runs_in_another_process_and_its_result_comes_back():
    with run_in_subprocess("adds", process_id_and, "word") as pending:
        process_id, word, _ = pending.result()
    assert (process_id != os.getpid(), word) == (True, "word")


def test_the_scratch_folder_goes_with_the_process():
    with run_in_subprocess("adds", process_id_and, "word") as pending:
        process_id, _, scratch = pending.result()
        assert (scratch / "file").exists()
    assert not scratch.exists()
    assert not runs(process_id)


def test_errors_for_a_person_come_back_as_themselves():
    with run_in_subprocess("adds", refuse) as pending, pytest.raises(InputError, match=r"^No frames\.$"):
        pending.result()


def test_other_errors_come_back_with_where_they_were_raised():
    with run_in_subprocess("adds", divide) as pending, pytest.raises(ZeroDivisionError) as raised:
        pending.result()
    assert "return 1 / len(list(scratch.iterdir()))" in raised.value.__notes__[0]


def test_a_process_that_was_killed_is_one_sentence():
    with (
        run_in_subprocess("lists the frames", die) as pending,
        pytest.raises(
            JobError, match=r"^The process that lists the frames was killed \(exit code -9\), .*memory"
        ),
    ):
        pending.result()


def test_one_that_ends_in_the_middle_of_its_answer_is_a_sentence_too():
    with (
        run_in_subprocess("adds", break_off) as pending,
        pytest.raises(JobError, match=r"killed \(exit code 1\)"),
    ):
        pending.result()
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
        "with run_in_subprocess('adds', process_id_and, 'word') as pending:\n"
        "    print(pending.result()[1])\n"
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
