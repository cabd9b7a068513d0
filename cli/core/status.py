"""The installation at a glance: what the other answers say, summed up, and what is wrong anywhere. Pure.

Called by the commands `status` and `watch`. `Picture` is one moment; `watch` makes one after another from one `Course`, so that mistakes
keep the last good version as they do in the programs. It must never judge by rules of its own.
"""

import collections
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cli import values
from cli.core import allocation, running, unannounced
from cli.core import nodes as node_plans
from cli.core import owners as ownership
from cli.core import sessions as bgp_sessions
from cli.core import world as worlds
from cli.documents import status as documents
from cli.documents.owners import Announcer, Owner
from cli.documents.sessions import Session
from controller import values as outcomes
from controller.core import memory, report
from frr_adapter import problems

_REFUSED = "Refused"


@dataclass(frozen=True, slots=True)
class Picture:
    """One moment, put together for people. `decision` is the controller's in this world."""

    gathered: values.Gathered
    world: worlds.World
    decision: memory.Decision
    seen: running.Running
    sessions: tuple[Session, ...]
    owners: tuple[Owner, ...]
    announcers: tuple[Announcer, ...]
    unheard: tuple[unannounced.Unannounced, ...] = ()


def picture(gathered: values.Gathered, course: worlds.Course) -> Picture:
    """Advances the course to what was gathered, and looks at it."""
    world = course.advance(gathered.documents)
    seen = running.look(gathered)
    plans = node_plans.Nodes(world)
    owners = ownership.owners(world, seen, gathered.reports)
    announcers = ownership.announcers(world, plans, seen, gathered.reports)
    return Picture(
        gathered=gathered,
        world=world,
        decision=allocation.decide(world),
        seen=seen,
        sessions=bgp_sessions.sessions(plans, seen, gathered.reports),
        owners=owners,
        announcers=announcers,
        unheard=unannounced.found(world, plans, seen, owners, announcers),
    )


def document(shown: Picture) -> documents.StatusDocument:
    """The answer."""
    nodes = tuple(_nodes(shown))
    services = _services(shown)
    found = problems_of(shown)
    programs = _programs(shown.seen)
    return documents.StatusDocument(
        source=shown.gathered.source,
        taken_at=shown.gathered.taken_at,
        verdict=_verdict(shown, programs, nodes, has_trouble=bool(found or services.pending or services.troubled)),
        programs=programs,
        pools=tuple(_pools(shown)),
        peers=tuple(_peers(shown)),
        nodes=nodes,
        services=services,
        problems=found,
        gaps=shown.gathered.gaps,
    )


def _verdict(
    shown: Picture, programs: documents.Programs, nodes: Iterable[documents.Node], *, has_trouble: bool
) -> documents.Verdict:
    is_ready = programs.speakers_ready == programs.speakers and programs.controllers_ready == programs.controllers
    words = {each.verdict for each in nodes}
    if has_trouble or "bad" in words or not is_ready:
        return "bad"
    is_seen = bool(programs.speakers and (programs.controllers or programs.leader))
    knows_owners = all(each.verdict != "unknown" for each in shown.owners)
    return "ok" if is_seen and knows_owners and "unknown" not in words and not shown.gathered.gaps else "unknown"


def pending(decision: memory.Decision) -> dict[str, str]:
    """Why each Service that wants an address has none, or not all; by key, sorted."""
    found = {}
    for key, entry in sorted(decision.memory.entries.items()):
        match entry.outcome:
            case outcomes.Refused() as refused:
                found[key] = report.reason(refused) or str(refused.why)
            case outcomes.Kept(lacks=lacks) | outcomes.Assigned(lacks=lacks) if lacks:
                found[key] = f"lacks a second address: {'; '.join(map(str, lacks))}"
            case outcomes.Assigned(ips=ips, pool=pool):
                found[key] = f"gets {', '.join(map(str, ips))} from pool {pool} as soon as a controller writes it"
            case _:
                continue
    return found


def problems_of(shown: Picture) -> tuple[documents.Problem, ...]:
    """What is wrong with objects, as they show and as the programs say, each once; sorted."""
    known: dict[str, problems.Problem] = {}
    for each in (*shown.world.problems, *(one for node in shown.world.nodes.values() for one in node.problems)):
        # The programs say it in the compatible words, where there are some.
        known.setdefault(each.line, each)
        known.setdefault(each.summary, each)
    reporters: dict[str, set[str]] = collections.defaultdict(set)
    for each in known.values():
        reporters[each.line].update(())
    for complaint in shown.seen.complaints:
        found = known.get(complaint.line)
        reporters[found.line if found is not None else complaint.line].add(complaint.reporter)
    return tuple(_problem(line, known.get(line), said) for line, said in sorted(reporters.items()))


def _problem(line: str, found: problems.Problem | None, said: Iterable[str]) -> documents.Problem:
    named = "" if found is None else str(found.ref)
    return documents.Problem(line.removeprefix(f"{named}: ") if named else line, named, tuple(sorted(said)))


def _programs(seen: running.Running) -> documents.Programs:
    if seen.pods is None:
        return documents.Programs(leader=seen.leader or "")
    controllers, speakers = seen.of("controller"), seen.of("speaker")
    return documents.Programs(
        leader=seen.leader or "",
        controllers_ready=sum(each.is_ready for each in controllers),
        controllers=len(controllers),
        speakers_ready=sum(each.is_ready for each in speakers),
        speakers=len(speakers),
    )


def _pools(shown: Picture) -> Iterator[documents.Pool]:
    pools = {each.name: each for each in shown.world.controller.configuration.pools}
    for counted in shown.decision.counts:
        pool = pools[counted.pool]
        yield documents.Pool(
            name=pool.name,
            addresses=tuple(each.text for each in pool.blocks),
            auto_assign=pool.auto_assign,
            used_ipv4=counted.assigned_ipv4,
            total_ipv4=counted.capacity_ipv4,
            used_ipv6=counted.assigned_ipv6,
            total_ipv6=counted.capacity_ipv6,
            is_broken=pool.is_broken,
        )


def _peers(shown: Picture) -> Iterator[documents.Peer]:
    by_peer: dict[str, list[Session]] = collections.defaultdict(list)
    for each in shown.sessions:
        for name in each.peers or (each.neighbor,):
            by_peer[name].append(each)
    for name, sessions in sorted(by_peer.items()):
        verdicts = collections.Counter(each.verdict for each in sessions)
        bfd = collections.Counter(each.bfd for each in sessions)
        yield documents.Peer(
            name=name,
            neighbors=tuple(sorted({each.neighbor for each in sessions})),
            established=verdicts["ok"],
            down=verdicts["down"],
            unknown=verdicts["unknown"],
            bfd_up=bfd["Up"],
            bfd_down=bfd["Down"],
        )


def _nodes(shown: Picture) -> Iterator[documents.Node]:
    by_node: dict[str, list[Session]] = collections.defaultdict(list)
    for each in shown.sessions:
        by_node[each.node].append(each)
    owned = collections.Counter(holder for each in shown.owners for holder in each.holders)
    for name in sorted({*shown.world.nodes, *by_node}):
        sessions = by_node[name]
        troubles = tuple(_troubles(shown, name, sessions))
        is_unknown = any(each.verdict == "unknown" for each in sessions)
        yield documents.Node(
            name=name,
            established=sum(each.verdict == "ok" for each in sessions),
            sessions=len(sessions),
            owns=owned[name],
            verdict="bad" if troubles else "unknown" if is_unknown else "ok",
            troubles=troubles,
        )


def _troubles(shown: Picture, node: str, sessions: Iterable[Session]) -> Iterator[str]:
    seen, told = shown.seen, shown.gathered.reports.get(node)
    silence = seen.silence(node)
    if silence:
        yield silence
    status = seen.statuses.get(node)
    if status is not None and not silence:
        if not status.frr.up:
            yield "FRR does not answer"
        if status.configuration.state == _REFUSED:
            yield f"FRR refused the configuration: {status.configuration.last_error or 'it did not say why'}"
        elif status.configuration.last_error:
            yield f"FRR did not take everything: {status.configuration.last_error}"
    if told is not None and told.speaker.layer2.is_fenced:
        yield "hears no majority of the speakers and answers for no address"
    for each in sessions:
        if each.verdict == "down":
            name = ", ".join(each.peers) or "a peer that is not ours"
            why = "; ".join(filter(None, (each.state, each.note, each.last_reset and f"last reset: {each.last_reset}")))
            yield f"session with {each.neighbor} ({name}): {why}"


def _services(shown: Picture) -> documents.Services:
    waiting = _waiting(shown)
    entries = shown.decision.memory.entries.values()
    # Only what is in the status counts: what the controller would give in a moment is not there yet.
    wanting = [each for each in entries if not isinstance(each.outcome, outcomes.Released)]
    return documents.Services(
        total=len(wanting),
        with_address=sum(bool(each.service.ingress) for each in wanting),
        on_layer2=sum(bool(each.holders or each.candidates) for each in shown.owners),
        pending=tuple(documents.Pending(key, reason) for key, reason in waiting.items()),
        troubled=tuple(_troubled(shown)),
        idle=tuple(documents.Pending(each.service, each.reason) for each in shown.unheard if each.is_idle),
    )


def _waiting(shown: Picture) -> dict[str, str]:
    """As `pending`; why is not known where nothing is known of pools, or of namespaces that they select."""
    found = pending(shown.decision)
    lacking = sorted({"IPAddressPool", "Namespace"} & shown.seen.unread)
    if not lacking:
        return found
    entries = shown.decision.memory.entries
    doubt = f"has no address; why is not known without {' and '.join(lacking)}"
    return {key: doubt for key in found if not entries[key].service.ingress}


def _troubled(shown: Picture) -> Iterator[documents.Pending]:
    yield from (documents.Pending(each.service, each.reason) for each in shown.unheard if not each.is_idle)
    yield from (documents.Pending(each.service, each.note) for each in shown.owners if each.verdict == "bad")
    for each in shown.announcers:
        # A node whose speaker is silent is told of once, not for every Service.
        late = [name for name in {*each.wanted} - {*each.nodes} if not shown.seen.silence(name)]
        if each.verdict == "bad" and (late or {*each.nodes} - {*each.wanted}):
            yield documents.Pending(each.service, each.note)
