"""Where the lab keeps its files. Everything lies under one state directory; removing it removes the lab's files.

Every lab module asks here for a path. Only `log_files`, `record` and `recorded` touch the disk.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lab.errors import LabError

DEFAULT_NAME = "lab"
_LONGEST_SOCKET = 107
"""sun_path holds 108 bytes with the final NUL, unix(7)."""


class Recorded(msgspec.Struct, frozen=True):
    """What state.json says about a lab: who supervises it and what it is made of.

    `pid` and `started` (clock ticks since boot, field 22 of /proc/PID/stat) together name one process for ever.
    """

    name: str
    nodes: int
    pid: int
    started: int
    root: bool
    frr: str
    api: str


@dataclass(frozen=True, slots=True)
class Places:
    """The paths of one lab."""

    state: Path

    @property
    def record_file(self) -> Path:
        """state.json; its presence marks the directory as a lab's."""
        return self.state / "state.json"

    @property
    def lock_file(self) -> Path:
        """Held by the one command that changes the lab."""
        return self.state / "lock"

    @property
    def control_socket(self) -> Path:
        """The supervisor's unix socket."""
        return self.state / "control.sock"

    @property
    def api_socket(self) -> Path:
        """The embedded API's unix socket."""
        return self.state / "api.sock"

    @property
    def kubeconfig(self) -> Path:
        """For the user's own kubectl, outside of the lab."""
        return self.state / "kubeconfig"

    @property
    def inner_kubeconfig(self) -> Path:
        """For programs inside the namespaces: the same API through the relay."""
        return self.state / "kubeconfig.inner"

    @property
    def speakers_secret(self) -> Path:
        """The directory that a kubelet would mount of the Secret `memberlist`: what the speakers share."""
        return self.state / "memberlist"

    @property
    def created_file(self) -> Path:
        """Paths of the objects that the lab made in a cluster that is not its own, one per line."""
        return self.state / "created"

    @property
    def doors_file(self) -> Path:
        """How the embedded API runs a command in a container of a pod, see `lab.doors`."""
        return self.state / "doors.json"

    @property
    def logs(self) -> Path:
        """One folder per node, one file per program."""
        return self.state / "logs"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor says about itself."""
        return self.logs / "supervisor.log"

    def log(self, target: str) -> Path:
        """The log of a child process such as `n1/speaker`."""
        return self.logs / f"{target}.log"

    def log_files(self, target: str) -> tuple[str, ...]:
        """The log files of a target, a node or a shell pattern; `LabError` when there are none."""
        found = [path for path in self.logs.glob(f"{target}.log") if path.is_file()]
        found = found or sorted((self.logs / target).glob("*.log")) or sorted(self.logs.glob(target))
        if not found:
            known = " ".join(
                sorted(str(path.relative_to(self.logs).with_suffix("")) for path in self.logs.rglob("*.log"))
            )
            raise LabError(f"log {target!r} does not exist; there are: {known}")
        return tuple(str(path) for path in found)

    @property
    def netns_dir(self) -> Path:
        """Files on which the lab mounts its network namespaces, visible inside the lab's mount namespace only."""
        return self.state / "netns"

    def netns(self, name: str) -> Path:
        """The network namespace of that name."""
        return self.netns_dir / name

    def node(self, name: str) -> Path:
        """Node directory: frr.conf, the daemons' sockets, the wrappers `vtysh` and `frr-reload`."""
        return self.state / "nodes" / name

    def check(self, longest_name: str) -> None:
        """Raise `LabError` when a unix socket's path would not fit."""
        longest = str(self.node(longest_name) / "mgmtd_fe.sock")
        if len(longest.encode()) > _LONGEST_SOCKET:
            raise LabError(f"--state {self.state} is too long for unix sockets; choose a directory with a shorter path")

    def record(self, recorded: Recorded) -> None:
        """Write state.json in one step."""
        draft = self.record_file.with_suffix(".new")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(recorded)))
        draft.replace(self.record_file)

    def recorded(self) -> Recorded | None:
        """What state.json says; None when there is none or when it is torn."""
        try:
            return msgspec.json.decode(self.record_file.read_bytes(), type=Recorded)
        except (OSError, msgspec.DecodeError):
            return None


def default_state(name: str) -> Path:
    """The state directory of the lab `name` for this user."""
    suffix = "" if name == DEFAULT_NAME else f"-{name}"
    if os.geteuid() == 0:
        return Path(f"/run/frr-adapter-lab{suffix}")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / f"frr-adapter-lab{suffix}"
    return Path(f"/tmp/frr-adapter-lab-{os.getuid()}{suffix}")  # noqa: S108  # ownership is checked before use
