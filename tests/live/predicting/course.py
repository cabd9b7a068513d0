"""A history in a running lab: each step is foretold, made, watched until it came as foretold, and held against what came.

Used by `test_plan_reality`. Between two steps the routers follow what the BGPPeers want, and mistakes are taken back.
"""

import asyncio
import concurrent.futures
import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lab import control, kube
from tests.live.conftest import LabCluster
from tests.live.predicting import documents, foretelling, history, reality, second_router
from tests.live.predicting.documents import Json, Ref

_PATIENCE = 15.0
"""Seconds in which a step has to come as foretold."""
_STILL = 6
"""So many looks in a row have to show the same."""
_PAUSE = 0.1
_ORDER = (
    "Secret",
    "BFDProfile",
    "Community",
    "IPAddressPool",
    "BGPPeer",
    "BGPAdvertisement",
    "L2Advertisement",
    "Node",
)


class Course:
    """One lab and one history in it."""

    def __init__(self, lab: LabCluster, seed: int, frr: int) -> None:
        self._lab = lab
        self._frr = frr
        self._routed = ""
        self.seed = seed
        self.history = history.History(seed)
        self.steps = 0
        self.seen: Counter[str] = Counter()
        """What was foretold so far, by kind: a history in which nothing happens would prove nothing."""

    def begin(self) -> None:
        """The objects of the beginning, and everything up."""
        self._write(self.history.objects.values(), ())
        self._heal()

    def end(self) -> None:
        """Nothing of the history is left, so that another one can begin in the same lab."""
        self._write((), (ref for ref in self.history.objects if ref[0] != "Node"))

    def step(self, changes: int) -> tuple[str, ...]:
        """Some changes at once; what did not come as foretold, after the words for what was done."""
        before, known = self._settled(), dict(self.history.objects)
        step = self.history.step(changes)
        with tempfile.TemporaryDirectory() as directory:
            document = foretelling.ask(self._lab.kubeconfig, Path(directory), step)
        foretold = foretelling.read(document, before, step, self._frr)
        self.seen.update(foretold.news(before))
        with self._at_once():
            self._write(step.put, step.gone)
        found = self._watch(before, foretold)
        self._write(step.undo, step.mistaken)
        if foretelling.has_mistakes(document, step):
            # Changes that are good each for itself may be a mistake together. The programs remember what was good, the objects do not.
            self._write(*self.history.take_back(step, known))
        self._heal()
        self.steps += 1
        title = f"seed {self.seed}, step {self.steps}:"
        return (title, *step.words, "--", *document.gaps, *found) if found else ()

    @contextlib.contextmanager
    def _at_once(self) -> Iterator[None]:
        """The controller sees all that is written in the block in one moment, as the plan does: else an address may go to the first who asks
        before the one that had it gives it back."""
        control.ask(self._lab.places.control_socket, {"op": "signal", "target": "controller", "signal": "STOP"})
        try:
            yield
        finally:
            control.ask(self._lab.places.control_socket, {"op": "signal", "target": "controller", "signal": "CONT"})

    def _watch(self, before: reality.Look, foretold: foretelling.Prediction) -> tuple[str, ...]:
        """Looks until it is as foretold and stays so, or for as long as there is patience."""
        end, still = time.monotonic() + _PATIENCE, 0
        while True:
            after = reality.look(self._lab)
            found = foretold.differences(before, after)
            still = still + 1 if not found and not after.unapplied else 0
            if still == _STILL or time.monotonic() > end:
                late = [f"{node}: FRR does not run what is wanted" for node in after.unapplied]
                return (*found, *late)
            time.sleep(_PAUSE)

    def _heal(self) -> None:
        """The second router does what the BGPPeers want of it, and every session is up again."""
        text = second_router.configuration(self.history.peers(), self.history.word())
        if text != self._routed:
            self._lab.reload(second_router.NAME, text)
            self._routed = text
        self._lab.until("every session is up, and what waits for that is done", self._is_whole, 40)

    def _is_whole(self) -> bool:
        now = reality.look(self._lab)
        sessions = len(now.sessions) == len(self._wanted_sessions())
        waiting = any("follows as soon as the session was up" in text for text in now.texts.values())
        return sessions and not waiting and not now.unapplied and all(each.is_up for each in now.sessions.values())

    def _wanted_sessions(self) -> frozenset[reality.Session]:
        racks = {
            ref[2]: each["metadata"]["labels"]["rack"] for ref, each in self.history.objects.items() if ref[0] == "Node"
        }
        return frozenset(
            (node, spec["peerAddress"])
            for spec in self.history.peers().values()
            for node, rack in racks.items()
            if "nodeSelectors" not in spec or spec["nodeSelectors"] == [{"matchLabels": {"rack": rack}}]
        )

    def _settled(self) -> reality.Look:
        """A look that several others confirm."""
        last, still = reality.look(self._lab), 0
        while still < _STILL:
            time.sleep(_PAUSE)
            now = reality.look(self._lab)
            still = still + 1 if now == last and not now.unapplied else 0
            last = now
        return last

    def _write(self, put: Iterable[Json], gone: Iterable[Ref]) -> None:
        """First what goes, then configuration, then Services: as people do, and so that no address is given out in between."""

        async def work() -> None:
            async with kube.Api(kube.read_kubeconfig(self._lab.kubeconfig)) as api:
                for ref in gone:
                    await api.delete(_path(ref))
                for document in sorted(put, key=_rank):
                    await _apply(api, document)

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: asyncio.run(work())).result()


def _rank(document: dict[str, Any]) -> int:
    kind = document["kind"]
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _path(ref: Ref) -> str:
    kind, namespace, name = ref
    if kind == "ConfigMap":
        return f"/api/v1/namespaces/{namespace}/configmaps/{name}"
    version = {
        "Service": "v1",
        "Secret": "v1",
        "Node": "v1",
        "EndpointSlice": "discovery.k8s.io/v1",
        "BGPPeer": "metallb.io/v1beta2",
    }
    return kube.path_of(version.get(kind, "metallb.io/v1beta1"), kind, namespace, name)


async def _apply(api: kube.Api, document: Json) -> None:
    """As `kubectl apply --server-side`: fields that the file no longer has are removed."""
    path = _path(documents.ref_of(document))
    if document["kind"] == "Node":
        # Kubernetes cannot apply to a Node with addresses of both families: "duplicate entries for key".
        labels = {documents.EXCLUDE: None, **document["metadata"]["labels"]}
        await api.call("PATCH", path, {"metadata": {"labels": labels}}, "application/merge-patch+json")
        return
    await api.call("PATCH", f"{path}?fieldManager=operator&force=true", document, "application/apply-patch+yaml")
