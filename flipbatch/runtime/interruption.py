"""Ctrl-C and SIGTERM end a command within seconds, whatever it does; `ray job submit` stops a job by SIGTERM.

The first signal raises KeyboardInterrupt, and the command cleans up. If that takes too long, or at a second
signal, the process ends without it: a run can be killed at any time. Signals arrive through a pipe, because a
Python function is not called while the main thread is in C++, such as that of Ray.

Knows signals and processes. Does not know what a command does or prints.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

SECONDS_TO_CLEAN_UP = 2.5
"""`ray job stop` kills a job 3 s after its SIGTERM."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """A block that signals interrupt. The block has to be in the main thread; in another one, none does.

    Parameters
    ----------
    last_words : callable
        Called once, by `say_last_words` or before the process ends without cleaning up.
    exit_code : int
        Of a process that ends so.
    """

    def __init__(self, last_words: Callable[[], None], exit_code: int) -> None:
        self._came, self._raised = threading.Event(), False
        self._words_to_say = [last_words]
        self._exit_code = exit_code
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._listen()
        return self

    def __exit__(self, *error: object) -> None:
        if (
            not self._came.is_set()
        ):  # else a second signal still ends the process, which may hang while it exits
            self._stop_listening()

    def _listen(self) -> None:
        ours, self._pipe = socket.socketpair()
        self._pipe.setblocking(False)
        self._fd_before = signal.set_wakeup_fd(self._pipe.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(ours,), daemon=True).start()
        self._before = {one: signal.getsignal(one) for one in _SIGNALS}
        _current.append(self)
        install_handlers()

    def _stop_listening(self) -> None:
        if not self._before:
            return
        _current.remove(self)
        for one, handler in self._before.items():
            signal.signal(one, handler)
        signal.set_wakeup_fd(self._fd_before)
        self._pipe.close()

    def install(self) -> None:
        """Handle the signals, but not one that was ignored when the process started, as by nohup."""
        for one, handler in self._before.items():
            if handler != signal.SIG_IGN:
                signal.signal(one, self._interrupt)

    def has_come(self) -> bool:
        """Return whether a signal has come. The thread that reads it may be a little late."""
        return self._came.wait(0.1)

    def say_last_words(self) -> None:
        """Call `last_words`, but only the first time."""
        while self._words_to_say:
            self._words_to_say.pop()()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._came.set()
        if not self._raised:
            self._raised = True
            raise KeyboardInterrupt

    def _watch(self, pipe: socket.socket) -> None:
        """Wait for a signal, and then for another one or until the time is up; then end the process.

        A library may have replaced our handler, so the signal is noted here, too.
        """
        with pipe, suppress(_NoMoreSignals):
            _next_signal(pipe)
            self._came.set()
            descendants = open_descendants()
            pipe.settimeout(SECONDS_TO_CLEAN_UP)
            with suppress(TimeoutError):
                _next_signal(pipe)
            self._end(descendants)

    def _end(self, descendants: Sequence[int]) -> None:
        try:
            self.say_last_words()
            sys.stdout.flush()
        finally:
            for process in descendants:
                with suppress(OSError):
                    signal.pidfd_send_signal(process, signal.SIGKILL)
            os._exit(self._exit_code)


def open_descendants() -> list[int]:
    """Return a file descriptor for each process that this one has started, and for those that they have.

    Only Linux has such descriptors; elsewhere there are none. A descriptor stays that of its process when
    another one gets the number.
    """
    children = defaultdict[int, list[int]](list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            number, _, rest = stat.read_text().partition(" ")
            children[int(rest.rpartition(")")[2].split()[1])].append(int(number))
    found = [os.getpid()]
    for parent in found:  # grows while it is read
        found += children[parent]
    return [descriptor for one in found[1:] for descriptor in _opened(one)]


def _opened(process: int) -> Iterator[int]:
    with suppress(OSError):  # it has ended meanwhile
        yield os.pidfd_open(process)


class _NoMoreSignals(Exception):  # noqa: N818
    """The block has ended."""


def _next_signal(pipe: socket.socket) -> None:
    """Wait for one of our signals."""
    while True:
        received = pipe.recv(1)
        if not received:
            raise _NoMoreSignals
        if received[0] in _SIGNALS:
            return


_current: list[Interruption] = []


def install_handlers() -> None:
    """Handle signals as the command wants it, if there is one. Libraries may have replaced its handlers."""
    for one in _current[-1:]:
        one.install()
