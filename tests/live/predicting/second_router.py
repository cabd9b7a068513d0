"""A second router on the segment of a lab: FRR in the switch's namespace, which does whatever the nodes' BGPPeers want of it.

The lab's own router accepts every node and nothing else; this one has an AS per session, passwords and BFD. Used by `test_plan_reality`.
"""

import asyncio
import concurrent.futures
import contextlib
import functools
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab import frr_install, plan, waiting, world
from tests.live.conftest import LabCluster
from tests.live.predicting import documents

NAME = "second"
_DAEMONS = ("zebra", "bgpd", "bfdd")


@contextlib.contextmanager
def running(lab: LabCluster) -> Iterator[None]:
    """FRR without any configuration, from its start until the block ends; `lab.vtysh` and `lab.reload` know it as `second`."""
    install, directory = frr_install.find(), lab.places.node(NAME)
    recorded = world.running(lab.places)
    _prepare(directory, install, recorded.pid, lab.places.netns(plan.SWITCH))
    for family, address in (("-4", "10.99.0.2/24"), ("-6", "fd00:99::2/64")):
        lab.exec(plan.SWITCH, ["ip", family, "address", "add", address, "dev", "br0", *(["nodad"] * (family == "-6"))])
    entry = world.entry_to(recorded, lab.places, plan.SWITCH)
    with contextlib.ExitStack() as stack, (directory / "log").open("wb") as log:
        for daemon in (*(("mgmtd",) if install.mgmtd else ()), *_DAEMONS):
            argv = install.daemon_argv(daemon, directory, recorded.root)
            process = subprocess.Popen([*entry, *argv], stdout=log, stderr=log, cwd="/")
            stack.callback(process.wait, 10)
            stack.callback(process.kill)
            lab.until(f"{daemon} of the second router", functools.partial(_answers, directory / f"{daemon}.vty"))
        yield


def configuration(peers: Mapping[str, dict[str, Any]], word: str) -> str:
    """What it has to run so that the sessions of these BGPPeers come up; by name. A session without one is awaited as it began."""
    peers = {name: peers.get(name) or documents.peer(name)["spec"] for name in documents.SECOND}
    first = peers[min(peers)]["peerASN"]
    lines = ["hostname second", f"router bgp {first}", " bgp router-id 10.99.0.2"]
    lines += [" no bgp ebgp-requires-policy", " no bgp default ipv4-unicast"]
    neighbors = []
    for name, spec in sorted(peers.items()):
        for number in range(1, len(documents.NODES) + 1):
            neighbor = f"fd00:99::{10 + number}" if name.endswith("6") else f"10.99.0.{10 + number}"
            neighbors.append(neighbor)
            lines.append(f" neighbor {neighbor} remote-as {spec.get('localASN', documents.NODE_ASN)}")
            if spec["peerASN"] != first:
                lines.append(f" neighbor {neighbor} local-as {spec['peerASN']} no-prepend replace-as")
            secret = spec.get("password") or (word if spec.get("passwordSecret") else "")
            settings = (
                "passive",
                "timers connect 1",
                f"password {secret}" * bool(secret),
                "bfd" * ("bfdProfile" in spec),
            )
            lines += [f" neighbor {neighbor} {each}" for each in settings if each]
    for family in ("ipv4", "ipv6"):
        lines.append(f" address-family {family} unicast")
        lines += [f"  neighbor {neighbor} activate" for neighbor in neighbors]
        lines.append(" exit-address-family")
    return "\n".join((*lines, "exit", ""))


def _prepare(directory: Path, install: frr_install.FrrInstall, supervisor: int, netns: Path) -> None:
    directory.mkdir(parents=True)
    for name, text in (("none.conf", ""), ("vtysh.conf", "service integrated-vtysh-config\n")):
        (directory / name).write_text(text)
    for path in (directory, directory / "none.conf", directory / "vtysh.conf"):
        os.chown(path, *(install.user if world.is_root() else (0, 0)))
    for tool in ("vtysh", "frr-reload"):
        path = directory / tool
        path.write_text(install.wrapper(tool, directory, netns, supervisor))
        path.chmod(0o755)


def _answers(path: Path) -> bool:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(waiting.vty_answers(path))).result()
