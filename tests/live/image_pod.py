"""A speaker's pod made of the image, and its controller, on a machine of a segment; and the rights that a pod has by itself.

`Pod(...)` has the volumes and starts containers. `with ServiceAccount(pod) as rights:` puts the API behind TLS, for those who show its
token; a command with `rights.words` before it finds both where every pod has them. Used by `test_image`.
"""

import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.live import frr_pair, image, old_authority
from tests.live import segment_bgp as s
from tests.live import speaking_node as k

_FRONT = Path(__file__).parent / "drivers/tls_front.py"
_PORT = 6443
_ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"
"""Behind the link `/var/run`, where every program looks for it."""


@dataclass
class Pod:
    """The volumes of a pod, and containers on its node."""

    built: image.Image
    net: s.Segment
    api: k.Api
    volumes: image.Volumes

    def container(self, name: str, security: image.Security, *arguments: str, command: str = "") -> image.Container:
        """One container; `command` instead of its own program."""
        # The kubeconfig stands for the token of a service account, which every user of a pod may read.
        access = self.volumes.make("access")
        kubeconfig = access / "kubeconfig"
        kubeconfig.write_text(self.api.kubeconfig.read_text())
        kubeconfig.chmod(0o644)
        volumes = {"/mnt": access, _ACCOUNT: self.account, "/tmp": self.volumes.make(f"tmp-{name}")}  # noqa: S108
        if name != "controller":
            volumes |= {"/run/frr": self.volumes.make("sockets"), "/etc/frr": self.volumes.make("conf")}
        else:
            del volumes["/tmp"]  # noqa: S108
        namespace = self.net["n1"].namespace
        command = command or f"/usr/local/bin/frr-adapter-{name}"
        log = self.volumes.root / f"{name}.log"
        return image.Container(self.built, namespace, security, volumes, command, *arguments, log=log)

    @property
    def account(self) -> Path:
        """The volume with token and authority."""
        return self.volumes.make("account")

    def frr(self, security: image.Security) -> image.Container:
        """FRR beside the speaker."""
        return self.container("frr", security)

    def speaker(self, security: image.Security, *more: str) -> image.Container:
        """The speaker, with more flags."""
        flags = ("--kubeconfig=/mnt/kubeconfig", "--node-name=n1", "--port=0", "--health-probe-port=17472", *more)
        return self.container("speaker", security, *flags)

    def controller(self, security: image.Security) -> image.Container:
        """The controller; it has nothing that may be written to."""
        flags = ("--kubeconfig=/mnt/kubeconfig", "--port=0", "--health-probe-port=17473")
        return self.container("controller", security, *flags)


class ServiceAccount:
    """Who shows this token may talk with the API, by TLS; a kubelet would keep the two files in each container."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        self._token = secrets.token_urlsafe()

    def __enter__(self) -> Self:
        made = old_authority.server("127.0.0.1")
        private = self._pod.volumes.make("front")
        for folder, name, content in (
            (private, "tls.crt", made.certificate),
            (private, "tls.key", made.key),
            (self._pod.account, "ca.crt", made.authority),
            (self._pod.account, "token", self._token.encode()),
        ):
            (folder / name).write_bytes(content)
        words = (str(_FRONT), str(private), str(_PORT), str(self._pod.api.port), self._token)
        self._said = self._pod.volumes.root / "front.log"
        with self._said.open("wb") as log:
            command = ("ip", "netns", "exec", self._pod.net["n1"].namespace, sys.executable, "-I", *words)
            self._process = subprocess.Popen(command, stdout=log)
        frr_pair.poll(lambda: self.let_in, lambda lines: lines[:1] == ["listening"])
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def words(self) -> tuple[str, ...]:
        """The variables that every container has."""
        return ("env", "KUBERNETES_SERVICE_HOST=127.0.0.1", f"KUBERNETES_SERVICE_PORT={_PORT}")

    @property
    def let_in(self) -> list[str]:
        """What the front says: that it listens, and then a line for each connection that showed the token."""
        return self._said.read_text(encoding="utf-8").splitlines()
