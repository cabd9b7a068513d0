"""Who holds which address, with which ports, under which sharing key. `allocate` asks and records, `pool_status` counts.

Derived from services alone and rebuilt from them at any time. It refuses with a value and never raises on what users wrote.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from controller import values
from controller.core import free_addresses, pool_choice, sharing
from controller.core import request as requests
from frr_adapter import addresses
from frr_adapter.model import service as services


@dataclass(frozen=True, slots=True)
class Claim:
    """All addresses of one Service, the one pool they come from, and what decides who else may use them."""

    key: str
    ips: tuple[addresses.Address, ...]
    pool: str
    sharing: str = ""
    backend: str = ""
    ports: tuple[services.Port, ...] = ()

    @classmethod
    def of(cls, request: requests.Request, ips: tuple[addresses.Address, ...], pool: str) -> "Claim":
        """The claim that a request makes on addresses."""
        return cls(request.key, ips, pool, request.sharing, request.backend, request.ports)


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a claim cannot be granted: the address that is in the way, and the sentence that names its holders."""

    address: addresses.Address
    why: values.WhyNot
    detail: str


@dataclass(slots=True)
class _Tenancy:
    """The holders of one address; they all have its sharing key and backend."""

    sharing: str
    backend: str
    ports: dict[services.Port, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)


class Ledger:
    """The record of all claims on the pools of one catalog. Mutable; owned by the one allocator that keeps it."""

    def __init__(self, catalog: pool_choice.Catalog) -> None:
        self.catalog = catalog
        self._claims: dict[str, Claim] = {}
        self._tenancies: dict[addresses.Address, _Tenancy] = {}
        self._in_use: dict[tuple[str, addresses.Family], int] = {}
        self._shared: dict[tuple[str, str, str, addresses.Family], sharing.SharedPlaces] = {}
        self._free = {
            (name, family): free_addresses.FreeAddresses(
                (network for network in pool.networks if network.version == family), avoid_buggy=pool.avoid_buggy_ips
            )
            for name, pool in catalog.pools.items()
            for family in catalog.families[name]
        }

    @property
    def claims(self) -> Mapping[str, Claim]:
        """Every claim by the key of its Service."""
        return MappingProxyType(self._claims)

    def holders(self, address: addresses.Address) -> tuple[str, ...]:
        """Keys of the services on the address, sorted."""
        tenancy = self._tenancies.get(address)
        return tuple(sorted(tenancy.keys)) if tenancy is not None else ()

    def in_use(self, pool: str, family: addresses.Family) -> int:
        """Distinct addresses of the pool in use; an address that several services share counts once."""
        return self._in_use.get((pool, family), 0)

    def check(self, claim: Claim) -> Blocked | None:
        """Why others stand against the claim, None when it can be recorded. What the same Service holds is never in its way."""
        for ip in claim.ips:
            tenancy = self._tenancies.get(ip)
            if tenancy is not None and (blocked := _check_one(claim, ip, tenancy)) is not None:
                return blocked
        return None

    def record(self, claim: Claim) -> None:
        """Grants a claim for which `check` found nothing; it replaces what the Service held."""
        self.release(claim.key)
        self._claims[claim.key] = claim
        for ip in claim.ips:
            tenancy = self._tenancies.get(ip)
            if tenancy is None:
                tenancy = self._tenancies[ip] = _Tenancy(claim.sharing, claim.backend)
                self._occupy(ip, tenancy)
            if not self._is_counted(tenancy, claim.pool):
                self._count(claim.pool, ip, 1)
            tenancy.keys.add(claim.key)
            tenancy.ports.update(dict.fromkeys(claim.ports, claim.key))

    def release(self, key: str) -> Claim | None:
        """Gives up everything the Service holds; the claim it had, if any."""
        claim = self._claims.pop(key, None)
        if claim is None:
            return None
        for ip in claim.ips:
            tenancy = self._tenancies[ip]
            tenancy.keys.discard(key)
            for port in claim.ports:
                if tenancy.ports.get(port) == key:
                    del tenancy.ports[port]
            if not self._is_counted(tenancy, claim.pool):
                self._count(claim.pool, ip, -1)
            if tenancy.keys:
                self._ease(ip, tenancy)
            else:
                del self._tenancies[ip]
                self._vacate(ip, tenancy)
        return claim

    def has_free(self, pool: str, family: addresses.Family) -> bool:
        """Whether the pool holds an address of the family that nobody uses."""
        free = self._free.get((pool, family))
        return free is not None and free.lowest() is not None

    def usable(self, pool: str, family: addresses.Family, request: requests.Request) -> addresses.Address | None:
        """The first address in the pool's order that the request may have: a free one, or one to share, whichever is first."""
        free = self._free.get((pool, family))
        if free is None:
            return None
        place = free.lowest()
        if request.sharing:
            shared = self._shared.get((request.sharing, request.backend, pool, family))
            if shared is not None:
                joined = shared.lowest(request.ports, lambda at: self._has_room(free.address(at), request))
                if joined is not None and (place is None or joined < place):
                    place = joined
        return free.address(place) if place is not None else None

    def _has_room(self, address: addresses.Address, request: requests.Request) -> bool:
        taken = self._tenancies[address].ports
        return not any(port in taken for port in request.ports)

    def _is_counted(self, tenancy: _Tenancy, pool: str) -> bool:
        return any(self._claims[key].pool == pool for key in tenancy.keys)

    def _count(self, pool: str, address: addresses.Address, step: int) -> None:
        at = (pool, addresses.family_of(address))
        self._in_use[at] = self._in_use.get(at, 0) + step

    def _occupy(self, address: addresses.Address, tenancy: _Tenancy) -> None:
        for pool, free, place in self._places(address):
            free.take(address)
            if tenancy.sharing:
                at = (tenancy.sharing, tenancy.backend, pool, addresses.family_of(address))
                self._shared.setdefault(at, sharing.SharedPlaces()).add(place)

    def _vacate(self, address: addresses.Address, tenancy: _Tenancy) -> None:
        for pool, free, place in self._places(address):
            free.give_back(address)
            if tenancy.sharing:
                at = (tenancy.sharing, tenancy.backend, pool, addresses.family_of(address))
                self._shared[at].remove(place)
                if self._shared[at].is_empty:
                    del self._shared[at]

    def _ease(self, address: addresses.Address, tenancy: _Tenancy) -> None:
        if not tenancy.sharing:
            return
        for pool, _, place in self._places(address):
            self._shared[tenancy.sharing, tenancy.backend, pool, addresses.family_of(address)].eased(place)

    def _places(self, address: addresses.Address) -> list[tuple[str, free_addresses.FreeAddresses, int]]:
        """Where the address stands in each pool that gives it out: one pool, unless pools overlap."""
        found = []
        for pool in self.catalog.containing(address):
            free = self._free[pool, addresses.family_of(address)]
            place = free.place(address)
            if place is not None:
                found.append((pool, free, place))
        return found


def _check_one(claim: Claim, ip: addresses.Address, tenancy: _Tenancy) -> Blocked | None:
    if len(tenancy.keys) == 1 and claim.key in tenancy.keys:
        return None  # a sole owner may change its key and its ports in place
    if not claim.sharing or (claim.sharing, claim.backend) != (tenancy.sharing, tenancy.backend):
        others = _shorten(sorted(tenancy.keys - {claim.key}))
        detail = f'cannot change sharing key for "{claim.key}", address "{ip}" also in use by {others}'
        return Blocked(ip, values.WhyNot.SHARING_KEY, detail)
    for port in claim.ports:
        owner = tenancy.ports.get(port, claim.key)
        if owner != claim.key:
            return Blocked(ip, values.WhyNot.PORT_IN_USE, f'port {port} is already in use on "{ip}" by {owner}')
    return None


def _shorten(keys: list[str], *, at_most: int = 5) -> str:
    more = f" and {len(keys) - at_most} more" if len(keys) > at_most else ""
    return ",".join(keys[:at_most]) + more
