"""The command as people start it: seconds to its first shard, from its last to ``_SUCCESS``, and memory.

Knows processes as Linux shows them and the files of a run; knows no Ray.
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
"""Arguments of ``python`` that start scoring as ``flipbatch score`` does."""


@dataclass(frozen=True)
class Started:
    """What one command took.

    Attributes
    ----------
    first_shard, last_to_success, whole : float
        Seconds from its start to the first committed shard, from the last to ``_SUCCESS``, and to its end.
    driver_mb, worker_mb : float
        Most memory that the command's own process and that any of Ray's workers held, MiB of resident pages.
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
        Arguments behind ``python``; exit codes 0 and 3 are both an end.
    out : Path
        Its ``--out``, not there yet.

    Raises
    ------
    RuntimeError
        Where it fails.
    """
    with tempfile.TemporaryFile() as said:  # a pipe that nobody reads would fill up, and stop the command
        return _watch(command, out, said)


def _watch(command: Sequence[str], out: Path, said: IO[bytes]) -> Started:
    began = time.time()
    process = subprocess.Popen([sys.executable, *command], stderr=said, stdout=subprocess.DEVNULL)
    driver, worker = 0.0, 0.0
    while process.poll() is None:
        driver = max(driver, _peak_mb(process.pid))
        worker = max([worker, *(_peak_mb(pid) for pid in _ray_workers(process.pid))])
        time.sleep(POLL_SECONDS)
    whole = time.time() - began
    if process.returncode not in (0, 3):
        said.seek(0)
        raise RuntimeError(said.read().decode()[-2000:])
    shards = [file.stat().st_mtime for file in (out / "shards").glob("*.parquet")]
    success = (out / "_SUCCESS").stat().st_mtime
    return Started(min(shards) - began, success - max(shards), whole, driver, worker)


def _peak_mb(pid: int) -> float:
    """Return the most memory that a process ever held, 0 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(peak.split()[1]) / 1024


def _ray_workers(pid: int) -> Iterator[int]:
    """Find Ray's workers among a process's children and theirs."""
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
