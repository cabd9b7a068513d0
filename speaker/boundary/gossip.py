"""What speakers say to each other about who lives, as datagrams: encrypted, authenticated, bounded, and useless when recorded.

`Sealer` is used by `heartbeats` alone. Nothing of a datagram is parsed before its authentication: fixed offsets find the key and
the session, then ChaCha20-Poly1305 (RFC 8439) decides. The key comes from the cluster's secret by HKDF (RFC 5869); each process
draws a session at random and seals with a key of its own, so that a counter is a safe nonce.
"""

import collections
import enum
import hmac
import itertools
import secrets
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import aead
from cryptography.hazmat.primitives.kdf import hkdf

from frr_adapter import errors, secret

LONGEST_DATAGRAM = 1232
"""Bytes of UDP payload: fits the smallest IPv6 packet that every link carries (RFC 8200 section 5)."""

LONGEST_METADATA = 256
LONGEST_BODY = 512
SHORTEST_SECRET = 16
"""Bytes. Who recorded a datagram can try short secrets at leisure."""

GRACE_SECONDS = 600.0
"""A secret that was replaced is understood for so long: kubelets bring the new one to each node at a time of their own."""

SECRET_FILE = "secretkey"  # noqa: S105 - the name of a file

_HEADER = struct.Struct("!4s4s16sQ")
_MAGIC = b"fam\x01"
_TAG = 16
LONGEST_PLAINTEXT = LONGEST_DATAGRAM - _HEADER.size - _TAG
_WINDOW = 64
_MOST_SESSIONS = 2048

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=253)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_KeyId = Annotated[bytes, msgspec.Meta(min_length=4, max_length=4)]
Fingerprint = Annotated[bytes, msgspec.Meta(min_length=6, max_length=6)]


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a member says about itself. `origin` names the process, `generation` orders its records, later processes included."""

    name: _Name
    origin: _Number
    generation: _Number
    is_left: bool = False
    metadata: Annotated[bytes, msgspec.Meta(max_length=LONGEST_METADATA)] = b""
    address: Annotated[str, msgspec.Meta(max_length=45)] = ""


class Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Something one member tells one other."""

    number: _Number
    body: Annotated[bytes, msgspec.Meta(max_length=LONGEST_BODY)]


class Ping(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """A question. Nothing in it makes anybody live: a recorded one is answered, not believed."""

    sender: _Name
    nonce: _Number
    newest_key: _KeyId
    seen: Annotated[bytes, msgspec.Meta(max_length=6)] = b""
    """Fingerprint of the record that the sender has of whom it asks."""
    wanted: Annotated[tuple[Fingerprint, ...], msgspec.Meta(max_length=40)] = ()
    received: Annotated[tuple[_Number, ...], msgspec.Meta(max_length=16)] = ()


class Ack(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """An answer, believed because it repeats the nonce of a question that is still open."""

    nonce: _Number
    newest_key: _KeyId
    record: Record
    ages: Annotated[bytes, msgspec.Meta(max_length=LONGEST_PLAINTEXT)] = b""
    """Eight bytes each: fingerprint of a record, milliseconds since its member was heard of."""
    details: Annotated[tuple[Record, ...], msgspec.Meta(max_length=40)] = ()
    messages: Annotated[tuple[Message, ...], msgspec.Meta(max_length=1)] = ()


class Nudge(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """A request to be asked now: there is news."""

    sender: _Name
    newest_key: _KeyId


Said = Ping | Ack | Nudge
_decoder = msgspec.msgpack.Decoder(Said)


class Refusal(enum.StrEnum):
    """Why a datagram was not believed; the values are words of a metric."""

    NOT_GOSSIP = "notGossip"
    STRANGER = "stranger"
    FORGED = "forged"
    OWN = "own"
    REPLAYED = "replayed"
    MALFORMED = "malformed"
    UNASKED = "unasked"
    TOO_OFTEN = "tooOften"
    TOO_MANY_MEMBERS = "tooManyMembers"


@dataclass(frozen=True, slots=True)
class Opened:
    """An authentic datagram: sealed by a process that has the secret, and seen here for the first time."""

    said: Said
    session: bytes
    key: bytes


def fingerprint(record: Record) -> bytes:
    """Six bytes that stand for this very record of a member, wherever it is."""
    text = f"{record.name}\0{record.origin}\0{record.generation}".encode()
    return hmac.digest(b"fingerprint", text, "sha256")[:6]


def read_secret(directory: Path) -> secret.Secret:
    """The secret that all speakers share. Raises SettingsError, one line, when there is none fit for use."""
    path = directory / SECRET_FILE
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.SettingsError(
            f"{path}: {error}; a readable file of at least {SHORTEST_SECRET} bytes is needed"
        ) from None
    if len(text.encode()) < SHORTEST_SECRET:
        raise errors.SettingsError(f"{path}: found {len(text)} characters; at least {SHORTEST_SECRET} are needed")
    return secret.Secret(text)


@dataclass(slots=True)
class _Window:
    """Which counters of a session were seen: the highest, and a bit for each of those just below (RFC 4303 section 3.4.3)."""

    cipher: aead.ChaCha20Poly1305
    highest: int = -1
    bits: int = 0

    def is_new(self, counter: int) -> bool:
        """Marks the counter; False for one that was seen or is too old to tell."""
        if counter > self.highest:
            self.bits = ((self.bits << min(counter - self.highest, _WINDOW)) | 1) & ((1 << _WINDOW) - 1)
            self.highest = counter
            return True
        behind = self.highest - counter
        if behind >= _WINDOW or self.bits >> behind & 1:
            return False
        self.bits |= 1 << behind
        return True


@dataclass(slots=True)
class _Key:
    """One secret: its name on the wire, the key of the cluster, and the cipher of our own session."""

    name: bytes
    cluster: bytes
    own: aead.ChaCha20Poly1305
    ends: float = float("inf")
    windows: collections.OrderedDict[bytes, _Window] = field(default_factory=collections.OrderedDict)


class Sealer:
    """Seals and opens datagrams with the newest secret, and with the one before it for a while. Not for two threads at once."""

    def __init__(self, shared: secret.Secret) -> None:
        self._session = secrets.token_bytes(16)
        self._counter = itertools.count()
        self._keys: dict[bytes, _Key] = {}
        self.newest = b""
        self.rotate(shared, 0.0)

    def rotate(self, shared: secret.Secret, now: float) -> None:
        """Uses another secret from now on. The one before is understood, and spoken to who lacks the new one, for a while."""
        derived = hkdf.HKDF(hashes.SHA256(), 36, salt=None, info=b"frr-adapter membership 1").derive(
            shared.reveal().encode()
        )
        name, cluster = derived[:4], derived[4:]
        if name == self.newest:
            return
        kept = {key.name: key for key in self._keys.values() if key.name in {self.newest, name} and key.ends > now}
        for key in kept.values():
            key.ends = now + GRACE_SECONDS
        again = kept.pop(name, None)
        self._keys = {**kept, name: again or _Key(name, cluster, _cipher(cluster, self._session))}
        self._keys[name].ends = float("inf")
        self.newest = name

    def key_for(self, theirs: bytes, now: float) -> bytes:
        """The key to speak to somebody whose newest key is that one: his, if we still may, else our newest."""
        key = self._keys.get(theirs)
        return theirs if key is not None and key.ends > now else self.newest

    def seal(self, said: Said, key: bytes) -> bytes:
        """The datagram that says it, under one of our keys."""
        chosen = self._keys.get(key) or self._keys[self.newest]
        counter = next(self._counter)
        header = _HEADER.pack(_MAGIC, chosen.name, self._session, counter)
        return header + chosen.own.encrypt(_nonce(counter), msgspec.msgpack.encode(said), header)

    def open(self, datagram: bytes, now: float) -> Opened | Refusal:
        """What a datagram says, or why it says nothing. Never raises; a stranger costs a look into a table, a forger one digest."""
        if not _HEADER.size + _TAG < len(datagram) <= LONGEST_DATAGRAM:
            return Refusal.NOT_GOSSIP
        magic, name, session, counter = _HEADER.unpack_from(datagram)
        if magic != _MAGIC:
            return Refusal.NOT_GOSSIP
        key = self._keys.get(name)
        if key is None or key.ends <= now:
            return Refusal.STRANGER
        if session == self._session:
            return Refusal.OWN
        window = key.windows.get(session) or _Window(_cipher(key.cluster, session))
        try:
            plain = window.cipher.decrypt(_nonce(counter), datagram[_HEADER.size :], datagram[: _HEADER.size])
        except InvalidTag:
            return Refusal.FORGED
        key.windows[session] = window
        key.windows.move_to_end(session)
        if len(key.windows) > _MOST_SESSIONS:
            key.windows.popitem(last=False)
        if not window.is_new(counter):
            return Refusal.REPLAYED
        try:
            return Opened(_decoder.decode(plain), session, name)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Refusal.MALFORMED


def _cipher(cluster: bytes, session: bytes) -> aead.ChaCha20Poly1305:
    """The key of one session, so that no two processes ever share a nonce."""
    return aead.ChaCha20Poly1305(hmac.digest(cluster, b"session" + session, "sha256"))


def _nonce(counter: int) -> bytes:
    return counter.to_bytes(12, "big")
