"""Facts about `flipbatch.runtime.interruption`, with real signals and processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import argparse, os, signal, subprocess, sys, time
from contextlib import suppress
from flipbatch.runtime.command_line import add_common, run
from flipbatch.runtime.interruption import install_handlers

def wait(*words):
    print("ready", *words, flush=True)
    time.sleep(60)
def polite(): wait()
def deaf(*words):
    with suppress(BaseException): wait(*words)
    deaf()
def slow():
    try: wait()
    finally: time.sleep(60)
def parent():
    nowhere = subprocess.DEVNULL
    deaf(subprocess.Popen(["sleep", "60"], start_new_session=True, stdout=nowhere, stderr=nowhere).pid)
def exits():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(15))
    wait()
def replaced():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    install_handlers()
    wait()

parser = argparse.ArgumentParser()
add_common(parser)
main = globals()[sys.argv.pop()]
parser.set_defaults(go_on="Go on.", main=lambda _: main())
sys.exit(run(parser))
"""


def start(what: str) -> subprocess.Popen[str]:
    """Start a command that never ends, and wait until it runs."""
    return announced(what)[0]


def announced(what: str) -> tuple[subprocess.Popen[str], list[str]]:
    """Start a command; return it with what it says of itself when it runs."""
    command = [sys.executable, "-c", PROGRAM, what]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ready, *words = process.stdout.readline().split()
    assert ready == "ready"
    return process, words


def end(process: subprocess.Popen[str], *signals: signal.Signals) -> float:
    """Send signals; return after how many seconds the process ends as an interrupted one."""
    begin = time.monotonic()
    for one in signals:
        process.send_signal(one)
        time.sleep(0.1)
    assert process.communicate(timeout=30)[1] == "error: Interrupted. Go on.\n"
    assert process.returncode == 1
    return time.monotonic() - begin


@pytest.mark.parametrize("one", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("what", ["polite", "replaced"])
def test_a_signal_ends_a_command_with_one_sentence(what: str, one: signal.Signals) -> None:
    assert end(start(what), one) < 2


def test_a_library_that_exits_by_a_signal_does_not_hide_it() -> None:
    assert end(start("exits"), signal.SIGTERM) < 2


@pytest.mark.parametrize("what", ["deaf", "slow"])
def test_a_command_that_does_not_stop_ends_within_5_seconds(what: str) -> None:
    assert 2 < end(start(what), signal.SIGINT) < 5


@pytest.mark.parametrize("what", ["deaf", "slow"])
def test_a_second_signal_ends_a_command_at_once(what: str) -> None:
    assert end(start(what), signal.SIGINT, signal.SIGINT) < 2


def runs(process: int) -> bool:
    """Return whether a process runs: neither gone, nor waiting to be."""
    time.sleep(0.2)
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(") ")[2][0] not in "ZX"


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux names processes for sure")
def test_processes_that_a_command_has_started_end_with_it() -> None:
    process, (child,) = announced("parent")
    end(process, signal.SIGINT, signal.SIGINT)
    assert not runs(int(child))


def test_ctrl_c_that_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = start("polite")
    finally:
        signal.signal(signal.SIGINT, before)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3)
    assert end(process, signal.SIGTERM) < 2
