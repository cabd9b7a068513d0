"""MetalLB's speaker on a node of a lab, as it can be told from outside: an FRR of its own with the configuration that it renders, and
somebody who answers for layer-2 addresses.

Used by `tests.live.upstream_cluster`. Stands on a running lab whose own FRR on that node is stopped.
"""

import asyncio
import contextlib
import functools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab import bring_up, frr_install, plan, waiting, world
from lab.places import Places

ROOT = Path(__file__).parents[2]
_DAEMONS = ("mgmtd", "zebra", "bgpd", "bfdd", "staticd")


class Pod:
    """All containers of one speaker pod."""

    def __init__(self, places: Places, node: plan.NodePlan) -> None:
        self._places = places
        self._node = node
        self._frr = frr_install.find()
        self._directory = places.node(f"{node.name}-old")
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._responder: subprocess.Popen[str] | None = None
        self._held: tuple[str, ...] = ()

    def _entry(self) -> tuple[str, ...]:
        return world.entry_to(world.running(self._places), self._places, self._node.name)

    def start(self, announced: Sequence[str]) -> None:
        """Returns when FRR has its configuration: these addresses go to the router."""
        recorded = world.running(self._places)
        bring_up._prepare_directory(self._directory, self._frr.user if recorded.root else (0, 0))
        wrapper = self._directory / "vtysh"
        wrapper.write_text(
            self._frr.wrapper("vtysh", self._directory, self._places.netns(self._node.name), recorded.pid),
            encoding="utf-8",
        )
        wrapper.chmod(0o755)
        for daemon in self._frr.daemons:
            argv = [*self._entry(), *self._frr.daemon_argv(daemon, self._directory, recorded.root)]
            argv += ["-p", "0"] if daemon == "bgpd" else []
            with (self._directory / f"{daemon}.log").open("ab") as log:
                self._daemons[daemon] = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            path = self._directory / f"{daemon}.vty"
            _until(f"{daemon} on {self._node.name}", functools.partial(_answers, path))
        config = self._directory / "frr.conf"
        config.write_text(frr_config(self._node.name, announced), encoding="ascii")
        subprocess.run([str(wrapper), "-f", str(config)], check=True, capture_output=True, timeout=30)
        command = [sys.executable, "-m", "tests.live.drivers.upstream_responder", "--interface", "eth0"]
        self._responder = subprocess.Popen(
            [*self._entry(), *command, "--link-local", str(self._node.link_local)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self._responder.stdout is not None
        assert self._responder.stdout.readline() == "ready\n"
        self._held = ()

    def hold(self, addresses: tuple[str, ...]) -> None:
        """The addresses that it answers for from now on."""
        if self._responder is not None and addresses != self._held:
            assert self._responder.stdin is not None
            self._responder.stdin.write(json.dumps(addresses) + "\n")
            self._responder.stdin.flush()
            self._held = addresses

    def stop(self) -> None:
        """SIGTERM to all containers, as at the end of a pod."""
        if self._responder is not None:
            assert self._responder.stdin is not None
            assert self._responder.stdout is not None
            self._responder.stdin.close()
            self._responder.wait(10)
            self._responder.stdout.close()
            self._responder = None
        for process in self._daemons.values():
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in self._daemons.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        self._daemons.clear()
        for name in _DAEMONS:
            (self._directory / f"{name}.vty").unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    return asyncio.run(waiting.vty_answers(path))


def _until(what: str, holds: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def frr_config(node: str, announced: Sequence[str]) -> str:
    """What MetalLB's FRR mode renders for two routers, one of each family, and these addresses."""
    by_family = {
        "ip": [each for each in announced if ":" not in each],
        "ipv6": [each for each in announced if ":" in each],
    }
    lines = [
        "log timestamp precision 3",
        f"hostname {node}",
        "ip nht resolve-via-default",
        "ipv6 nht resolve-via-default",
    ]
    routers = [str(each.ip) for each in plan.ROUTER_SEGMENT]
    for router in routers:
        lines += [f"route-map {router}-in deny 20", "exit"]
        for number, (family, addresses) in enumerate(by_family.items(), start=1):
            name = f"{router}-allowed-{'ipv4' if family == 'ip' else 'ipv6'}"
            length = 32 if family == "ip" else 128
            lines += [
                f"{family} prefix-list {name} seq {index} permit {each}/{length}"
                for index, each in enumerate(addresses, 1)
            ]
            lines += [f"route-map {router}-out permit {number}", f" match {family} address prefix-list {name}", "exit"]
    lines += [
        f"router bgp {plan.NODE_ASN}",
        " no bgp ebgp-requires-policy", " no bgp network import-check", " no bgp default ipv4-unicast",
        " bgp graceful-restart preserve-fw-state",
    ]  # fmt: skip
    for router in routers:
        lines += [f" neighbor {router} remote-as {plan.ROUTER_ASN}"]
        lines += [f" neighbor {router} disable-connected-check"] if ":" in router else []
    for router, (family, addresses) in zip(routers, by_family.items(), strict=True):
        length = 32 if family == "ip" else 128
        lines += [
            f" address-family {'ipv4' if family == 'ip' else 'ipv6'} unicast",
            f"  neighbor {router} activate",
            f"  neighbor {router} route-map {router}-in in",
            f"  neighbor {router} route-map {router}-out out",
            *(f"  network {each}/{length}" for each in addresses),
            " exit-address-family",
        ]
    return "\n".join([*lines, "exit", "end", ""])
