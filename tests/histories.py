"""Random histories of Services against a controller whose API misbehaves, and what must hold at their end."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from controller.core import allocator
from frr_adapter import addresses, effects
from frr_adapter.model import service
from tests import build

POOL = "10.128.0.0/22"
Make = Callable[[str], Awaitable[Any]]


async def live(make: Make, remove: Make, *, total: int, seed: int) -> set[str]:
    """Makes `total` Services and removes every third or so again, a few at a time; the names of those that stay."""
    chance = random.Random(seed)
    standing: list[str] = []
    for number in range(total):
        name = f"s{number:04}"
        await make(name)
        standing.append(name)
        if chance.random() < 0.35:
            await remove(standing.pop(chance.randrange(len(standing))))
        if chance.random() < 0.1:
            await asyncio.sleep(chance.random() * 0.02)
    return set(standing)


def faults_of(found: tuple[service.Service, ...], names: set[str], lb_class: str) -> list[str]:
    """What is wrong with these Services as the API has them; empty when nothing is lost and nothing given twice."""
    wrong = [f"{name} is lost" for name in names ^ {each.ref.name for each in found}]
    wrong += [f"{each.key} has no address" for each in found if not each.ingress]
    holders: dict[str, list[str]] = {}
    for each in found:
        for ip in each.ingress:
            holders.setdefault(ip, []).append(each.key)
    wrong += [f"{ip} is given to {keys}" for ip, keys in holders.items() if len(keys) > 1]
    pool = build.pool("default", POOL)
    wrong += [f"{ip} is in no pool" for ip in holders if not pool.contains(addresses.parse_address(ip))]
    scratch = allocator.decide(build.snapshot(found, [pool]), lb_class=lb_class)
    wanted = [each for each in scratch.effects if isinstance(each, effects.WriteServiceStatus)]
    return wrong + [f"from scratch it would be {each}" for each in wanted]
