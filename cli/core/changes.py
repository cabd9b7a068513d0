"""What differs between two pictures of the installation, told as lines. Pure; called by the command `watch`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from cli.core import running, status
from cli.documents import status as documents
from cli.documents.owners import Owner
from cli.documents.sessions import Session
from controller import values as outcomes

Tone = Literal["ok", "bad", "unknown", "idle"]


@dataclass(frozen=True, slots=True)
class Change:
    """One line; `tone` says whether that is good, bad, uncertain or neither."""

    tone: Tone
    text: str


def between(before: status.Picture, after: status.Picture) -> tuple[Change, ...]:
    """Programs first, then what depends on them; each part sorted by name."""
    return (
        *_programs(before, after),
        *_problems(before, after),
        *_configurations(before, after),
        *_sessions(before, after),
        *_addresses(before, after),
        *_owners(before, after),
        *_announcers(before, after),
    )


def first(document: documents.StatusDocument) -> tuple[Change, ...]:
    """What a watch begins with: how things are, in one line."""
    sessions = sum(each.sessions for each in document.nodes)
    established = sum(each.established for each in document.nodes)
    services = document.services
    text = (
        f"watching {document.source}: {services.total} Services, {services.with_address} with address; {len(document.nodes)} nodes, "
        f"{established} of {sessions} sessions established; {len(document.problems)} problems"
    )
    return (Change(document.verdict, text),)


def _programs(before: status.Picture, after: status.Picture) -> Iterator[Change]:
    if before.seen.leader != after.seen.leader and after.seen.leader is not None:
        told = f"controller: {after.seen.leader} leads" if after.seen.leader else "controller: nobody leads"
        yield Change("idle" if after.seen.leader else "unknown", told)
    was = {(each.program, each.name): each for each in before.seen.pods or ()}
    now = {(each.program, each.name): each for each in after.seen.pods or ()}
    for key, new in sorted(now.items()):
        old = was.get(key)
        if old is None or old.is_ready != new.is_ready:
            yield Change("ok", f"{_pod(new)}: ready") if new.is_ready else Change("bad", f"{_pod(new)}: not ready")
    for key in sorted(was.keys() - now.keys()):
        yield Change("bad", f"{_pod(was[key])}: gone")


def _pod(pod: running.Pod) -> str:
    return f"{pod.program} {pod.name}{f' on {pod.node}' if pod.node else ''}"


def _problems(before: status.Picture, after: status.Picture) -> Iterator[Change]:
    was, now = ({_problem(each) for each in status.problems_of(picture)} for picture in (before, after))
    yield from (Change("bad", f"problem: {line}") for line in sorted(now - was))
    yield from (Change("ok", f"no longer a problem: {line}") for line in sorted(was - now))


def _problem(each: documents.Problem) -> str:
    return f"{each.object}: {each.text}" if each.object else each.text


def _configurations(before: status.Picture, after: status.Picture) -> Iterator[Change]:
    """FRR's state on each node. That a change is on its way is no news: what comes of it is."""
    for node, said in sorted(after.seen.statuses.items()):
        old = before.seen.statuses.get(node)
        if old is None:
            continue
        if old.frr.up != said.frr.up:
            yield (
                Change("ok", f"FRR on {node}: answers")
                if said.frr.up
                else Change("bad", f"FRR on {node}: does not answer")
            )
        state, error = said.configuration.state, said.configuration.last_error or ""
        if state == "Refused" and (state, error) != (old.configuration.state, old.configuration.last_error or ""):
            yield Change("bad", f"FRR on {node}: refused the configuration: {error}")
        elif state == "Applied" and (
            old.configuration.state == "Refused" or old.configuration.applied != said.configuration.applied
        ):
            yield Change("ok", f"FRR on {node}: runs {said.configuration.applied}")


def _sessions(before: status.Picture, after: status.Picture) -> Iterator[Change]:
    was, now = (_by_key(picture) for picture in (before, after))
    for key in sorted(was.keys() | now.keys()):
        old, new = was.get(key), now.get(key)
        if new is None:
            yield Change("idle", f"{_session(was[key])}: gone")
        elif old is None:
            yield Change(_tone(new), f"{_session(new)}: new, {_state(new)}")
        elif (old.state, old.bfd, old.verdict) != (new.state, new.bfd, new.verdict):
            yield Change(_tone(new), f"{_session(new)}: {_state(old)} → {_state(new)}{_why(new)}")


def _by_key(picture: status.Picture) -> dict[tuple[str, str, str], Session]:
    return {(each.node, each.vrf, each.neighbor): each for each in picture.sessions}


def _session(each: Session) -> str:
    vrf = "" if each.vrf == "default" else f" in VRF {each.vrf}"
    peers = f" ({', '.join(each.peers)})" if each.peers else ""
    return f"session {each.node} with {each.neighbor}{vrf}{peers}"


def _state(each: Session) -> str:
    return f"{each.state}, BFD {each.bfd}" if each.bfd else each.state


def _why(each: Session) -> str:
    found = each.note or (each.last_reset if each.verdict == "down" else "")
    return f" ({found})" if found else ""


def _tone(each: Session) -> Tone:
    return "bad" if each.verdict == "down" else each.verdict


def _addresses(before: status.Picture, after: status.Picture) -> Iterator[Change]:
    was, now = (_given(picture) for picture in (before, after))
    waited, waits = (status.pending(picture.decision) for picture in (before, after))
    for key in sorted(was.keys() | now.keys() | waited.keys() | waits.keys()):
        old, new = was.get(key, ()), now.get(key, ())
        if old != new:
            yield _address(key, old, new, after)
        if waits.get(key) not in (None, waited.get(key)) and not _is_coming(after, key):
            yield Change("bad", f"Service {key}: pending: {waits[key]}")


def _given(picture: status.Picture) -> dict[str, tuple[str, ...]]:
    return {
        key: entry.service.ingress for key, entry in picture.decision.memory.entries.items() if entry.service.ingress
    }


def _address(key: str, old: tuple[str, ...], new: tuple[str, ...], after: status.Picture) -> Change:
    entry = after.decision.memory.entries.get(key)
    if not new:
        return Change(
            "bad" if entry is not None else "idle", f"Service {key}: lost {', '.join(old)}{'' if entry else ' (gone)'}"
        )
    pool = f" from pool {entry.outcome.pool}" if entry and isinstance(entry.outcome, outcomes.Kept) else ""
    if not old:
        return Change("ok", f"Service {key}: got {', '.join(new)}{pool}")
    return Change("idle", f"Service {key}: {', '.join(old)} → {', '.join(new)}{pool}")


def _is_coming(picture: status.Picture, key: str) -> bool:
    """Whether a controller only has to write it."""
    return isinstance(picture.decision.memory.entries[key].outcome, outcomes.Assigned)


def _owners(before: status.Picture, after: status.Picture) -> Iterator[Change]:
    was, now = ({each.service: each for each in picture.owners} for picture in (before, after))
    for key in sorted(was.keys() | now.keys()):
        old, new = _holders(was, key), _holders(now, key)
        if old != new:
            told = f"{', '.join(old) or 'nobody'} → {', '.join(new) or 'nobody'}"
            verdict = now[key].verdict if key in now else "idle"
            note = f" ({now[key].note})" if key in now and now[key].note else ""
            yield Change(verdict, f"layer-2 owner of {key}: {told}{note}")


def _holders(owners: Mapping[str, Owner], key: str) -> tuple[str, ...]:
    return owners[key].holders if key in owners else ()


def _announcers(before: status.Picture, after: status.Picture) -> Iterator[Change]:
    was, now = ({each.service: each.nodes for each in picture.announcers} for picture in (before, after))
    for key in sorted(was.keys() | now.keys()):
        old, new = {*was.get(key, ())}, {*now.get(key, ())}
        if gained := sorted(new - old):
            yield Change("ok", f"BGP: {key} announced by {', '.join(gained)}")
        if lost := sorted(old - new):
            yield Change("idle", f"BGP: {key} no longer announced by {', '.join(lost)}")
