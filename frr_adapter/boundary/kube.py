"""The Kubernetes API over the official client's asyncio half: the real `ports.KubePort`.

The only module that knows the library (with `client_library`, which loads it). It moves bytes; it must never decode an
object, retry, or log.
"""

import asyncio
import http
import os
import ssl
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Self
from urllib import parse, request

import aiohttp
import msgspec

from frr_adapter import errors
from frr_adapter.boundary import client_library, executing, ports, retry

_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 60.0
_ANSWER = aiohttp.ClientTimeout(total=_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
_WATCH = aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS)
_JSON = "application/json"


class _Status(msgspec.Struct, frozen=True):
    """The parts of a `metav1.Status` that explain a failure."""

    reason: str = ""
    message: str = ""


class Kube:
    """One connection pool to one API server; see `ports.KubePort` for the contract of the requests."""

    def __init__(self, library: client_library.Library, kubeconfig: Path | None, context: str = "") -> None:
        self._library = library
        self._kubeconfig = kubeconfig
        self._context = context
        self._configuration: Any = None
        self._rest: Any = None

    @classmethod
    async def connect(cls, kubeconfig: Path | None, context: str = "") -> Self:
        """Reads the credentials; no request is sent yet. None means the service account of the pod we run in.

        `kubeconfig` may be several files as in $KUBECONFIG; `context` is one of theirs, empty for the current one.
        errors.SettingsError when the kubeconfig or the service account cannot be used. The service account's token file
        is read again every minute, and everything that gives a token is read again when the API answers 401.
        """
        kube = cls(client_library.load(), kubeconfig, context)
        kube._configuration = await kube._load()
        try:
            kube._rest = kube._library.RESTClientObject(kube._configuration)
        except (ssl.SSLError, OSError) as error:
            raise errors.SettingsError(f"{kube._origin}: certificates: {error}") from error
        return kube

    async def close(self) -> None:
        """Closes all connections."""
        await self._rest.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(self, path: str, query: ports.Query = ports.NO_QUERY) -> bytes:
        """The object, or the list, at `path`."""
        return await self._exchange("GET", path, query)

    async def patch(
        self, path: str, body: ports.Document, content_type: ports.Patch, query: ports.Query = ports.NO_QUERY
    ) -> bytes:
        """PATCH with the given kind of patch."""
        return await self._exchange("PATCH", path, query, body, content_type.value)

    async def create(self, path: str, body: ports.Document, query: ports.Query = ports.NO_QUERY) -> bytes:
        """POST to a collection."""
        return await self._exchange("POST", path, query, body)

    async def update(self, path: str, body: ports.Document, query: ports.Query = ports.NO_QUERY) -> bytes:
        """PUT the whole object."""
        return await self._exchange("PUT", path, query, body)

    async def delete(self, path: str, query: ports.Query = ports.NO_QUERY) -> bytes:
        """DELETE one object."""
        return await self._exchange("DELETE", path, query)

    async def stream(self, path: str, query: ports.Query = ports.NO_QUERY) -> AsyncGenerator[bytes, None]:
        """Complete lines of a watch.

        Chunks are split here because aiohttp's own line reader refuses lines longer than its buffer, and one watch event
        may be larger than any buffer. Ends when the server ends the answer; a connection that breaks is an error.
        """
        response = await self._request("GET", path, query, None, _JSON, _WATCH)
        pieces: list[bytes] = []
        try:
            async for chunk in response.content.iter_any():
                first, *more = chunk.split(b"\n")
                pieces.append(first)
                for piece in more:
                    line = b"".join(pieces)
                    pieces = [piece]
                    if line:
                        yield line
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unanswered(error) from error
        finally:
            # Not release(): the rest of a watch that nobody reads any more must not come in over a pooled connection.
            response.close()

    async def exec(self, path: str, argv: Sequence[str], container: str) -> bytes:
        """What a command in a container of a pod writes to its standard output; `path` is the pod's.

        Besides the usual errors a KubernetesError with status 0 when the command fails; see `executing.Channels.result`. The right
        it needs is `create` and, for most API servers, `get` on `pods/exec`.
        """
        try:
            return await self._run(path, argv, container)
        except errors.KubernetesError as error:
            if error.status != 401:
                raise
        # As in `_request`. Who is refused has started nothing, so nothing runs twice.
        await self._reload()
        return await self._run(path, argv, container)

    async def _run(self, path: str, argv: Sequence[str], container: str) -> bytes:
        url = f"{self._configuration.host}{path}/exec?{executing.query(argv, container)}"
        headers = {"User-Agent": "frr-adapter", **await self._credentials()}
        # A session of its own: the library's speaks HTTP only, and of WebSockets it knows nothing.
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._rest.ssl_context), timeout=_WATCH, trust_env=False
        ) as session:
            try:
                async with session.ws_connect(
                    url,
                    protocols=executing.PROTOCOLS,
                    headers=headers,
                    proxy=self._configuration.proxy,
                    proxy_headers=self._configuration.proxy_headers,
                    server_hostname=self._configuration.tls_server_name,
                    max_msg_size=executing.LARGEST,
                ) as socket:
                    return await _heard(socket)
            except aiohttp.WSServerHandshakeError as error:
                # The body of the refusal is lost in the library; its status says enough.
                raise errors.KubernetesError(error.status, _phrase(error.status), "exec is refused") from error
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise _unanswered(error) from error

    async def _exchange(
        self, method: str, path: str, query: ports.Query, body: ports.Document | None = None, content_type: str = _JSON
    ) -> bytes:
        response = await self._request(method, path, query, body, content_type, _ANSWER)
        return await _read(response)

    async def _request(
        self,
        method: str,
        path: str,
        query: ports.Query,
        body: ports.Document | None,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        response = await self._send(method, path, query, body, content_type, timeout)
        if response.status == 401:
            # Tokens rotate, and the new one may be on disk before the minute of the library's own refresh is over.
            response.close()
            await self._reload()
            response = await self._send(method, path, query, body, content_type, timeout)
        if 200 <= response.status < 300:
            return response
        raise _refusal(response, await _read(response))

    async def _send(
        self,
        method: str,
        path: str,
        query: ports.Query,
        body: ports.Document | None,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": _JSON, "Content-Type": content_type, "User-Agent": "frr-adapter"}
        headers.update(await self._credentials())
        url = f"{self._configuration.host}{path}"
        if query:
            url = f"{url}?{parse.urlencode(query)}"
        try:
            answer = await self._rest.request(method, url, headers=headers, body=body, _request_timeout=timeout)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unanswered(error) from error
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _credentials(self) -> dict[str, str]:
        try:
            # In a pod this also reads the token file again when a minute has passed.
            settings = await self._configuration.auth_settings()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            raise errors.KubernetesError(0, "Credentials", f"{self._origin}: {error}") from error
        return {setting["key"]: setting["value"] for setting in settings.values()}

    async def _reload(self) -> None:
        try:
            self._configuration = await self._load()
        except errors.SettingsError as error:
            raise errors.KubernetesError(401, "Unauthorized", str(error)) from error

    @property
    def _origin(self) -> str:
        return f"kubeconfig {self._kubeconfig}" if self._kubeconfig is not None else "service account"

    async def _load(self) -> Any:
        configuration = self._library.Configuration()
        # The library would otherwise repeat some requests by itself; when to try again is `retry`'s decision.
        configuration.retries = None
        # Python 3.13 refuses certificates without key identifiers (RFC 5280), such as those of old clusters' authorities, which Go
        # programs take. Chain, names and dates are checked as ever.
        configuration.disable_strict_ssl_verification = True
        try:
            if self._kubeconfig is None:
                self._library.load_incluster_config(client_configuration=configuration)
            else:
                for path in str(self._kubeconfig).split(os.pathsep):
                    Path(path).read_bytes()
                await self._library.load_kube_config(
                    config_file=str(self._kubeconfig),
                    context=self._context or None,
                    client_configuration=configuration,
                    persist_config=False,
                )
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # The loaders meet broken files with whatever goes wrong first: KeyError, TypeError, YAML and own errors.
            raise errors.SettingsError(f"{self._origin}: {error or type(error).__name__}") from error
        # Else the library looks for a proxy and a netrc file in a thread, twice for every single request.
        configuration.client_session_kwargs = {"trust_env": False}
        configuration.proxy = configuration.proxy or _environment_proxy(configuration.host)
        return configuration


async def _heard(socket: aiohttp.ClientWebSocketResponse) -> bytes:
    channels = executing.Channels()
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            channels.take(message.data)
    return channels.result()


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase.replace(" ", "")
    except ValueError:
        return "Unknown"


def _environment_proxy(url: str) -> str | None:
    """The proxy that the usual variables (`HTTPS_PROXY`, `NO_PROXY`) name for a URL, in either case of letters."""
    parts = parse.urlsplit(url)
    return None if request.proxy_bypass(parts.netloc) else request.getproxies().get(parts.scheme)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _unanswered(error) from error
    finally:
        response.release()


def _unanswered(error: Exception) -> errors.KubernetesError:
    reason = "Timeout" if isinstance(error, TimeoutError) else "Unreachable"
    return errors.KubernetesError(0, reason, str(error) or type(error).__name__)


def _refusal(response: aiohttp.ClientResponse, body: bytes) -> errors.KubernetesError:
    try:
        status = msgspec.json.decode(body, type=_Status)
    except msgspec.DecodeError:
        # Not from the API itself but from something in front of it.
        status = _Status(message=body[:200].decode(errors="replace").strip())
    reason = status.reason or (response.reason or "Unknown").replace(" ", "")
    retry_after = response.headers.get("Retry-After", "")
    if retry_after.isdigit():
        return retry.ThrottledError(response.status, reason, status.message, float(retry_after))
    return errors.KubernetesError(response.status, reason, status.message)
