"""Runs inside the router's namespace: prints one JSON line for every change of a route in the kernel.

{"t": seconds of the monotonic clock, "dst": "198.51.100.1", "hops": 3} — zero hops when the route is gone. The clock is the
machine's, so another process may compare. Uses only the standard library: it must be ready at once and cost nothing.
"""

import contextlib
import ipaddress
import json
import socket
import struct
import sys
import time

NETLINK_ROUTE = 0
SO_RCVBUFFORCE = 33  # asm-generic/socket.h; root may ask for more than net.core.rmem_max
RTMGRP_IPV4_ROUTE = 0x40
RTMGRP_IPV6_ROUTE = 0x400
RTM_NEWROUTE, RTM_DELROUTE = 24, 25
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_MULTIPATH, RTA_VIA = 1, 4, 5, 9, 18


def attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def hops(found: dict[int, bytes]) -> int:
    data = found.get(RTA_MULTIPATH, b"")
    if not data:
        return int(RTA_GATEWAY in found or RTA_OIF in found or RTA_VIA in found)
    count = 0
    while len(data) >= 8:
        (length,) = struct.unpack_from("=H", data)
        count += 1
        data = data[(length + 3) & ~3 :]
    return count


def main() -> None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE) as netlink:
        # What does not fit is lost, and ends this program: ten thousand routes come and go at once.
        try:
            netlink.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
        except PermissionError:
            netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        netlink.bind((0, RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE))
        print(json.dumps({"ready": True}), flush=True)
        while True:
            data = netlink.recv(1 << 16)
            now = time.monotonic()
            while len(data) >= 16:
                length, kind = struct.unpack_from("=IH", data)
                body, data = data[16:length], data[(length + 3) & ~3 :]
                if kind not in (RTM_NEWROUTE, RTM_DELROUTE):
                    continue
                found = attributes(body[12:])
                if RTA_DST not in found:
                    continue
                count = hops(found) if kind == RTM_NEWROUTE else 0
                print(
                    json.dumps({"t": now, "dst": str(ipaddress.ip_address(found[RTA_DST])), "hops": count}), flush=True
                )


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        main()
    sys.exit(0)
