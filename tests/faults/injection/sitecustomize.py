"""Kills a process of a job at a planned moment, and logs which frames are opened.

Python imports a module of this name in every process whose PYTHONPATH has its folder: the command's, and
those of Ray that it starts. The plan is in the environment. Python's audit events report each file before it
is opened, renamed or removed, so no code of the job is changed.
"""

import json
import os
import re
import signal
import sys
from typing import Any

_EVENTS = {
    "open": "opened",
    "os.rename": "renamed",
    "os.link": "renamed",
    "os.remove": "removed",
    "import": "imported",
}


class _Plan:
    def __init__(self, folder: str) -> None:
        self.folder = folder
        with open(f"{folder}/plan.json") as file:
            plan = json.load(file)
        self.frames, self.faults = plan["frames"], plan["faults"]
        self.log = os.open(f"{folder}/opened", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def hear(self, act: str, path: str, mode: object) -> None:
        # Of the two events of an `open` with an opener, the one that has a mode.
        if act == "opened" and isinstance(mode, str) and path.startswith(self.frames):
            os.write(self.log, f"{path}\n".encode())
        writes = act != "opened" or (isinstance(mode, str) and "w" in mode)
        for number, fault in enumerate(self.faults):
            if fault["act"] == act and writes and re.search(fault["path"], path):
                self._kill(number, fault)

    def _kill(self, number: int, fault: dict[str, str]) -> None:
        try:  # once: what is started in this process's place gets further
            os.close(os.open(f"{self.folder}/done-{number}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        if fault["who"] == "job":
            with open(f"{self.folder}/command") as file:
                os.kill(int(file.read()), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def _install(folder: str) -> None:
    plan = _Plan(folder)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        act = _EVENTS.get(event)
        if act is not None and isinstance(arguments[0], str | os.PathLike):
            plan.hear(act, os.fspath(arguments[0]), arguments[1])

    sys.addaudithook(hook)


if "FLIPBATCH_FAULTS" in os.environ:
    _install(os.environ["FLIPBATCH_FAULTS"])


def _poison() -> None:
    """Let the decoder end the process over some files, and hang over others: none is known that really do."""
    import simplejpeg

    from flipbatch.frames import isolation

    isolation.LONGEST_DECODE_SECONDS = 3.0
    decode = simplejpeg.decode_jpeg

    def poisoned(data: bytes, *arguments: Any, **options: Any) -> Any:
        if data.endswith(b"kills"):
            os.kill(os.getpid(), signal.SIGSEGV)
        while data.endswith(b"hangs"):
            pass
        return decode(data, *arguments, **options)

    simplejpeg.decode_jpeg = poisoned


if "FLIPBATCH_POISON" in os.environ:
    _poison()


def _hurry() -> None:
    """Let pauses before retries be a tenth as long."""
    from flipbatch.storage import retries

    retries.FIRST_PAUSE_SECONDS /= 10
    retries.LONGEST_PAUSE_SECONDS /= 10


if "FLIPBATCH_HURRY" in os.environ:
    _hurry()
