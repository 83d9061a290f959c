"""Facts about `flipbatch.runtime.pool_process`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_CALLER = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from flipbatch.runtime.pool_process import set_up

if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, get_context("spawn"), set_up)
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""


@pytest.mark.timeout(60)
def test_a_process_of_a_pool_ends_with_a_killed_caller(tmp_path: Path) -> None:
    program = tmp_path / "caller.py"
    program.write_text(_CALLER)
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        assert int(caller.stdout.readline()) != caller.pid
        caller.kill()
        assert caller.stdout.read() == b""  # at its end no process has the pipe open
