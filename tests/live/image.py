"""The built image and containers of it, as a kubelet would start them: users, groups, capabilities, seccomp, volumes, a read-only root.

`Image()` builds it; `Container(...)` runs one of its programs in the namespace of a machine. Kubernetes gives what it adds to the
capabilities only to the superuser; for others it is the bounding set. `RuntimeDefault` is what a runtime brings: here the profile of
podman and CRI-O, which is on every machine with buildah; SECCOMP_PROFILE names another file of that form (Docker's and containerd's
is one). Not here: cgroups. Used by `test_image`.
"""

import contextlib
import functools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import yaml

from tests.live import frr_pair

ROOT = Path(__file__).parents[2]
STORE = ROOT / ".cache/image"
NAME = "localhost/frr-adapter:latest"
PROFILE = Path(os.environ.get("SECCOMP_PROFILE", "/usr/share/containers/seccomp.json"))
CONFINE = Path(__file__).parent / "drivers/confine.py"

_INSIDE = """\
mount --make-rprivate /
mount --bind {root} {root}
mount -t proc proc {root}/proc
mount --bind {root}/proc/sys {root}/proc/sys
mount -o remount,ro,bind {root}/proc/sys
mount --rbind /sys {root}/sys
mount -o remount,ro,bind {root}/sys
mount -t tmpfs -o nosuid,mode=755 dev {root}/dev
for device in null zero full random urandom; do
  touch {root}/dev/$device
  mount --bind /dev/$device {root}/dev/$device
done
mount -o remount,ro {root}/dev
{volumes}
mount -o remount,ro,bind {root}
hostname {name}
exec "$@"
"""


def missing() -> str:
    """Why the image cannot be built here; empty when it can."""
    if not frr_pair.is_real_root():
        return "needs root: buildah's chroot isolation"
    absent = [program for program in ("buildah", "debootstrap", "setpriv") if shutil.which(program) is None]
    absent += [] if PROFILE.exists() else [str(PROFILE)]
    return f"needs {', '.join(absent)}: see `make image`" if absent else ""


@dataclass(frozen=True, slots=True)
class Security:
    """The part of a securityContext that decides what a program may do."""

    user: int
    group: int
    groups: tuple[int, ...]
    capabilities: frozenset[str]
    may_escalate: bool

    def without(self, capability: str) -> Self:
        """One capability less."""
        assert capability in self.capabilities
        return replace(self, capabilities=self.capabilities - {capability})

    @property
    def words(self) -> tuple[str, ...]:
        """The command that becomes so (setpriv of util-linux)."""
        bounds = ",".join(["-all", *(f"+{each.lower()}" for each in sorted(self.capabilities))])
        groups = ("--groups", ",".join(map(str, self.groups))) if self.groups else ("--clear-groups",)
        return (
            *("setpriv", "--reuid", str(self.user), "--regid", str(self.group), *groups),
            *("--bounding-set", bounds, "--inh-caps=-all", "--ambient-caps=-all"),
            *(() if self.may_escalate else ("--no-new-privs",)),
        )


def chart_security(program: str) -> Security:
    """What the chart's default values give to `controller`, `speaker` or `frr`."""
    values = yaml.safe_load((ROOT / "charts/frr-adapter/values.yaml").read_text(encoding="utf-8"))
    speaker = values["speaker"]
    contexts = {
        "controller": {**values["controller"]["securityContext"], **values["controller"]["containerSecurityContext"]},
        "speaker": speaker["containerSecurityContext"],
        "frr": speaker["frr"]["securityContext"],
    }
    context = contexts[program]
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"]["drop"] == ["ALL"]
    shared = context["fsGroup"] if program == "controller" else speaker["frr"]["fsGroup"]
    return Security(
        user=context["runAsUser"],
        group=context["runAsGroup"],
        groups=(shared,),
        capabilities=frozenset(context["capabilities"].get("add", ())),
        may_escalate=context["allowPrivilegeEscalation"],
    )


class Image:
    """Built on entering, unless it is there; its root file system is mounted until leaving."""

    def __enter__(self) -> Self:
        done = subprocess.run([ROOT / "containers/build", STORE], capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        self.size = done.stdout.strip().splitlines()[-1].removeprefix(NAME).strip()
        self._container = self.buildah("from", "--pull=never", NAME)
        self.root = Path(self.buildah("mount", self._container))
        return self

    def __exit__(self, *_: object) -> None:
        self.buildah("rm", self._container)

    def buildah(self, *words: str) -> str:
        """What buildah prints."""
        return frr_pair.run("buildah", "--root", STORE / "storage", "--runroot", STORE / "run", *words).strip()

    def config(self) -> dict[str, Any]:
        """User, entry point and variables."""
        found: dict[str, Any] = json.loads(self.buildah("inspect", "--type", "image", NAME))["OCIv1"]["config"]
        return found

    @property
    def environment(self) -> tuple[str, ...]:
        """Variables of every container."""
        return tuple(self.config()["Env"])

    def run(self, *command: str) -> str:
        """The output of a command in the root file system, as root."""
        return frr_pair.run("chroot", self.root, *command)


class Volumes:
    """What the containers of a pod share: directories as `emptyDir` makes them with `fsGroup`."""

    def __init__(self, group: int) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="image-pod-"))
        self.root.chmod(0o755)
        self._group = group

    def make(self, name: str) -> Path:
        """A directory that the group may write to."""
        path = self.root / name
        path.mkdir(exist_ok=True)
        os.chown(path, 0, self._group)
        path.chmod(0o2777)
        return path

    def remove(self) -> None:
        """All of them."""
        shutil.rmtree(self.root)


class Container:
    """One program of the image in the network namespace of a machine; what it says is in `log`."""

    def __init__(
        self, image: Image, namespace: str, security: Security, volumes: dict[str, Path], *command: str, log: Path
    ) -> None:
        self._security = security
        self._environment = image.environment
        self._root = image.root
        self.log = log
        root = shlex.quote(str(image.root))
        binds = [
            f"mkdir -p {root}{where}\nmount --bind {shlex.quote(str(path))} {root}{where}"
            for where, path in volumes.items()
        ]
        inside = _INSIDE.format(root=root, volumes="\n".join(binds), name=log.stem)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *("ip", "netns", "exec", namespace),
                    *("unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "sh", "-ec", inside, "sh"),
                    *self._words(*command),
                ],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip

    def _words(self, *command: str) -> tuple[str, ...]:
        """Into the root directory under the profile, then to user, groups and capabilities: the order of a runtime."""
        capabilities = ",".join(sorted(self._security.capabilities))
        confined = (sys.executable, "-I", str(CONFINE), str(PROFILE), capabilities, str(self._root))
        return (*confined, *self._security.words, "env", "-i", *self._environment, *command)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Whoever becomes another user is not killed with its parent any more (prctl(2), PR_SET_PDEATHSIG). With the first process all
        # others of its namespace end.
        if self.process.poll() is None:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for child in self._children.read_text(encoding="ascii").split():
                    os.kill(int(child), signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    @property
    def _children(self) -> Path:
        return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")

    @functools.cached_property
    def init(self) -> int:
        """The number of its first process on this machine."""
        return int(frr_pair.poll(lambda: self._children.read_text().split(), bool)[0])

    def exec(self, *command: str) -> subprocess.CompletedProcess[str]:
        """What `kubectl exec` does: the same user, groups, capabilities and profile, in the same namespaces."""
        enter = ("nsenter", "--target", str(self.init), "--mount", "--pid", "--net", "--uts")
        return subprocess.run([*enter, *self._words(*command)], capture_output=True, text=True, check=False, timeout=60)

    def stop(self) -> int:
        """SIGTERM to its first process; the exit status."""
        os.kill(self.init, signal.SIGTERM)
        return self.process.wait(25)

    @property
    def text(self) -> str:
        """What it said."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Of that, our own lines."""
        found = self.text.splitlines()
        return [json.loads(line) for line in found if line.startswith("{") and line.endswith("}")]

    def said(self, message: str) -> list[dict[str, Any]]:
        """The lines about this."""
        return [line for line in self.lines if line.get("msg") == message]
