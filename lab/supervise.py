"""`python -m lab.supervise`: the process that owns a lab. Started detached by `lab up` inside fresh mount and process
namespaces (and a user namespace without root); when it ends, however it ends, the kernel takes everything with it.

It is the second process of its process namespace: the first only waits, so that orphans are reaped and that the end of
the supervisor ends the namespace. Must never outlive its state directory's owner command `lab down`.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path


def main() -> None:
    """Fork the waiting first process, then supervise."""
    parser = argparse.ArgumentParser(prog="python -m lab.supervise", description="owner of one lab; use `lab up`")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--no-demo", action="store_true")
    parser.add_argument("--no-programs", action="store_true")
    parser.add_argument("--kubeconfig", type=Path)
    parser.add_argument("--assets", type=Path)
    parser.add_argument("--rootless", action="store_true")
    arguments = parser.parse_args()
    if os.getpid() == 1:
        child = os.fork()
        if child:
            _wait_for(child)
    # Imported after the fork: the first process stays small and has no threads.
    asyncio.run(_supervise(arguments))


def _wait_for(child: int) -> None:
    """Be the namespace's first process: reap whatever ends; end with the supervisor. Never returns."""
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    while True:
        ended, status = os.wait()
        if ended == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


async def _supervise(arguments: argparse.Namespace) -> None:
    from lab import bring_up, catalog, frr_install, mounts, places, plan, supervisor, world

    here = places.Places(arguments.state)
    the_plan = plan.plan(arguments.nodes)
    install = frr_install.find()
    # /proc is the machine's own, so this is our id as everybody else sees it.
    outer = int(Path("/proc/self").readlink().name)
    root = not arguments.rootless
    mounts.prepare(install, here.state, root)
    owner = supervisor.Supervisor(here.control_socket)
    owner.facts.update(
        pid=outer, name=arguments.name, nodes=[node.name for node in the_plan.nodes], frr=install.version, root=root
    )
    processes = catalog.Catalog(plan=the_plan, places=here, install=install, root=root)
    options = bring_up.Options(
        demo=not arguments.no_demo,
        programs=not arguments.no_programs,
        kubeconfig=arguments.kubeconfig,
        assets=arguments.assets,
    )
    bring = bring_up.BringUp(owner, processes, options)
    owner.on_change = bring.changed
    here.record(
        places.Recorded(
            name=arguments.name, nodes=arguments.nodes, pid=outer, started=world.start_time(outer) or 0,
            root=root, frr=install.version, api=_api(arguments),
        )
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, owner.finished.set)
    for name in bring_up.STEPS:
        await owner.step(name, "waiting")
    server = await owner.serve()
    work = asyncio.create_task(bring.run())
    over = asyncio.create_task(owner.finished.wait())
    await asyncio.wait({work, over}, return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        # It only ends by a failure; stay, so that people can look.
        print(f"supervisor: {work.exception()!r}", file=sys.stderr, flush=True)
        await over
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await owner.stop_all(grace=2.0)
    server.close()


def _api(arguments: argparse.Namespace) -> str:
    """Which Kubernetes API, in one word."""
    if arguments.kubeconfig:
        return "given"
    return "real" if arguments.assets else "embedded"


if __name__ == "__main__":
    main()
