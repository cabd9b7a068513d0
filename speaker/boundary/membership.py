"""Which speakers live: the gossip in a thread of its own, and what the program's event loop asks of it.

Started by the wiring of the speaker. The thread keeps the gossip's time while the event loop plans thousands of Services; should
the loop stand still for long, the thread falls silent, so that the others take over. `heartbeats` decides everything, here are
only a socket, a lock and the way back into the loop. Must never be asked by the thread for anything that waits.
"""

import asyncio
import contextlib
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from frr_adapter import addresses, errors
from frr_adapter.boundary import logs
from speaker import settings
from speaker.boundary import datagrams, gossip, heartbeats, roster

Member = roster.Member
Hearing = roster.Hearing

_log = logs.get_logger()

_ALIVE_SECONDS = 0.1
_SECRET_SECONDS = 5.0
_CLASH_LOG_SECONDS = 60.0
_DATAGRAMS_PER_TURN = 256
_LEAVING_SECONDS = 0.2
_SWITCH_SECONDS = 0.001
"""The interpreter changes threads this often while both want to run: five times the usual, as a question takes a few changes."""

_NICENESS = -15
"""Wanted for the thread. What is allowed is up to the container; without it a starved machine is sometimes taken for a dead one."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Everything counted since start. `refusals` are sorted by their word, those never met included."""

    sent: int
    received: int
    send_errors: int
    clashes: int
    refusals: tuple[tuple[gossip.Refusal, int], ...]


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the thread tells. `changed` and `received` are called in the event loop, `heard` in the thread: it must be quick.

    `changed` follows every change of who lives and of what members say about themselves. `heard` comes with the evidence and the
    time about every `timing.step`, for the quorum; it goes on while the loop is busy.
    """

    changed: Callable[[], None]
    received: Callable[[str, bytes], None] = lambda _sender, _body: None
    heard: Callable[[Hearing, float], None] = lambda _hearing, _now: None


class Membership:
    """One speaker among the others. All methods belong to one event loop."""

    def __init__(
        self,
        node: str,
        endpoint: datagrams.Endpoint,
        secret_directory: Path,
        timing: settings.Timing = settings.LAN,
        open_socket: Callable[[datagrams.Endpoint], datagrams.Datagrams] = datagrams.Udp,
    ) -> None:
        """Raises SettingsError when there is no secret fit for use: speakers never talk without one."""
        self._directory = secret_directory
        self._secret = gossip.read_secret(secret_directory)
        now = time.monotonic()
        generation = time.time_ns() // 1_000_000 << 16
        self._beats = heartbeats.Heartbeats(
            node, endpoint, gossip.Sealer(self._secret), timing, secrets.SystemRandom(), now, generation
        )
        self._endpoint = endpoint
        self._timing = timing
        self._open = open_socket
        self._lock = threading.Lock()
        self._socket: datagrams.Datagrams | None = None
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._callbacks = Callbacks(lambda: None)
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._sending: dict[int, asyncio.Future[None]] = {}
        self._shown: tuple[Member, ...] = self._beats.roster.members()
        self._version = -1
        self._sent = self._received = 0
        self._clash_logged = float("-inf")

    async def start(self, callbacks: Callbacks) -> None:
        """Talks and listens from now on. Raises OSError when the address cannot be bound."""
        self._socket = self._open(self._endpoint)
        self._callbacks = callbacks
        self._loop = asyncio.get_running_loop()
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_SECONDS))
        self._show_life()
        self._every(_SECRET_SECONDS, self._look_at_secret)
        self._thread = threading.Thread(target=self._run, name="membership", daemon=True)
        self._thread.start()

    def set_peers(self, peers: Mapping[str, addresses.Address]) -> None:
        """The speakers that there should be: running pods by node name. Kept for as long as nobody says otherwise."""
        with self._lock:
            self._beats.set_peers({name: str(address) for name, address in peers.items()}, time.monotonic())

    def set_metadata(self, metadata: bytes) -> None:
        """Says something about this speaker to all, within a round trip. Raises ValueError above `gossip.LONGEST_METADATA`."""
        if len(metadata) > gossip.LONGEST_METADATA:
            raise ValueError(f"metadata: found {len(metadata)} bytes; at most {gossip.LONGEST_METADATA} are allowed")
        with self._lock:
            outgoing = self._beats.set_metadata(metadata, time.monotonic())
        self._send_all(outgoing)

    def members(self) -> tuple[Member, ...]:
        """Everybody that is known, this speaker included, by name, as of the last `changed` or later."""
        return self._shown

    def live(self) -> frozenset[str]:
        """Names of the nodes whose speaker lives, this one's included unless it left."""
        return frozenset(member.name for member in self._shown if member.is_live)

    def hearing(self) -> Hearing:
        """The evidence for the quorum, as it is now."""
        with self._lock:
            return self._beats.roster.hearing()

    def counts(self) -> Counts:
        """Everything counted since start."""
        with self._lock:
            errors_ = self._socket.send_errors if self._socket is not None else 0
            refusals = tuple(sorted(self._beats.refusals.items()))
            return Counts(self._sent, self._received, errors_, self._beats.roster.clashes, refusals)

    async def send(self, name: str, body: bytes, seconds: float = 0.5) -> None:
        """Tells one member something, and returns when it has it, once.

        Raises TimeoutError when it did not say so in time (it may have it all the same), KeyError for an unknown member, and
        ValueError for more than `gossip.LONGEST_BODY` bytes or too many messages that wait for that member.
        """
        done = asyncio.get_running_loop().create_future()
        with self._lock:
            number, outgoing = self._beats.post(name, body, time.monotonic())
            self._sending[number] = done
        self._send_all(outgoing)
        try:
            async with asyncio.timeout(seconds):
                await done
        finally:
            with self._lock:
                self._sending.pop(number, None)
                self._beats.withdraw(name, number)

    async def leave(self) -> bool:
        """Says goodbye. Returns when every live member knows, at the latest after a fifth of a second; whether all know.

        This speaker still answers until `stop`.
        """
        with self._lock:
            outgoing = self._beats.leave(time.monotonic())
        self._send_all(outgoing)
        ends = time.monotonic() + _LEAVING_SECONDS
        while True:
            with self._lock:
                has_left = self._beats.has_left()
            if has_left or time.monotonic() > ends:
                return has_left
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        """Closes everything and says nothing: without `leave` the others see a death."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._is_stopping = True
        if self._socket is not None and self._thread is not None:
            self._socket.wake()
            await asyncio.to_thread(self._thread.join)
            self._socket.close()
            self._thread = None

    # In the event loop

    def _every(self, seconds: float, act: Callable[[], None]) -> None:
        self._timers[act] = asyncio.get_running_loop().call_later(seconds, act)

    def _show_life(self) -> None:
        self._beats.owner_alive = time.monotonic()
        self._every(_ALIVE_SECONDS, self._show_life)

    def _look_at_secret(self) -> None:
        """Kubelets replace the file when the Secret changes; a file that is unfit leaves the secret in use."""
        self._every(_SECRET_SECONDS, self._look_at_secret)
        try:
            found = gossip.read_secret(self._directory)
        except errors.SettingsError as error:
            _log.warning("secret of the gossip cannot be read; the one in use stays", error=str(error))
            return
        if found != self._secret:
            self._secret = found
            with self._lock:
                self._beats.sealer.rotate(found, time.monotonic())
            _log.info("secret of the gossip was replaced", old_understood_seconds=gossip.GRACE_SECONDS)

    def _tell(self, events: list[heartbeats.Event], *, is_changed: bool) -> None:
        if self._is_stopping:
            return
        for event in events:
            match event:
                case heartbeats.Delivered(sender, body):
                    self._callbacks.received(sender, body)
                case heartbeats.Confirmed(number):
                    done = self._sending.get(number)
                    if done is not None and not done.done():
                        done.set_result(None)
                case heartbeats.Clash(address):
                    self._log_clash(address)
        if is_changed:
            self._callbacks.changed()

    def _log_clash(self, address: str) -> None:
        now = time.monotonic()
        if now - self._clash_logged > _CLASH_LOG_SECONDS:
            self._clash_logged = now
            name = self._beats.roster.own.name
            _log.error("another speaker says it runs on this node; one of them must go", node=name, address=address)

    # In the thread

    def _run(self) -> None:
        socket, loop = self._socket, self._loop
        if socket is None or loop is None:
            return
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        next_step = time.monotonic()
        while not self._is_stopping:
            socket.wait(next_step - time.monotonic())
            try:
                next_step = self._turn(socket, loop, next_step)
            except Exception:  # the next datagram may be better; silence would be taken for a death
                _log.exception("gossip: a turn failed")
                next_step = time.monotonic() + self._timing.step

    def _turn(self, socket: datagrams.Datagrams, loop: asyncio.AbstractEventLoop, next_step: float) -> float:
        """Takes what came, and a step when it is due. Gives when the next one is."""
        outgoing: list[heartbeats.Outgoing] = []
        with self._lock:
            for _ in range(_DATAGRAMS_PER_TURN):  # a flood may not stop the clock
                found = socket.receive()
                if found is None:
                    break
                self._received += 1
                outgoing += self._beats.receive(*found, time.monotonic())
            now = time.monotonic()
            hearing = None
            if now >= next_step:
                next_step = now + self._timing.step
                outgoing += self._beats.step(now)
                hearing = self._beats.roster.hearing()
            events, self._beats.events = self._beats.events, []
            is_changed = self._has_changed()
        self._send_all(outgoing)
        if hearing is not None:
            self._callbacks.heard(hearing, now)
        if (events or is_changed) and not self._is_stopping:
            loop.call_soon_threadsafe(lambda: self._tell(events, is_changed=is_changed))
        return next_step

    def _has_changed(self) -> bool:
        if self._version == self._beats.roster.version:
            return False
        self._version = self._beats.roster.version
        before, self._shown = self._shown, self._beats.roster.members()
        return before != self._shown

    def _send_all(self, outgoing: list[heartbeats.Outgoing]) -> None:
        if self._socket is None:
            return
        for datagram, target in outgoing:
            self._socket.send(datagram, target)
        self._sent += len(outgoing)
