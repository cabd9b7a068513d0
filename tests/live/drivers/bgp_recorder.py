"""A router that believes everything and writes it down: one BGP session with one neighbor, as JSON lines (RFC 4271, 4760, 4724).

Started inside a namespace: `bgp_recorder.py OWN_AS OWN_ADDRESS NEIGHBOR [eager]`. It listens; eager, it also connects over and over,
so that it meets the neighbor in any state. Lines: `ready`, `open` (which families the neighbor's OPEN named), `update` (announced,
withdrawn, communities), `end-of-rib`, `closed`; `t` is the machine's monotonic clock.
"""

import ipaddress
import json
import select
import socket
import struct
import sys
import time

MARKER = b"\xff" * 16
OPEN, UPDATE, NOTIFICATION, KEEPALIVE = 1, 2, 3, 4
FAMILIES = {1: "ipv4", 2: "ipv6"}
END_OF_RIB = {"ipv4": b"\0\0\0\0", "ipv6": b"\0\0\0\x06\x80\x0f\x03\0\x02\x01"}


def tell(event, **fields):
    print(json.dumps({"event": event, "t": time.monotonic(), **fields}), flush=True)


def message(kind, body=b""):
    return MARKER + struct.pack("!HB", 19 + len(body), kind) + body


def own_open(own_as, own_address):
    names = b"".join(struct.pack("!BBHBB", 1, 4, family, 0, 1) for family in FAMILIES)
    names += struct.pack("!BBI", 65, 4, own_as)
    # Graceful restart: time 120 s, both families.
    names += struct.pack("!BBH", 64, 10, 120) + b"".join(struct.pack("!HBB", family, 1, 0) for family in FAMILIES)
    options = struct.pack("!BB", 2, len(names)) + names
    identity = ipaddress.IPv4Address(own_address).packed if "." in own_address else b"\x0a\x63\x00\x01"
    return message(OPEN, struct.pack("!BHH", 4, min(own_as, 65535), 90) + identity + bytes([len(options)]) + options)


def families_of(body):
    """The address families that an OPEN names (RFC 5492: parameters of type 2 hold capabilities)."""
    found, rest = [], body[10:]
    while rest:
        kind, size = rest[0], rest[1]
        inside, rest = rest[2 : 2 + size], rest[2 + size :]
        while kind == 2 and inside:
            code, length = inside[0], inside[1]
            if code == 1:
                found.append(FAMILIES[struct.unpack("!H", inside[2:4])[0]])
            inside = inside[2 + length :]
    return sorted(found)


def prefixes(raw, family):
    found = []
    while raw:
        length = raw[0]
        size = (length + 7) // 8
        whole = raw[1 : 1 + size].ljust(4 if family == 1 else 16, b"\0")
        found.append(f"{ipaddress.ip_address(whole)}/{length}")
        raw = raw[1 + size :]
    return found


def tell_update(body):
    size = struct.unpack("!H", body[:2])[0]
    withdrawn, rest = prefixes(body[2 : 2 + size], 1), body[2 + size :]
    size = struct.unpack("!H", rest[:2])[0]
    attributes, announced = rest[2 : 2 + size], prefixes(rest[2 + size :], 1)
    communities, ended = [], [] if body[2:] != b"\0\0" or body[:2] != b"\0\0" else ["ipv4"]
    while attributes:
        flags, code = attributes[0], attributes[1]
        wide = bool(flags & 0x10)
        length = struct.unpack("!H", attributes[2:4])[0] if wide else attributes[2]
        value = attributes[4 if wide else 3 :][:length]
        attributes = attributes[(4 if wide else 3) + length :]
        if code == 8:
            communities = ["{}:{}".format(*struct.unpack("!HH", value[at : at + 4])) for at in range(0, len(value), 4)]
        elif code == 14:
            family, _, hops = struct.unpack("!HBB", value[:4])
            announced += prefixes(value[5 + hops :], family)
        elif code == 15:
            family = struct.unpack("!H", value[:2])[0]
            withdrawn += prefixes(value[3:], family)
            ended += [FAMILIES[family]] if len(value) == 3 else []
    for family in ended:
        tell("end-of-rib", family=family)
    if announced or withdrawn:
        tell("update", announced=announced, withdrawn=withdrawn, communities=communities)


def exactly(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def talk(connection, own_as, own_address):
    """One connection; returns why it ended, raises when it goes. Before its OPEN it said nothing worth a line."""
    connection.settimeout(60)
    named = []
    while True:
        head = exactly(connection, 19)
        size, kind = struct.unpack("!HB", head[16:])
        body = exactly(connection, size - 19)
        if kind == OPEN:
            named = families_of(body)
            talk.opened += 1
            tell("open", families=named)
            if not named:
                connection.sendall(message(NOTIFICATION, b"\x02\x07"))
                return "no family"
            connection.sendall(own_open(own_as, own_address) + message(KEEPALIVE))
        elif kind == UPDATE:
            tell_update(body)
        elif kind == KEEPALIVE:
            connection.sendall(message(KEEPALIVE))
            # We have nothing to tell, and say so: a neighbor that restarts gracefully waits for it.
            connection.sendall(b"".join(message(UPDATE, END_OF_RIB[family]) for family in named))
            named = []
        elif kind == NOTIFICATION:
            return f"notification {body[0]}/{body[1]}"


talk.opened = 0


def main():
    own_as, own_address, neighbor = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    eager = "eager" in sys.argv[4:]
    family = socket.AF_INET if "." in own_address else socket.AF_INET6
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((own_address, 179))
    listener.listen(16)
    tell("ready")
    while True:
        connection = None
        # Who called us comes first: of two connections FRR keeps its own (RFC 4271 6.8), since its identifier is higher.
        if select.select([listener], [], [], 0.002 if eager else None)[0]:
            connection, _ = listener.accept()
        else:
            attempt = socket.socket(family, socket.SOCK_STREAM)
            attempt.settimeout(0.2)
            try:
                attempt.connect((neighbor, 179))
                connection = attempt
            except OSError:
                attempt.close()
                continue
        before = talk.opened
        try:
            why = talk(connection, own_as, own_address)
        except (EOFError, OSError) as problem:
            why = type(problem).__name__
        connection.close()
        if talk.opened > before:
            tell("closed", why=why)


main()
