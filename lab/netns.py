"""Do something inside a network namespace: in a thread of its own, because setns(2) moves only the calling thread.

Used by topology, probes and the relay. Must never move the calling thread itself.
"""

import contextlib
import ctypes
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")

_CLONE_NEWNET = 0x40000000
_MS_BIND = 0x1000
_libc = ctypes.CDLL(None, use_errno=True)


def _enter(path: Path) -> None:
    """Move this thread into the namespace mounted at `path`; OSError when it is none."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(fd, _CLONE_NEWNET), path)
    finally:
        os.close(fd)


def create(path: Path) -> None:
    """Make a network namespace and mount it on the file `path`; it lives as long as the mount. OSError when refused."""

    def make() -> None:
        _check(_libc.unshare(_CLONE_NEWNET), path)
        _check(_libc.mount(b"/proc/thread-self/ns/net", bytes(path), b"none", _MS_BIND, None), path)

    path.touch(exist_ok=False)
    _in_thread(make, path.name)


def inside(path: Path, work: Callable[[], Result]) -> Result:
    """What `work` returns or raises when it runs in the network namespace mounted at `path`.

    Sockets opened by `work` stay in that namespace and may be used by any thread afterwards.
    """

    def enter_and_work() -> Result:
        _enter(path)
        return work()

    return _in_thread(enter_and_work, path.name)


def _in_thread(work: Callable[[], Result], name: str) -> Result:
    """What `work` returns or raises in a thread that ends with it."""
    results: list[Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run, name=f"netns {name}")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def _check(outcome: int, path: Path) -> None:
    """OSError with the C library's error number unless `outcome` is 0."""
    if outcome != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"network namespace: {os.strerror(number)}", str(path))


def write_sysctls(values: dict[str, str]) -> None:
    """Set sysctls such as `net/ipv4/ip_forward` in this thread's namespace; those this kernel lacks are left out."""
    for name, value in values.items():
        with contextlib.suppress(FileNotFoundError):
            (Path("/proc/sys") / name).write_text(value, encoding="ascii")


def listen_tcp(path: Path, address: str, port: int) -> socket.socket:
    """A listening, non-blocking TCP socket inside the namespace at `path`."""

    def opened() -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.create_server((address, port), family=family, backlog=128)

    listener = inside(path, opened)
    listener.setblocking(False)
    return listener
