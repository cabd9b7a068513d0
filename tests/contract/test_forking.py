"""The second process of a speaker on a real system: tied to the first one's life, deaf to what is meant for the program."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from speaker.boundary import forking

ROOT = Path(__file__).parents[2]

PARENT = """
import os, socket, sys, time
from speaker.boundary import forking

def work(end):
    print("ready", os.getpid(), flush=True)
    time.sleep(60)
    return 0

forking.fork("child", work)
time.sleep(60)
"""


def until(condition) -> None:
    limit = time.monotonic() + 8
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


def echo(end: socket.socket) -> int:
    while data := end.recv(100):
        end.sendall(data[::-1])
    return 3


async def test_the_two_talk_and_the_second_ends_by_itself():
    forked = forking.fork("second-of-two", echo)
    forked.end.sendall(b"abc")
    assert forked.end.recv(100) == b"cba"
    assert Path(f"/proc/{forked.pid}/comm").read_text(encoding="ascii").strip() == "second-of-two"
    forked.end.close()
    async with asyncio.timeout(5):
        await forked.ended()
    assert not Path(f"/proc/{forked.pid}").exists()


def test_signals_for_the_program_do_not_end_it():
    forked = forking.fork("deaf", echo)
    forked.end.sendall(b"1")
    assert forked.end.recv(10) == b"1"
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(forked.pid, number)
    forked.end.sendall(b"ab")
    assert forked.end.recv(10) == b"ba"
    forked.end.close()
    assert os.waitstatus_to_exitcode(os.waitpid(forked.pid, 0)[1]) == 3


def test_it_runs_in_short_slices():
    forked = forking.fork("short", echo)
    forked.end.sendall(b"1")
    assert forked.end.recv(10) == b"1"
    shown = Path(f"/proc/{forked.pid}/sched")
    slices = [line for line in shown.read_text().splitlines() if line.startswith("se.slice")] if shown.exists() else []
    forked.end.close()
    os.waitpid(forked.pid, 0)
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    if not slices or release < (6, 12):
        pytest.skip(
            "this kernel has no slices of its own for a process, or does not show them (Linux 6.12, CONFIG_SCHED_DEBUG)"
        )
    assert float(slices[0].split(":")[1]) == 100_000


def test_a_failure_is_an_exit_status_and_runs_nothing_of_the_first_process(capfd):
    def fail(_end: socket.socket) -> int:
        raise ValueError("no")

    forked = forking.fork("fails", fail)
    assert os.waitstatus_to_exitcode(os.waitpid(forked.pid, 0)[1]) == 1
    assert "ValueError: no" in capfd.readouterr().out
    forked.end.close()


def test_it_dies_with_the_first_process():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        word, pid = parent.stdout.readline().split()
        assert word == "ready"
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
        parent.wait()
        # Where nobody adopts it, a zombie remains; it does not run.
        until(lambda: not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text())
