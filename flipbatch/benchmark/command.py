"""The score command as users start it: seconds to its first and after its last shard, and memory.

Measures one process from outside, by ``/proc`` and the times of a run's files. Does not know Ray, frames or
models.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

POLL_SECONDS = 0.2
SCORE_COMMAND = ("-m", "flipbatch.cli", "score")
"""Arguments of ``python`` that are the same as ``flipbatch score``."""


@dataclass(frozen=True)
class Started:
    """Seconds and memory of one command.

    Attributes
    ----------
    first_shard, last_to_success, whole : float
        Seconds from its start to the first committed shard, from the last one to ``_SUCCESS``, and from its
        start to its end.
    driver_mb, worker_mb : float
        Peak resident memory of the command's own process and of Ray's largest worker, MiB.
    """

    first_shard: float
    last_to_success: float
    whole: float
    driver_mb: float
    worker_mb: float


def start(command: Sequence[str], out: Path) -> Started:
    """Run a command to its end.

    Parameters
    ----------
    command : sequence of str
        Arguments of ``python``. Exit codes 0 and 3 are a success.
    out : Path
        Its ``--out``, which must not exist.

    Raises
    ------
    RuntimeError
        If it fails; the message is the end of its standard error.
    """
    with tempfile.TemporaryFile() as errors:  # not a pipe: a full one that is not read stops the command
        return _watch(command, out, errors)


def _watch(command: Sequence[str], out: Path, errors: IO[bytes]) -> Started:
    started = time.time()
    process = subprocess.Popen([sys.executable, *command], stderr=errors, stdout=subprocess.DEVNULL)
    driver, worker = 0.0, 0.0
    while process.poll() is None:
        driver = max(driver, _peak_mb(process.pid))
        worker = max([worker, *(_peak_mb(pid) for pid in _ray_workers(process.pid))])
        time.sleep(POLL_SECONDS)
    whole = time.time() - started
    if process.returncode not in (0, 3):
        errors.seek(0)
        raise RuntimeError(errors.read().decode()[-2000:])
    shards = [file.stat().st_mtime for file in (out / "shards").glob("*.parquet")]
    success = (out / "_SUCCESS").stat().st_mtime
    return Started(min(shards) - started, success - max(shards), whole, driver, worker)


def _peak_mb(pid: int) -> float:
    """Return the peak resident memory of a process in MiB; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(peak.split()[1]) / 1024


def _ray_workers(pid: int) -> Iterator[int]:
    """Yield the ids of Ray's workers among the descendants of a process."""
    for task in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = task.read_text().partition(") ")
        except OSError:
            continue
        number, _, command = name.partition(" (")
        if command.startswith("ray::") and pid in _ancestors(int(rest.split()[1])):
            yield int(number)


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        yield pid
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return
        pid = int(stat.rpartition(") ")[2].split()[1])
