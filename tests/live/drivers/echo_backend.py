"""Runs in a pod's network namespace: answers every datagram with the name of its node and what it was sent.

Standard library only. Used by `tests.live.client_traffic`; ends when it is told to.
"""

import argparse
import socket


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--node", required=True)
    parser.add_argument("--port", type=int, required=True)
    chosen = parser.parse_args()
    name = chosen.node.encode() + b" "
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as opened:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        opened.bind(("::", chosen.port))
        print("ready", flush=True)
        while True:
            question, sender = opened.recvfrom(64)
            opened.sendto(name + question, sender)


if __name__ == "__main__":
    main()
