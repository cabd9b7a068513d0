"""The controller alone, as a process, on a Kubernetes API of its own: bursts, one Service among many, restart, memory."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import figures, load

METHOD = """
* The API, the controller and the program that measures are three processes (four with etcd) on the same cores, so every
  figure is that of the whole, and rates have to be read against what the same API does without a controller in the same run.
* **Bare status writes**: merge patches of `services/status` as the controller sends them, 16 at a time, by a client of the
  same code with nothing else to do, while the same two watches of all Services are open.
* **Bare burst**: the same requests as a burst with a controller, without one: Services created 32 at a time, then for each
  one status write and one event, sent by the program that measures. What the controller does on top is watch and decide.
* **Burst**: Services created 32 at a time until the API has taken all; the clock runs from the first POST until the watch has
  told the last address, and the rate counts all of them. The controller cannot assign faster than Services arrive, so the rate
  of creation is given too. Every address is checked to be given once.
* **Backlog**: the Services exist when the controller starts; first address to last address told by the watch.
* **One Service**: POST sent until the watch told its address, one at a time, with all the others existing. Beside it one bare
  status write, to tell what of it is the API.
* **Restart**: process start until the watch told the address of a Service that was created while no controller ran; all other
  Services have their addresses. Python's own start is in it.
* **Resident**: `VmRSS` of the controller at the end of the step.
"""
METHOD_ALONE = """
* The API is a stand-in that costs next to nothing (`tests/bench/free_api.py`), a process of its own: what the controller does
  when the API is not the limit, over real HTTP connections, with the status write and the event of every Service.
* **Burst**: Services appear on the watch all at once; the clock runs until the last status was written. Every address is
  checked to be given once.
* **One Service**: its watch event sent until its status was written.
* **CPU time**: of the controller, including decoding, events and logs.
* **Resident**: `VmRSS` of the controller with all these Services.
"""


@dataclass
class Plan:
    burst: int
    many: int
    singles: int
    restarts: int
    rounds: int


FULL = Plan(burst=1000, many=10_000, singles=60, restarts=3, rounds=3)
SMALL = Plan(burst=300, many=1000, singles=30, restarts=1, rounds=1)


@dataclass
class _Book:
    entries: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def add(self, what: str, unit: str, value: float) -> None:
        self.entries.setdefault((what, unit), []).append(value)
        print(f"  {what}: {value:.2f} {unit}", flush=True)

    def figures(self) -> tuple[figures.Figure, ...]:
        return tuple(figures.Figure(what, unit, tuple(values)) for (what, unit), values in self.entries.items())


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number:05}" for number in range(count)]


@dataclass
class _Bare:
    """What the API does per second without a controller."""

    writes: float
    burst: float


async def _bare(loaded: load.Load, book: _Book, count: int) -> _Bare:
    made = names("bare", count)
    second = asyncio.create_task(load.Load(loaded.client).follow())
    begun, ended = await loaded.create(made, lb_class=load.OTHER_CLASS)
    book.add("bare: Services created", "per s", count / (ended - begun))
    writes = count / await loaded.patch(made)
    book.add("bare: status writes", "per s", writes)
    await loaded.delete(made)
    burst = count / await loaded.bare_burst(made)
    book.add("bare burst: created, status and event written", "per s", burst)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    await loaded.delete(made)
    return _Bare(writes, burst)


async def _burst(loaded: load.Load, controller: load.Controller, book: _Book, made: list[str], bare: _Bare) -> None:
    what = f"burst of {len(made):,}"
    before = controller.cpu_seconds()
    begun, ended = await loaded.create(made)
    await loaded.until(lambda: len(loaded.ips) >= len(made))
    last = max(loaded.seen_at[name] for name in made)
    assert len(set(loaded.ips.values())) == len(made), "an address was given twice"
    book.add(f"{what}: created", "per s", len(made) / (ended - begun))
    book.add(f"{what}: assigned", "per s", len(made) / (last - begun))
    book.add(f"{what}: assigned / bare status writes", "ratio", len(made) / (last - begun) / bare.writes)
    book.add(f"{what}: assigned / bare burst", "ratio", len(made) / (last - begun) / bare.burst)
    book.add(f"{what}: last address after the last creation", "ms", (last - ended) * 1000)
    book.add(
        f"{what}: CPU time of the controller", "ms per Service", (controller.cpu_seconds() - before) * 1000 / len(made)
    )


async def _backlog(loaded: load.Load, controller: load.Controller, book: _Book, made: list[str], bare: _Bare) -> None:
    await loaded.create(made)
    controller.start()
    await loaded.until(lambda: len(loaded.ips) >= len(made))
    times = sorted(loaded.seen_at[name] for name in made)
    rate = (len(made) - 1) / (times[-1] - times[0])
    book.add(f"backlog of {len(made):,}: assigned", "per s", rate)
    book.add(f"backlog of {len(made):,}: assigned / bare status writes", "ratio", rate / bare.writes)


async def _rest(controller: load.Controller) -> None:
    """Until the controller has nothing to do: events of a burst are still being written for a while after it."""
    spent = -1.0
    while controller.cpu_seconds() - spent > 0.03:
        spent = controller.cpu_seconds()
        await asyncio.sleep(1)


async def _singles(loaded: load.Load, controller: load.Controller, book: _Book, count: int, existing: int) -> None:
    await _rest(controller)
    for number in range(count):
        name = f"single-{number}"
        begun = time.monotonic()
        posted = asyncio.create_task(loaded.client.create(load.SERVICES, load.service(name)))
        await loaded.until(lambda name=name: name in loaded.ips)
        book.add(f"one Service at {existing:,}: created -> status", "ms", (loaded.seen_at[name] - begun) * 1000)
        await posted
        begun = time.monotonic()
        body = {"metadata": {"annotations": {"bench.example.org/n": "1"}}}
        await loaded.client.patch(f"{load.SERVICES}/{name}/status", body, load.ports.Patch.MERGE)
        book.add(
            f"one Service at {existing:,}: one bare status write for comparison",
            "ms",
            (time.monotonic() - begun) * 1000,
        )
        await loaded.delete([name])


async def _restart(loaded: load.Load, controller: load.Controller, book: _Book, number: int, existing: int) -> None:
    controller.stop()
    name = f"late-{number}"
    await loaded.create([name])
    begun = controller.start()
    await loaded.until(lambda: name in loaded.ips)
    book.add(f"restart at {existing:,}: until the first new assignment", "s", loaded.seen_at[name] - begun)
    await controller.ready()
    await loaded.delete([name])
    await asyncio.sleep(8)  # it gives memory back some seconds after its start
    book.add(f"restart at {existing:,}: resident afterwards", "MiB", controller.resident_mib())


async def _measure(plan: Plan, state: Path, kubeconfig: Path) -> tuple[figures.Figure, ...]:
    book = _Book()
    async with load.load(kubeconfig) as loaded:
        controller = load.Controller(kubeconfig, state / "controller.log")
        try:
            for _ in range(plan.rounds):
                bare = await _bare(loaded, book, plan.burst)
                controller.start()
                await controller.ready()
                await _burst(loaded, controller, book, names("burst", plan.burst), bare)
                controller.stop()
                await loaded.delete(names("burst", plan.burst))
                await _backlog(loaded, controller, book, names("backlog", plan.burst), bare)
                await loaded.delete(names("backlog", plan.burst))
                controller.stop()
            controller.start()
            await controller.ready()
            book.add("no Services: resident", "MiB", controller.resident_mib())
            await _burst(loaded, controller, book, names("many", plan.many), bare)
            await _rest(controller)
            book.add(f"burst of {plan.many:,}: resident", "MiB", controller.resident_mib())
            await _singles(loaded, controller, book, plan.singles, plan.many)
            for number in range(plan.restarts):
                await _restart(loaded, controller, book, number, plan.many)
        finally:
            controller.stop()
    return book.figures()


def run(plan: Plan) -> Iterator[tuple[str, str, tuple[figures.Figure, ...]]]:
    """For each API there is: the part's name, what was measured on which machine, and the figures."""
    for part, api in load.apis():
        where = figures.machine()
        with tempfile.TemporaryDirectory(prefix="fra-bench-") as directory, api(Path(directory)) as (kubeconfig, name):
            print(f"controller on {name}", flush=True)
            found = asyncio.run(_measure(plan, Path(directory), kubeconfig))
        yield f"controller-{part}", f"{where}, on {name}", found


def run_free(plan: Plan) -> tuple[str, tuple[figures.Figure, ...]]:
    """The controller on an API that costs next to nothing, first alone and then with many Services existing."""
    where, book = figures.machine(), _Book()
    print("controller alone", flush=True)
    for existing in (0, plan.many):
        with (
            tempfile.TemporaryDirectory(prefix="fra-bench-") as directory,
            load.free_api(Path(directory), existing) as (kubeconfig, api),
        ):
            controller = load.Controller(kubeconfig, Path(directory) / "controller.log")
            controller.start()
            try:
                asyncio.run(controller.ready())
                _free(plan, existing, controller, api, book)
            finally:
                controller.stop()
    return where, book.figures()


def _free(plan: Plan, existing: int, controller: load.Controller, api: load.FreeApi, book: _Book) -> None:
    what = f"at {existing:,}"
    for number in range(plan.rounds):
        before = controller.cpu_seconds()
        book.add(
            f"{what}: burst of {plan.burst:,}: assigned", "per s", plan.burst / api.burst(plan.burst, f"burst-{number}")
        )
        time.sleep(5)  # the events are still being written
        spent = (controller.cpu_seconds() - before) * 1000 / plan.burst
        book.add(f"{what}: CPU time of the controller", "ms per Service", spent)
    for number in range(plan.singles):
        book.add(f"{what}: one Service: event -> status", "ms", api.burst(1, f"single-{number}") * 1000)
        time.sleep(0.05)
    book.add(f"{what}, and those of the bursts: resident", "MiB", controller.resident_mib())
