"""Sealed datagrams: nobody without the secret, nothing twice, nothing malformed."""

import pathlib

import hypothesis
import msgspec
import pytest
from hypothesis import strategies

from frr_adapter import errors, secret
from speaker.boundary import gossip

FIRST = secret.Secret("first-secret-of-the-cluster")
SECOND = secret.Secret("second-secret-of-the-cluster")
PING = gossip.Ping("n1", 7, b"abcd", b"123456", (b"654321",), (1, 2))
RECORD = gossip.Record("n1", 5, 6, metadata=b"eth0", address="10.0.0.1")
SAID = [
    PING,
    gossip.Ack(7, b"abcd", RECORD, b"12345678", (RECORD, RECORD), (gossip.Message(9, b"take 192.0.2.1"),)),
    gossip.Nudge("n1", b"abcd"),
]


def pair():
    return gossip.Sealer(FIRST), gossip.Sealer(FIRST)


def sealed(sealer, said=PING):
    return sealer.seal(said, sealer.newest)


@pytest.mark.parametrize("said", SAID, ids=lambda each: type(each).__name__)
def test_what_is_sealed_is_opened_once(said):
    here, there = pair()
    datagram = sealed(here, said)
    assert there.open(datagram, 0).said == said
    assert there.open(datagram, 0) is gossip.Refusal.REPLAYED
    assert b"n1" not in datagram


def test_late_datagrams_are_taken_and_very_late_ones_are_not():
    here, there = pair()
    datagrams = [sealed(here) for _ in range(100)]
    assert isinstance(there.open(datagrams[70], 0), gossip.Opened)
    assert isinstance(there.open(datagrams[10], 0), gossip.Opened)
    assert there.open(datagrams[10], 0) is gossip.Refusal.REPLAYED
    assert there.open(datagrams[6], 0) is gossip.Refusal.REPLAYED
    assert isinstance(there.open(datagrams[99], 0), gossip.Opened)
    assert isinstance(there.open(datagrams[98], 0), gossip.Opened)
    assert there.open(datagrams[70], 0) is gossip.Refusal.REPLAYED


def test_another_secret_is_a_stranger_before_anything_is_computed():
    assert gossip.Sealer(SECOND).open(sealed(gossip.Sealer(FIRST)), 0) is gossip.Refusal.STRANGER


def test_own_datagrams_that_come_back_are_nothing():
    here = gossip.Sealer(FIRST)
    assert here.open(sealed(here), 0) is gossip.Refusal.OWN


@hypothesis.given(strategies.binary(max_size=1400))
def test_garbage_is_refused(datagram):
    assert isinstance(gossip.Sealer(FIRST).open(datagram, 0), gossip.Refusal)


HERE, THERE = pair()


@hypothesis.given(strategies.data(), strategies.sampled_from(SAID))
def test_one_changed_bit_is_refused(data, said):
    datagram = bytearray(sealed(HERE, said))
    bit = data.draw(strategies.integers(0, len(datagram) * 8 - 1))
    datagram[bit // 8] ^= 1 << bit % 8
    assert isinstance(THERE.open(bytes(datagram), 0), gossip.Refusal)
    assert isinstance(THERE.open(bytes(datagram[: bit // 8]), 0), gossip.Refusal)


@hypothesis.given(
    strategies.recursive(
        strategies.none() | strategies.booleans() | strategies.integers(-9, 2**63) | strategies.binary(max_size=300),
        lambda each: strategies.lists(each, max_size=9),
        max_leaves=30,
    )
)
def test_what_a_mad_member_says_is_malformed_or_meant(plain):
    here, there = pair()
    here.open(sealed(there), 0)
    found = (
        there.open(sealed(here, plain), 0) if len(msgspec.msgpack.encode(plain)) < 1000 else gossip.Refusal.MALFORMED
    )
    assert found is gossip.Refusal.MALFORMED or isinstance(found.said, gossip.Ping | gossip.Ack | gossip.Nudge)


@pytest.mark.parametrize(
    "said",
    [
        msgspec.structs.replace(PING, sender=""),
        msgspec.structs.replace(PING, sender="n" * 254),
        msgspec.structs.replace(PING, nonce=-1),
        msgspec.structs.replace(PING, wanted=(b"short",)),
        msgspec.structs.replace(SAID[1], record=msgspec.structs.replace(RECORD, metadata=b"x" * 257)),
        msgspec.structs.replace(SAID[1], messages=(gossip.Message(1, b"x" * 513),)),
    ],
)
def test_bounds_are_checked(said):
    here, there = pair()
    assert there.open(sealed(here, said), 0) is gossip.Refusal.MALFORMED


def test_a_replaced_secret_is_understood_for_a_while():
    here, there = pair()
    old = sealed(here), sealed(here)
    there.rotate(SECOND, 100)
    assert isinstance(there.open(old[0], 100 + gossip.GRACE_SECONDS - 1), gossip.Opened)
    assert there.open(old[1], 100 + gossip.GRACE_SECONDS) is gossip.Refusal.STRANGER
    assert there.key_for(here.newest, 101) == here.newest, "who lacks the new secret is spoken to with the old one"
    assert there.key_for(here.newest, 101 + gossip.GRACE_SECONDS) == there.newest
    assert here.open(there.seal(PING, there.newest), 0) is gossip.Refusal.STRANGER
    assert isinstance(here.open(there.seal(PING, here.newest), 0), gossip.Opened)


def test_a_secret_that_comes_back_is_the_newest_again():
    here, there = pair()
    there.rotate(SECOND, 0)
    there.rotate(FIRST, 1)
    assert there.newest == here.newest
    assert isinstance(there.open(sealed(here), 10_000), gossip.Opened)
    there.rotate(FIRST, 2)
    assert there.newest == here.newest


def test_sessions_are_bounded():
    there = gossip.Sealer(FIRST)
    for _ in range(2100):
        assert isinstance(there.open(sealed(gossip.Sealer(FIRST)), 0), gossip.Opened)
    (key,) = there._keys.values()
    assert len(key.windows) == 2048


def test_fingerprints_tell_records_apart():
    records = {RECORD, msgspec.structs.replace(RECORD, generation=7), msgspec.structs.replace(RECORD, origin=6)}
    assert len({gossip.fingerprint(each) for each in records}) == 3
    assert gossip.fingerprint(msgspec.structs.replace(RECORD, address="")) == gossip.fingerprint(RECORD)


def test_the_secret_is_read_from_the_directory(tmp_path):
    (tmp_path / "secretkey").write_text("0123456789abcdefghijkl\n")
    assert gossip.read_secret(tmp_path).reveal() == "0123456789abcdefghijkl"


@pytest.mark.parametrize("content", [None, b"", b"short\n", b"\xff" * 40])
def test_an_unfit_secret_is_one_line(tmp_path: pathlib.Path, content):
    if content is not None:
        (tmp_path / "secretkey").write_bytes(content)
    with pytest.raises(errors.SettingsError, match=r"secretkey: .* at least 16") as caught:
        gossip.read_secret(tmp_path)
    assert "\n" not in str(caught.value)
