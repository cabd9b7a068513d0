"""Which processes a lab runs and with which arguments. Pure: paths in, argument vectors out.

The supervisor starts what this names. Flags of the programs under test are part of their contract and appear only here.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from lab import objects
from lab.apiserver_real import Program
from lab.child import ChildSpec
from lab.frr_install import FrrInstall
from lab.objects import SYSTEM_NAMESPACE
from lab.places import Places
from lab.plan import API_PORT, BACKEND_PORT, CONTROL, HEALTH_PORT, METRICS_PORT, Plan


@dataclass(frozen=True, slots=True)
class ApiAddress:
    """Where relays find the API: a unix socket, or a host and port in the machine's own network."""

    unix: str = ""
    host: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Catalog:
    """The processes of one lab."""

    plan: Plan
    places: Places
    install: FrrInstall
    root: bool

    def api(self, port: int) -> ChildSpec:
        """The embedded Kubernetes API on a port of the machine's loopback, so that the user's kubectl reaches it."""
        places = self.places
        return self._python(
            "api", "lab.apiserver", "--host", "127.0.0.1", "--port", str(port),
            "--unix", str(places.api_socket), "--kubeconfig", str(places.kubeconfig),
            "--doors", str(places.doors_file),
        )  # fmt: skip

    def real_api(self, programs: Sequence[Program]) -> tuple[ChildSpec, ...]:
        """A real etcd and kube-apiserver on the machine's loopback."""
        return tuple(
            ChildSpec(target=target, argv=program.argv, log=self.places.log(target))
            for target, program in zip(("etcd", "api"), programs, strict=True)
        )

    def relays(self, api: ApiAddress) -> tuple[ChildSpec, ...]:
        """One relay to the API in each namespace where programs run."""
        names = (CONTROL, *(node.name for node in self.plan.nodes))
        to = ("--unix", api.unix) if api.unix else ("--host", api.host, "--to-port", str(api.port))
        return tuple(
            self._python(
                f"{name}/relay", "lab.relay", "--netns", str(self.places.netns(name)), "--port", str(API_PORT), *to
            )
            for name in names
        )

    def frr(self, router: str) -> tuple[ChildSpec, ...]:
        """The FRR daemons of the router or a node, in start order."""
        directory = self.places.node(router)
        return tuple(
            ChildSpec(
                target=f"{router}/{daemon}",
                argv=self.install.daemon_argv(daemon, directory, self.root),
                log=self.places.log(f"{router}/{daemon}"),
                netns=self.places.netns(router),
            )
            for daemon in self.install.daemons
        )

    def backends(self) -> tuple[ChildSpec, ...]:
        """One HTTP server per node, in the node's pod."""
        return tuple(
            self._python(
                f"{node.name}/backend", "lab.backend", "--node", node.name, "--port", str(BACKEND_PORT),
                netns=node.pod_namespace,
            )
            for node in self.plan.nodes
        )  # fmt: skip

    def endpoints(self) -> ChildSpec:
        """The EndpointSlice controller."""
        return self._python("endpoints", "lab.endpoints", *self._kubeconfig(), netns=CONTROL)

    def forwarding(self) -> ChildSpec:
        """The packet forwarding daemon."""
        nodes = (f"{node.name}={self.places.netns(node.name)}" for node in self.plan.nodes)
        arguments = [argument for node in nodes for argument in ("--node", node)]
        return self._python("forwarding", "lab.forwarding", *self._kubeconfig(), *arguments, netns=CONTROL)

    def controller(self) -> ChildSpec:
        """The controller under test, with a short lease: a killed one is restarted here, and nobody wants to wait for it."""
        lease = ("--lease-duration", "3", "--renew-deadline", "2", "--retry-period", "0.5")
        return self._python("controller", "controller", *self._program(), *lease, netns=CONTROL)

    def speakers(self) -> tuple[ChildSpec, ...]:
        """One speaker under test per node."""
        made = []
        for node in self.plan.nodes:
            directory = self.places.node(node.name)
            arguments = (
                "--node-name", node.name, *self._program(),
                "--frr-config-file", str(directory / "frr.conf"),
                "--frr-reload", str(directory / "frr-reload"),
                "--frr-vty-dir", str(directory),
                "--pod-name", objects.speaker_pod_name(node),
                "--ml-bindaddr", str(node.segment[0].ip),
                "--ml-labels", ",".join(f"{key}={value}" for key, value in objects.SPEAKER_LABELS.items()),
                "--ml-secret-key-path", str(self.places.speakers_secret),
            )  # fmt: skip
            made.append(self._python(f"{node.name}/speaker", "speaker", *arguments, netns=node.name))
        return tuple(made)

    def _program(self) -> tuple[str, ...]:
        """Flags that controller and speaker share."""
        return (
            *self._kubeconfig(), "--namespace", SYSTEM_NAMESPACE, "--port", str(METRICS_PORT),
            "--health-probe-port", str(HEALTH_PORT), "--log-level", "info",
        )  # fmt: skip

    def _kubeconfig(self) -> tuple[str, ...]:
        return ("--kubeconfig", str(self.places.inner_kubeconfig))

    def _python(self, target: str, module: str, *arguments: str, netns: str | None = None) -> ChildSpec:
        return ChildSpec(
            target=target,
            argv=(sys.executable, "-m", module, *arguments),
            log=self.places.log(target),
            netns=None if netns is None else self.places.netns(netns),
            env=(("PYTHONUNBUFFERED", "1"),),
        )
