"""The HTTPS server that the API server asks. Loaded by `controller.reviewing` only where the webhook is on.

It moves bytes: which paths there are and what the answer is, it is told. Certificates can be changed while it serves. Must
never look into a review.
"""

import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Self

from aiohttp import web

from frr_adapter import errors, tls
from frr_adapter.boundary import tls_server

Review = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]
"""Path and body of a request -> HTTP status and body of the answer (JSON when the status is 200, else one line of text)."""

_LONGEST_BODY = (
    32 * 1024 * 1024
)  # an AdmissionReview holds an object of up to 3 MiB twice, a ConversionReview a whole list
_EVERYWHERE = frozenset({"", "0.0.0.0"})


class WebhookServer:
    """Serves until closed. Before the first `load` no handshake succeeds, so nobody gets a wrong answer."""

    def __init__(self, context: ssl.SSLContext, runner: web.AppRunner) -> None:
        self._context = context
        self._runner = runner

    @classmethod
    async def listen(cls, host: str, port: int, policy: tls.Policy, paths: Iterable[str], review: Review) -> Self:
        """Listens on `host` (empty or 0.0.0.0: all addresses of both families) and `port` (0: any free one).

        errors.SettingsError when that is not possible.
        """
        context = tls_server.context(policy)
        application = web.Application(client_max_size=_LONGEST_BODY)

        async def answer(request: web.Request) -> web.Response:
            status, body = await review(request.path, await request.read())
            kind = "application/json" if status == 200 else "text/plain"
            return web.Response(status=status, body=body, content_type=kind)

        for path in paths:
            application.router.add_post(path, answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        server = cls(context, runner)
        try:
            await web.TCPSite(runner, None if host in _EVERYWHERE else host, port, ssl_context=context).start()
        except OSError as error:
            await server.close()
            raise errors.SettingsError(f"--webhook-port: found {port}; {error.strerror or error}") from error
        return server

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._runner.addresses[0][1])

    def load(self, certificate: bytes, key: bytes) -> None:
        """Serves with this certificate and key (PEM) from the next connection on.

        ssl.SSLError when they do not fit; what was served before then goes on being served.
        """
        tls_server.load(self._context, certificate, key)

    async def close(self) -> None:
        """Stops listening; answers under way get a moment."""
        await self._runner.cleanup()
