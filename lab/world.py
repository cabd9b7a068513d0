"""Starting, entering, ending a lab from outside: the part that deals with root, user namespaces and leftovers.

Used by the commands. Ends only the process that state.json names together with its start time.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import lab
from lab import control, frr_install
from lab.errors import LabError
from lab.places import Places, Recorded

_TOOLS = {
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "sh": "dash",
}
_OWN_FILES = {"created",
    "state.json", "state.new", "lock", "logs", "nodes", "netns", "kubeconfig", "kubeconfig.inner", "memberlist",
    "api", "api.sock", "control.sock", "doors.json", "group",
}  # fmt: skip
"""All that a lab ever puts into its directory. Whatever else is there is somebody's, and `lab down` would remove it."""
_FEATURES = (
    ("network namespaces", ["true"], "CONFIG_NET_NS"),
    ("bridges", ["ip", "link", "add", "br0", "type", "bridge"], "module bridge"),
    ("veth pairs", ["ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"], "module veth"),
    (
        "nftables address translation",
        ["nft", "add table inet t; add chain inet t c { type nat hook prerouting priority dstnat; }"],
        "modules nf_tables and nft_chain_nat",
    ),
    (
        "random choice in nftables",
        ["nft", "add table inet t; add chain inet t c; add rule inet t c numgen random mod 2 0 accept"],
        "module nft_numgen",
    ),
)


def is_root() -> bool:
    """Whether a user namespace can be done without."""
    return os.geteuid() == 0


def check_machine() -> None:
    """Raise `LabError` with the first thing that is missing and what to do about it."""
    if sys.platform != "linux":
        raise LabError(f"the lab needs Linux, this is {sys.platform}: use a Linux machine or container")
    for tool, package in _TOOLS.items():
        if shutil.which(tool, path=_path()) is None:
            raise LabError(f"the program {tool} is missing: install the package {package}")
    frr_install.find()
    if not is_root() and _fails(["true"], net=False):
        raise LabError(
            "not root, and user namespaces are not allowed: run it with sudo, or allow them (sysctl "
            "kernel.unprivileged_userns_clone=1, user.max_user_namespaces>0, kernel.apparmor_restrict_unprivileged_userns=0)"
        )
    for feature, probe, remedy in _FEATURES:
        if said := _fails(probe, net=True):
            raise LabError(f"this machine cannot make {feature} ({said}): load or allow {remedy}")


def _path() -> str:
    """Where administrators' programs are, too."""
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _fails(command: Sequence[str], net: bool) -> str:
    """What a command says when it fails in fresh namespaces; empty when it works."""
    argv = ["unshare", *_unshare_user(), "--mount", *(["--net"] if net else []), *command]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "PATH": _path()})
    except OSError as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it failed"])[0]


def _unshare_user() -> list[str]:
    return [] if is_root() else ["--user", "--map-root-user"]


@contextlib.contextmanager
def lock(places: Places) -> Iterator[None]:
    """Make the state directory and hold its lock; `LabError` when another command has it."""
    _own_directory(places.state)
    while True:
        fd = os.open(places.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise LabError(
                f"another lab command is at work in {places.state}: wait for it, or use --name for a second lab"
            ) from None
        # `down` removes the file while it holds the lock: then this one is nobody's.
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(fd).st_ino == places.lock_file.stat().st_ino:
                break
        os.close(fd)
        _own_directory(places.state)
    try:
        yield
    finally:
        os.close(fd)


def _own_directory(state: Path) -> None:
    """The directory exists, is ours, is a lab's or empty, and FRR's user can reach it."""
    if is_root():
        for parent in state.parents:
            if parent.exists() and not parent.stat().st_mode & 0o001:
                raise LabError(f"--state {state}: FRR's user may not enter {parent}: choose another directory")
    try:
        state.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"--state {state} cannot be made ({error.strerror}): give a directory you may write") from error
    if state.is_symlink() or state.stat().st_uid != os.geteuid():
        raise LabError(f"--state {state} belongs to somebody else: remove it or give another directory")
    names = {entry.name for entry in state.iterdir()}
    if foreign := names - _OWN_FILES:
        raise LabError(f"--state {state} holds other files ({min(foreign)}): give an empty directory")
    state.chmod(0o755)


def start_time(pid: int) -> int | None:
    """Clock ticks since boot at which the process started, field 22 of proc(5) stat; None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def is_alive(recorded: Recorded | None) -> bool:
    """Whether the supervisor that state.json names still runs."""
    return recorded is not None and start_time(recorded.pid) == recorded.started


def running(places: Places) -> Recorded:
    """The record of a running lab; `LabError` when there is none."""
    recorded = places.recorded()
    if recorded is None or not is_alive(recorded):
        raise LabError(f"no lab runs in {places.state}: start one with `lab up`")
    return recorded


def start(places: Places, arguments: Sequence[str]) -> None:
    """Start the supervisor detached, in its own mount, process (and user) namespaces; return when it answers."""
    places.logs.mkdir(parents=True, exist_ok=True)
    python_path = [str(Path(lab.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PATH": _path(), "PYTHONPATH": ":".join(python_path), "PYTHONUNBUFFERED": "1"}
    argv = [
        "unshare", *_unshare_user(), "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
        sys.executable, "-m", "lab.supervise", "--state", str(places.state), *arguments,
        *([] if is_root() else ["--rootless"]),
    ]  # fmt: skip
    with places.supervisor_log.open("ab") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=environment, start_new_session=True
        )
    end = time.monotonic() + 20
    while True:
        with contextlib.suppress(LabError):
            control.ask(places.control_socket, {"op": "status"})
            return
        if process.poll() is not None or time.monotonic() > end:
            last = places.supervisor_log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise LabError(f"the supervisor did not start: {last[-1] if last else 'no word from it'}")
        time.sleep(0.02)


def clear(places: Places) -> None:
    """Remove what an earlier lab left, all but the lock that the caller holds."""
    for path in places.state.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != places.lock_file:
            path.unlink()


def end(places: Places) -> bool:
    """End the lab and remove its directory; whether there was anything. Call with the lock held."""
    recorded = places.recorded()
    if recorded is not None and is_alive(recorded):
        with contextlib.suppress(LabError):
            control.ask(places.control_socket, {"op": "down"}, seconds=2.0)
        if not _gone(recorded, 6.0):
            with contextlib.suppress(ProcessLookupError):
                os.kill(recorded.pid, signal.SIGKILL)
            if not _gone(recorded, 5.0):
                raise LabError(f"the supervisor (process {recorded.pid}) does not end: look at it with ps")
    shutil.rmtree(places.state)
    return recorded is not None


def _gone(recorded: Recorded, seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while is_alive(recorded):
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def is_inside(recorded: Recorded) -> bool:
    """Whether this process is in the lab's mount namespace already."""
    try:
        return Path("/proc/self/ns/mnt").samefile(f"/proc/{recorded.pid}/ns/mnt")
    except OSError:
        return False


def entry(recorded: Recorded) -> tuple[str, ...]:
    """The command prefix that runs something in the lab's mount (and user) namespace."""
    user = () if recorded.root else ("--user", "--preserve-credentials")
    return ("nsenter", "--target", str(recorded.pid), *user, "--mount", "--wd=.", "--")


def entry_to(recorded: Recorded, places: Places, namespace: str) -> tuple[str, ...]:
    """The command prefix that runs something in one of the lab's network namespaces, from outside or inside."""
    before = () if is_inside(recorded) else entry(recorded)
    return (*before, "nsenter", f"--net={places.netns(namespace)}", "--")


def reenter(recorded: Recorded, arguments: Sequence[str]) -> None:
    """Go on inside the lab: replace this process by the same command there. Returns when it is there already."""
    if is_inside(recorded):
        return
    replace((*entry(recorded), sys.executable, "-m", "lab", *arguments))


def replace(command: Sequence[str]) -> NoReturn:
    """Become another program."""
    sys.stdout.flush()
    python_path = [str(Path(lab.__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PATH": _path(), "PYTHONPATH": ":".join(python_path)}
    os.execvpe(command[0], list(command), environment)  # noqa: S606  # fixed programs, no shell wanted
