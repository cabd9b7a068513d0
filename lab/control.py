"""Talks to a running supervisor through its unix socket. Used by the commands; one request, one answer."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from lab.errors import LabError


def ask(path: Path, request: dict[str, Any], seconds: float = 30.0) -> dict[str, Any]:
    """The supervisor's answer; `LabError` with its own words when it refuses, or when it does not answer."""
    for answer in _talk(path, request, seconds):
        if "error" in answer:
            raise LabError(str(answer["error"]))
        return answer
    raise LabError(f"the supervisor behind {path} ended without an answer: run `lab down`, then `lab up`")


def progress(path: Path, seconds: float = 120.0) -> Iterator[list[dict[str, Any]]]:
    """The steps of coming up after each change, until all are done or one has failed."""
    for answer in _talk(path, {"op": "progress"}, seconds):
        yield answer["steps"]
        if answer["over"]:
            return


def _talk(path: Path, request: dict[str, Any], seconds: float) -> Iterator[dict[str, Any]]:
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(seconds)
        try:
            end.connect(str(path))
            end.sendall(msgspec.json.encode(request) + b"\n")
            with end.makefile("rb") as lines:
                for line in lines:
                    yield msgspec.json.decode(line)
        except OSError as error:
            raise LabError(f"no lab answers at {path} ({error}): start one with `lab up`") from error
