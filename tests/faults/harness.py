"""Commands as users run them, and planned faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
INJECTION = Path(__file__).parent / "injection"
RESULTS = ("predictions", "videos", "events", "stills", "metrics.json", "misnamed.parquet", "_SUCCESS")


@dataclass(frozen=True)
class Fault:
    """SIGKILL, once, when a file is about to be opened for writing, renamed or removed, or a module imported.

    Attributes
    ----------
    act : str
        ``opened``, ``renamed``, ``removed`` or ``imported``.
    path : str
        Regular expression for the file's path, or the module's name.
    who : str
        ``process``: the one that is at it. ``job``: the command itself, too.
    """

    act: str
    path: str
    who: str = "job"


@dataclass
class Tally:
    """What the suite has done so far, printed when it ends: only what was seen to be right counts."""

    faults: Counter[str] = field(default_factory=Counter)
    frames: int = 0
    inputs: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def count(self, fault: str, frames: int, times: int = 1) -> None:
        """Count faults that a run survived, and the frames that it accounted for."""
        self.faults[fault] += times
        self.frames += frames

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain values."""
        return {**asdict(self), "faults": dict(self.faults), "inputs": dict(self.inputs)}

    def add(self, other: Mapping[str, Any] | None) -> None:
        """Add the counts of another process, as `to_json` returns them."""
        if other is not None:
            self.faults.update(other["faults"])
            self.inputs.update(other["inputs"])
            self.frames += other["frames"]
            self.notes += other["notes"]

    def lines(self) -> list[str]:
        """Return a line for each kind."""
        kinds = [f"{count:6,} {name}" for name, count in sorted(self.faults.items())]
        whole = f"{self.faults.total():6,} faults in all; {self.frames:,} frames accounted for, none lost, "
        inputs = [f"{count:6,} inputs, {name}: no crash" for name, count in sorted(self.inputs.items())]
        return [*kinds, whole + "doubled or wrong", *inputs, *self.notes]


TALLY = Tally()


class Job:
    """A command that scores or trains, and the faults that are planned for it."""

    def __init__(
        self, folder: Path, frames: Path, *arguments: str, faults: Sequence[Fault] = (), address: str = ""
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        plan = {"frames": str(frames), "faults": [asdict(fault) for fault in faults]}
        (folder / "plan.json").write_text(json.dumps(plan))
        environment = os.environ | {
            "FLIPBATCH_FAULTS": str(folder),
            "PYTHONPATH": f"{INJECTION}:{ROOT}",
            "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",
        }
        environment.pop("RAY_ADDRESS", None)
        environment |= {"RAY_ADDRESS": address} if address else {}
        self._said = (folder / "said").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=self._said,
            stderr=self._said,
            start_new_session=True,
        )
        (folder / "command").write_text(str(self.process.pid))

    def wait(self, seconds: float = 240) -> int:
        """Return the exit code, negative where it was killed."""
        try:
            return self.process.wait(seconds)
        finally:
            self.kill()
            self._said.close()

    def kill(self) -> bool:
        """Kill the command; return whether it ran."""
        runs = self.process.poll() is None
        if runs:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
        return runs

    @property
    def said(self) -> str:
        """What it wrote."""
        return (self._folder / "said").read_text(errors="replace")

    @property
    def opened(self) -> Counter[str]:
        """How often each frame was opened."""
        log = self._folder / "opened"
        return Counter(log.read_text().splitlines() if log.exists() else [])

    @property
    def faults_done(self) -> int:
        """How many of its faults came to pass."""
        return len(list(self._folder.glob("done-*")))


def results(out: Path) -> dict[str, bytes]:
    """Return the bytes of everything that people read of a run.

    A hidden temporary file, which a process that was killed may leave, no reader of tables reads.
    """
    files = [file for name in RESULTS for file in [out / name, *sorted((out / name).rglob("[!.]*"))]]
    return {str(file.relative_to(out)): file.read_bytes() for file in files if file.is_file()}


def committed(out: Path) -> dict[str, set[str]]:
    """Return the URIs of each committed shard."""
    shards = sorted((out / "shards").glob("[0-9]*.parquet"))
    return {file.name: set(pq.read_table(file, columns=["uri"])["uri"].to_pylist()) for file in shards}


def workers_of(pid: int) -> list[int]:
    """Return the processes of Ray that decode and predict for a command."""
    return [worker for worker in descendants(pid) if "MapBatches" in command_line(worker)]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def descendants(pid: int) -> set[int]:
    """Return a process's children and theirs."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(") ")[2].split()[1])
        except OSError:
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}
