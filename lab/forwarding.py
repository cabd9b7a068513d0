"""The packet forwarding daemon: watches Services and EndpointSlices and loads each node's nftables ruleset.

Started by the supervisor: `python -m lab.forwarding --kubeconfig FILE --node n1=NETNS --node n2=NETNS`. One process for
all nodes; what to load is decided by `lab.rules`.
"""

import argparse
import asyncio
import contextlib
from pathlib import Path

from lab import kube, rules

_REST = 4
"""So many times as long as the last loading took nothing is loaded."""


async def load(path: Path, text: str) -> str:
    """Load a ruleset into the namespace at `path`, whole or not at all; what nft said, empty when it worked."""
    process = await asyncio.create_subprocess_exec(
        "nsenter", f"--net={path}", "--", "nft", "-f", "-",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate(text.encode())
    return said.decode() or f"nft ended with {process.returncode}" if process.returncode else ""


async def run(kubeconfig: Path, nodes: dict[str, Path]) -> None:
    """Keep every node's ruleset as Services and EndpointSlices want it. Never returns."""
    changed = asyncio.Event()
    loaded: dict[str, str] = {}
    async with kube.Api(kube.read_kubeconfig(kubeconfig)) as api:
        services = kube.Mirror(api, kube.path_of("v1", "Service"), changed)
        slices = kube.Mirror(api, kube.path_of("discovery.k8s.io/v1", "EndpointSlice"), changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(services.run())
            group.create_task(slices.run())
            while True:
                await changed.wait()
                changed.clear()
                if not (services.listed and slices.listed):
                    continue
                started = asyncio.get_running_loop().time()
                for node, path in nodes.items():
                    text = rules.ruleset(services.objects.values(), slices.objects.values(), node)
                    if loaded.get(node) != text:
                        said = await load(path, text)
                        print(f"forwarding: {node}: {said or 'loaded'}", flush=True)
                        if said:
                            loaded.pop(node, None)
                        else:
                            loaded[node] = text
                # A ruleset is loaded whole: with thousands of services that must leave the machine to others most of the time.
                await asyncio.sleep(_REST * (asyncio.get_running_loop().time() - started))


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m lab.forwarding", description="packet forwarding of the lab")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--node", action="append", default=[], metavar="NAME=NETNS")
    arguments = parser.parse_args()
    nodes = {name: Path(path) for name, _, path in (each.partition("=") for each in arguments.node)}
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(arguments.kubeconfig, nodes))


if __name__ == "__main__":
    main()
