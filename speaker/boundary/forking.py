"""The second process of a speaker: forked before there is a thread or an event loop, tied to the first one's life.

Called by the program's wiring, once, at its very start. A fork shares the memory of everything that was imported; the processes have
nothing else in common but the channel. The second one must never outlive the first: nobody would tell it what to answer for.
"""

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from frr_adapter.boundary import logs

_log = logs.get_logger()

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_NICENESS = -15
"""Wanted for the process that answers. What is allowed is up to the container (CAP_SYS_NICE)."""

_SLICE_NANOSECONDS = 100_000
"""It runs for very short times: Linux from 6.12 on lets it run the sooner for that, and asks for no privilege. 0.1 ms is the shortest."""

_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_SCHED_ATTR = struct.Struct("=IIQiIQQQII")
"""`struct sched_attr`, sched_setattr(2): size, policy, flags, nice, priority, runtime, deadline, period, least and most utilisation."""


@dataclass(frozen=True, slots=True)
class Forked:
    """The second process, and our end of the channel."""

    pid: int
    end: socket.socket

    async def ended(self) -> None:
        """Returns when the process has ended, or does not for a second: it ends with this one at the latest."""
        for _ in range(100):
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(self.pid, os.WNOHANG)[0] == 0:
                    await asyncio.sleep(0.01)
                    continue
            return


def fork(name: str, work: Callable[[socket.socket], int]) -> Forked:
    """Runs `work` with the other end of the channel in a process of its own, called `name` (15 bytes) in lists of processes.

    What `work` gives is its exit status. Raises OSError when there can be no second process.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    gc.freeze()  # objects that are never looked at by the collector stay in shared memory
    pid = os.fork()
    if pid:
        theirs.close()
        return Forked(pid, ours)
    status = 1
    try:
        ours.close()
        _settle_in(name, parent)
        status = work(theirs)
    except BaseException:
        _log.exception("layer 2 failed")
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(status)  # what the first process wants done at its end is not our business


def _settle_in(name: str, parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)  # it died before we asked to die with it
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the program; the first process tells us what follows from it
    run_soon(libc)


def run_soon(libc: ctypes.CDLL | None = None) -> None:
    """Asks the scheduler to let this process run soon after it is woken, as far as that is allowed; in a session of its own.

    For a process that has little to do and must do it at once.
    """
    libc = libc or ctypes.CDLL(None, use_errno=True)
    os.setsid()  # where sessions share processors (autogroup), planning shall not use up the share of answering
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
        Path("/proc/self/autogroup").write_text(f"{_NICENESS}\n", encoding="ascii")
    call = _SCHED_SETATTR.get(os.uname().machine)
    if call is not None:  # older kernels take it and change nothing
        niceness = os.getpriority(os.PRIO_PROCESS, 0)
        asked = _SCHED_ATTR.pack(_SCHED_ATTR.size, os.SCHED_OTHER, 0, niceness, 0, _SLICE_NANOSECONDS, 0, 0, 0, 0)
        libc.syscall(call, 0, ctypes.create_string_buffer(asked, len(asked)), 0)
