"""Requests from the client to a service: each on a new connection, all at once, counted by who answered.

Used by `lab request` and the survey, inside the client's network namespace.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from lab import netns


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back: how many answers per node, from how many different client addresses as the backends saw them."""

    asked: int
    by_node: tuple[tuple[str, int], ...]
    clients: tuple[str, ...]
    failures: tuple[tuple[str, int], ...]

    @property
    def answered(self) -> int:
        """How many requests were answered."""
        return sum(count for _, count in self.by_node)

    def sentence(self) -> str:
        """Such as `20/20: n1 7, n2 6, n3 7`."""
        parts = [f"{node} {count}" for node, count in self.by_node]
        parts += [f"{why} {count}" for why, count in self.failures]
        return f"{self.answered}/{self.asked}: {', '.join(parts)}" if parts else "not asked"


def request(
    client: Path, address: IPv4Address | IPv6Address, port: int, count: int, seconds: float = 3.0, path: str = "/"
) -> Answers:
    """Send `count` requests from the namespace at `client`; one that takes longer than `seconds` has failed."""
    outcomes = netns.inside(client, lambda: asyncio.run(_all(str(address), port, count, seconds, path)))
    nodes = Counter(answer["node"] for answer in outcomes if isinstance(answer, dict))
    clients = {str(answer["client"]) for answer in outcomes if isinstance(answer, dict)}
    failures = Counter(answer for answer in outcomes if isinstance(answer, str))
    return Answers(
        asked=count,
        by_node=tuple(sorted(nodes.items())),
        clients=tuple(sorted(clients)),
        failures=tuple(sorted(failures.items())),
    )


async def _all(host: str, port: int, count: int, seconds: float, path: str) -> list[dict[str, str] | str]:
    return list(await asyncio.gather(*(_one(host, port, seconds, path) for _ in range(count))))


async def _one(host: str, port: int, seconds: float, path: str) -> dict[str, str] | str:
    """The backend's answer, or why there was none."""
    writer = None
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port)
            name = f"[{host}]" if ":" in host else host
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {name}\r\n\r\n".encode())
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            return "refused"
        answer: dict[str, str] = json.loads(body)
    except TimeoutError:
        return "timeout"
    except (OSError, ValueError) as error:
        return type(error).__name__
    else:
        return answer
    finally:
        if writer is not None:
            writer.close()
