"""`exec` into a container: its command as a process of this machine, its streams over a WebSocket.

`web` calls it. What stands for a container is a door: an argument vector to put before the command, and variables, from the file
that `--doors` names. Without a door there is nobody behind the pod, as on a machine without a kubelet. WebSockets only (kubectl
1.31 and later), and no terminal. Source: subprotocols `v5.channel.k8s.io` and `v4.channel.k8s.io` of
`k8s.io/apimachinery/pkg/util/remotecommand`. Must never run anything that the door does not lead to.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
from aiohttp import WSMsgType, hdrs, web

from lab.apiserver import objects, refusal, request
from lab.apiserver.objects import Json

SUBRESOURCE = "exec"
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")

_STDIN, _STDOUT, _STDERR, _ERROR, _CLOSE = 0, 1, 2, 3, 255
_CHUNK = 32 * 1024
_LARGEST = 4 * 1024 * 1024


class Door(msgspec.Struct, frozen=True):
    """How to run something in one container."""

    argv: tuple[str, ...] = ()
    env: dict[str, str] = {}


Doors = dict[str, Door]
"""By `namespace/pod/container`."""


async def serve(http: web.Request, pod: Json, doors: Path | None) -> web.WebSocketResponse:
    """One command from its start to its end. Raises the refusal when it cannot be started."""
    container = _container(pod, http.query.get("container", ""))
    command = http.query.getall("command", [])
    if not command:
        raise refusal.bad_request("command: Required value")
    if not any(request.is_true(http.query, name) for name in ("stdin", "stdout", "stderr")):
        raise refusal.bad_request("you must specify at least one of stdin, stdout, stderr")
    if request.is_true(http.query, "tty"):
        raise refusal.bad_request("this server has no terminals: leave out --tty")
    offered = [each.strip() for each in http.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")]
    if http.headers.get(hdrs.UPGRADE, "").lower() != "websocket" or set(PROTOCOLS).isdisjoint(offered):
        raise refusal.bad_request(f"Upgrade request required: to a WebSocket with one of {', '.join(PROTOCOLS)}")
    door = _door(pod, container, doors)
    socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=_LARGEST, compress=False)
    await socket.prepare(http)
    status = await _run(socket, (*door.argv, *command), door.env, http)
    with contextlib.suppress(ConnectionError):
        await socket.send_bytes(bytes([_ERROR]) + objects.encode(status))
        await socket.close()
    return socket


def _container(pod: Json, asked: str) -> str:
    name = pod["metadata"]["name"]
    known = [each["name"] for each in pod["spec"]["containers"]]
    if not asked and len(known) == 1:
        return str(known[0])
    if not asked:
        raise refusal.bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(known)}]"
        )
    if asked not in known:
        raise refusal.bad_request(f"container {asked} is not valid for pod {name}")
    return asked


def _door(pod: Json, container: str, doors: Path | None) -> Door:
    meta = pod["metadata"]
    key = f"{meta['namespace']}/{meta['name']}/{container}"
    try:
        known = msgspec.json.decode(doors.read_bytes(), type=Doors) if doors is not None else {}
    except (OSError, msgspec.DecodeError) as error:
        raise refusal.ApiError(500, "InternalError", f"error dialing backend: {doors}: {error}") from error
    if key not in known:
        raise refusal.ApiError(500, "InternalError", f"error dialing backend: nobody runs {key}")
    return known[key]


async def _run(socket: web.WebSocketResponse, argv: Sequence[str], env: dict[str, str], http: web.Request) -> Json:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE if request.is_true(http.query, "stdin") else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **env},
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        return _failure("InternalError", f"Internal error occurred: cannot start {argv[0]}: {error.strerror}")
    async with _ended(process), asyncio.TaskGroup() as tasks:
        hearing = tasks.create_task(_hear(socket, process))
        telling = [
            tasks.create_task(_tell(socket, stream, channel if request.is_true(http.query, name) else None))
            for stream, channel, name in (
                (process.stdout, _STDOUT, "stdout"),
                (process.stderr, _STDERR, "stderr"),
            )
        ]
        await asyncio.wait(telling)
        code = await process.wait()
        hearing.cancel()
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    # As a shell says it of a command that a signal ended.
    number = str(code if code > 0 else 128 - code)
    causes = {"causes": [{"reason": "ExitCode", "message": number}]}
    text = f"command terminated with non-zero exit code: exit status {number}"
    return {**_failure("NonZeroExitCode", text), "details": causes}


def _failure(reason: str, message: str) -> Json:
    return {"metadata": {}, "status": "Failure", "reason": reason, "message": message}


@contextlib.asynccontextmanager
async def _ended(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """Nothing of it stays when the block ends, which it also does when the client goes away."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _tell(socket: web.WebSocketResponse, stream: asyncio.StreamReader | None, channel: int | None) -> None:
    while stream is not None and (data := await stream.read(_CHUNK)):
        if channel is not None:
            with contextlib.suppress(ConnectionError):
                await socket.send_bytes(bytes([channel]) + data)


async def _hear(socket: web.WebSocketResponse, process: asyncio.subprocess.Process) -> None:
    """Standard input, until the client closes it or goes away; then the command ends, too."""
    async for message in socket:
        if message.type is not WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if process.stdin is None:
            continue
        if channel == _CLOSE and data == bytes([_STDIN]):
            process.stdin.close()
        elif channel == _STDIN and not process.stdin.is_closing():
            with contextlib.suppress(ConnectionError):
                process.stdin.write(data)
                await process.stdin.drain()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
