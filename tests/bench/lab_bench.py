"""The lab as a whole: how long it takes to start, what its programs weigh, and how soon a Service is a route."""

import os
import tempfile
import time
from pathlib import Path

from tests.bench import cluster
from tests.bench.figures import Figure

TITLE = "Lab"
METHOD = """
* **Lab start**: `python -m lab up` as a whole process, from the call to its exit, three nodes, embedded Kubernetes API. It
  returns after every demo service answered requests, so this includes sessions, routes and packets.
* **Resident memory**: `Pss` of the running programs in that lab some seconds after start, with the demo objects; both
  processes of a speaker together, and all speakers of all starts count. Pages of libraries that several programs map are divided among them.
* **Service -> route**: one Service at a time is created through the API in a lab at rest. The clock starts before the POST;
  it stops when a netlink listener inside the router's namespace sees the route with every node as next hop. Deleting likewise.
  FRR itself needs about 111 ms from a configuration line to the neighbor's kernel (two work queues of 50 ms, and zebra).
  The part `frr` measures that path alone. Then the same with 1,000 more announced Services, each with its EndpointSlice.
"""

CROWD = 1000


def service(name: str, pool: str = "") -> dict[str, object]:
    spec = {"type": "LoadBalancer", "selector": {"app": "demo"}, "ports": [{"port": 80, "targetPort": 8080}]}
    annotations = {"metallb.io/address-pool": pool} if pool else {}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "annotations": annotations}, "spec": spec}


def crowd(measured: cluster.Lab) -> Figure:
    """Makes `CROWD` Services as fast as one connection can, and waits until the router has them all."""
    ours = "/apis/metallb.io/v1beta1/namespaces/metallb-system"
    for kind, plural, spec in (
        ("IPAddressPool", "ipaddresspools", {"addresses": ["198.18.0.0/20"], "autoAssign": False}),
        ("BGPAdvertisement", "bgpadvertisements", {"ipAddressPools": ["crowd"]}),
    ):
        body = {"apiVersion": "metallb.io/v1beta1", "kind": kind, "metadata": {"name": "crowd"}, "spec": spec}
        measured.api("POST", f"{ours}/{plural}", body)
    watched = cluster.Routes(measured)
    started = time.monotonic()
    try:
        for number in range(CROWD):
            measured.api("POST", "/api/v1/namespaces/default/services", service(f"crowd-{number}", "crowd"))
        last = watched.when_all(CROWD, cluster.NODES, "198.18.")
    finally:
        watched.close()
    return Figure(
        f"{CROWD} Services created one after another -> all routes with all next hops", "s", (last - started,)
    )


def routes(measured: cluster.Lab, runs: int, beside: str = "") -> tuple[Figure, ...]:
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
        Figure(f"Service created{beside} -> address in status", "ms", tuple(assigned)),
        Figure(
            f"Service created{beside} -> route with all {cluster.NODES} next hops in the router's kernel",
            "ms",
            tuple(created),
        ),
        Figure(f"Service deleted{beside} -> route gone from the router's kernel", "ms", tuple(deleted)),
    )


def run(runs: int, starts: int) -> tuple[Figure, ...]:
    start_times: list[float] = []
    figures: tuple[Figure, ...] = ()
    memory: dict[str, list[float]] = {"controller": [], "speaker": []}
    for number in range(starts):
        with tempfile.TemporaryDirectory(prefix="fra-bench-", dir="/run" if os.geteuid() == 0 else None) as directory:
            Path(directory).chmod(0o755)  # FRR runs as a user of its own
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
                    print(f"{CROWD} Services at once, and {runs} more, one after another", flush=True)
                    figures = (*figures, crowd(measured))
                    time.sleep(10)  # status objects and events follow the routes
                    figures = (*figures, *routes(measured, runs, f" beside {CROWD} others"))
                    crowded = [
                        cluster.resident_mib(measured.pids(f"n{node}/speaker")) for node in range(1, cluster.NODES + 1)
                    ]
                    figures = (*figures, Figure(f"speaker, resident with {CROWD} Services", "MiB", tuple(crowded)))
    return (
        Figure("lab start, everything installed", "s", tuple(start_times)),
        Figure("controller, resident at rest", "MiB", tuple(memory["controller"])),
        Figure("speaker, resident at rest", "MiB", tuple(memory["speaker"])),
        *figures,
    )
