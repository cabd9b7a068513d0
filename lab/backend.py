"""The workload: an HTTP server that says on which node it runs and who asked. One per pod namespace.

Started by the supervisor: `python -m lab.backend --node n1 --port 8080`. Standard library only.
"""

import argparse
import json
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Backend(ThreadingHTTPServer):
    """Listens on IPv4 and IPv6 with one socket; `node` is told in every answer."""

    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, node: str, port: int) -> None:
        self.node = node
        super().__init__(("::", port), Answer)

    def server_bind(self) -> None:
        """Serve IPv4 through the same socket; no name lookup of our own address, which could wait for DNS."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)


class Answer(BaseHTTPRequestHandler):
    """`GET` anything: `{"node": ..., "client": ..., "path": ...}`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The one answer."""
        client = str(self.client_address[0]).removeprefix("::ffff:")
        node = self.server.node if isinstance(self.server, Backend) else ""
        body = json.dumps({"node": node, "client": client, "path": self.path}).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """One short line per request."""
        print(f"{self.client_address[0]} {format % args}", flush=True)


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m lab.backend", description="HTTP backend of the lab")
    parser.add_argument("--node", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    Backend(arguments.node, arguments.port).serve_forever()


if __name__ == "__main__":
    main()
