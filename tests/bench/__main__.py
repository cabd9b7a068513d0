"""`make bench`: measures on this machine and writes docs/benchmarks.md. Figures never make it fail."""

import argparse
import os
import platform
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import cluster

REPORT = Path(__file__).parents[2] / "docs/benchmarks.md"


@dataclass(frozen=True)
class Figure:
    what: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def p99(self) -> float:
        """The smallest value that 99 % do not exceed; with few runs this is the largest."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, -(-99 * len(ordered) // 100) - 1)]

    def row(self) -> tuple[str, ...]:
        shown = (self.median, self.p99, min(self.values), max(self.values))
        return (self.what, self.unit, str(len(self.values)), *(f"{value:.1f}" for value in shown))


HEADINGS = ("what", "unit", "runs", "median", "p99", "min", "max")


def service(name: str) -> dict[str, object]:
    spec = {"type": "LoadBalancer", "selector": {"app": "demo"}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def routes(measured: cluster.Lab, runs: int) -> tuple[Figure, ...]:
    """Create one Service, wait until all next hops are in the router's kernel, delete it, wait until the route is gone."""
    path = "/api/v1/namespaces/default/services"
    watched = cluster.Routes(measured)
    created: list[float] = []
    assigned: list[float] = []
    deleted: list[float] = []
    # The address is known beforehand because the lowest free one is given: whatever the first run gets, all get.
    try:
        for number in range(runs):
            started = time.monotonic()
            measured.api("POST", path, service(f"bench-{number}"))
            address = ""
            while not address:
                found = measured.api("GET", f"{path}/bench-{number}")
                ingress = found["status"].get("loadBalancer", {}).get("ingress") or [{}]
                address = ingress[0].get("ip", "")
            assigned.append((time.monotonic() - started) * 1000)
            created.append((watched.when(address, cluster.NODES) - started) * 1000)
            started = time.monotonic()
            measured.api("DELETE", f"{path}/bench-{number}")
            deleted.append((watched.when(address, 0) - started) * 1000)
    finally:
        watched.close()
    return (
        Figure("Service created -> address in status", "ms", tuple(assigned)),
        Figure(
            f"Service created -> route with all {cluster.NODES} next hops in the router's kernel", "ms", tuple(created)
        ),
        Figure("Service deleted -> route gone from the router's kernel", "ms", tuple(deleted)),
    )


def run(runs: int, starts: int) -> tuple[Figure, ...]:
    start_times: list[float] = []
    figures: tuple[Figure, ...] = ()
    memory: dict[str, list[float]] = {"controller": [], "speaker": []}
    for number in range(starts):
        with tempfile.TemporaryDirectory(prefix="fra-bench-", dir="/run" if os.geteuid() == 0 else None) as directory:
            print(f"lab start {number + 1} of {starts}", flush=True)
            with cluster.lab(Path(directory) / "lab") as measured:
                start_times.append(measured.started_in)
                time.sleep(6)  # the programs give memory back some seconds after their start; this is "at rest"
                memory["controller"].append(cluster.resident_mib(measured.pids("controller")))
                memory["speaker"] += [
                    cluster.resident_mib(measured.pids(f"n{node}/speaker")) for node in range(1, cluster.NODES + 1)
                ]
                if number == starts - 1:
                    print(f"{runs} Services, one after another", flush=True)
                    figures = routes(measured, runs)
    return (
        Figure("lab start, everything installed", "s", tuple(start_times)),
        Figure("controller, resident at rest", "MiB", tuple(memory["controller"])),
        Figure("speaker, resident at rest", "MiB", tuple(memory["speaker"])),
        *figures,
    )


def machine() -> str:
    frr = subprocess.run(["/usr/lib/frr/zebra", "--version"], capture_output=True, text=True, check=False).stdout
    version = frr.split()[2] if len(frr.split()) > 2 else "unknown"
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores shared by everything in the lab, Linux {platform.release()}, "
        f"Python {platform.python_version()}, FRR {version}, load average {load:.1f} at the start"
    )


def markdown(figures: tuple[Figure, ...], where: str) -> str:
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *(figure.row() for figure in figures)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"""# Benchmarks

Written by `make bench`; edit nothing here by hand.

Machine: {where}.

{table}

## Method

* **Lab start**: `python -m lab up` as a whole process, from the call to its exit, three nodes, embedded Kubernetes API. It
  returns after every demo service answered requests, so this includes sessions, routes and packets.
* **Resident memory**: `VmRSS` of the running programs in that lab some seconds after start, with the demo objects; all
  speakers of all starts count.
* **Service -> route**: one Service at a time is created through the API in a lab at rest. The clock starts before the POST;
  it stops when a netlink listener inside the router's namespace sees the route with every node as next hop. Deleting likewise.
  FRR itself needs about 111 ms from a configuration line to the neighbor's kernel (two work queues of 50 ms, and zebra).
  Until configuration goes over the VTY sockets, most of the rest is `frr-reload.py`, which every node of the lab starts at
  the same time on the same cores.
* p99 is the smallest value that 99 % of the runs do not exceed.
"""


def main() -> None:
    parser = argparse.ArgumentParser("tests.bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=30, help="Services to create, one after another")
    parser.add_argument("--starts", type=int, default=3, help="how often the lab is started")
    parser.add_argument("--print-only", action="store_true", help="do not write docs/benchmarks.md")
    chosen = parser.parse_args()
    where = machine()
    figures = run(chosen.runs, chosen.starts)
    table = Table(title="make bench")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in ("what", "unit") else "right")
    for figure in figures:
        table.add_row(*figure.row())
    Console().print(table)
    if not chosen.print_only:
        REPORT.write_text(markdown(figures, where))
        print(f"written: {REPORT}")


if __name__ == "__main__":
    main()
