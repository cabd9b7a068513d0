"""The life of the webhooks (validating, converting): their certificates are kept, callers trust them, reviews are answered.

Loaded by `controller.__main__` only where `--webhook-mode` asks for it. Every replica does all of this; the Secret with the
certificates is the truth that they share. It awaits for `core.admission`, `core.conversion` and `core.certificates`, which
decide.
"""

import asyncio
from pathlib import Path
from typing import NoReturn, Protocol, Self

from controller import credentials, settings
from controller.boundary import certificates, known, trust, webhook
from controller.core import admission, conversion
from controller.core import certificates as judging
from frr_adapter import errors
from frr_adapter.boundary import logs, ports, retry, store, tls_server, watch

_log = logs.get_logger()

_ANSWER_SECONDS = 8.0  # an API server waits 10 seconds unless it is told otherwise
_NOTICE_SECONDS = 2.0
"""API servers take a moment to see whom they are to trust; they are not to meet a stranger meanwhile."""


class Server(Protocol):
    """Who serves: `boundary.webhook.WebhookServer`."""

    def load(self, certificate: bytes, key: bytes) -> None:
        """Serves with these from now on. ssl.SSLError when they do not fit."""

    async def close(self) -> None:
        """Stops listening."""


class Reviewing:
    """Listens from `start` on and answers as soon as `run` has found certificates."""

    def __init__(
        self,
        api: ports.KubePort,
        time: ports.Clock,
        chosen: settings.Settings,
        world: store.Store,
        notice_seconds: float = _NOTICE_SECONDS,
    ) -> None:
        self._notice_seconds = notice_seconds
        self._api = api
        self._time = time
        self._chosen = chosen
        self._world = world
        self._names = frozenset({f"{chosen.cert_service_name}.{chosen.namespace}.svc", *chosen.cert_extra_names})
        self._served: tuple[bytes, bytes] | None = None
        self._trusted = b""
        self._converts = True
        self._wake = asyncio.Event()
        self._server: Server | None = None
        self._has_nodes = False

    @classmethod
    async def start(cls, api: ports.KubePort, time: ports.Clock, chosen: settings.Settings, world: store.Store) -> Self:
        """Listens. `world` is where the program's watches put the Nodes. errors.SettingsError when it cannot listen."""
        reviewing = cls(api, time, chosen, world)
        server = await webhook.WebhookServer.listen(
            chosen.host, chosen.webhook_port, chosen.tls, (*admission.PATHS, conversion.PATH), reviewing.review
        )
        reviewing.connect(server)
        _log.info("webhook listens", port=server.port)
        return reviewing

    def connect(self, server: Server) -> None:
        """Who serves with the certificates; it calls back for reviews, hence after construction."""
        self._server = server

    def unready(self) -> tuple[str, ...]:
        """Why no review can be answered, empty when it can."""
        reasons = () if self._served is not None else ("webhook: no certificate yet",)
        return reasons if self._knows_nodes() else (*reasons, "webhook: not listed yet: Node")

    async def run(self) -> NoReturn:
        """Keeps the certificates until cancelled; failures of the API are logged and tried again."""
        if self._chosen.disable_cert_rotation:
            await tls_server.follow(Path(self._chosen.cert_dir), self._serve, "webhook")
        async with asyncio.TaskGroup() as tasks:
            for each in trust.resources(self._chosen.namespace, self._chosen.webhook_secret):
                tasks.create_task(watch.follow(self._api, each, trust.noticing(each.kind), self._notice))
            tasks.create_task(self._follow_secret())
        raise AssertionError("the watches never end")

    async def close(self) -> None:
        """Stops listening."""
        if self._server is not None:
            await self._server.close()

    async def review(self, path: str, body: bytes) -> tuple[int, bytes]:
        """HTTP status and body that answer a review; what cannot be judged is an error, and the caller decides."""
        if path == conversion.PATH:
            return _convert(body)
        try:
            request = admission.read(path, body)
        except ValueError as error:
            return 400, f"{error}\n".encode()
        if not self._knows_nodes():
            return 503, b"Nodes are not listed yet\n"
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                objects = await known.objects(self._api, self._chosen.namespace, self._world.objects("Node"))
        except (errors.KubernetesError, TimeoutError) as error:
            _log.warning("cannot read what exists, no review", error=str(error) or "timeout")
            return 503, f"cannot read what exists: {error}\n".encode()
        verdict = admission.judge(request, objects, self._chosen.namespace)
        if isinstance(verdict, admission.Denied):
            _log.info("refused a write", operation=request.operation, reason=verdict.message)
        return 200, admission.encode(request, verdict)

    def _knows_nodes(self) -> bool:
        # Once is enough: while the world is listed anew, what was known of the Nodes still serves.
        self._has_nodes = self._has_nodes or "Node" not in self._world.unlisted
        return self._has_nodes

    def _notice(self, _event: watch.WatchEvent) -> None:
        self._wake.set()

    async def _follow_secret(self) -> NoReturn:
        seconds = judging.CHECK_EVERY.total_seconds()
        while True:
            self._wake.clear()
            await retry.forever(self.settle, retry.DEFAULT, _note)
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def settle(self) -> None:
        """One look at the Secret: makes what is missing, lets callers trust it, serves with it.

        errors.KubernetesError on failure; status 409 means that another replica was faster, and the next look reads its work.
        """
        namespace, name = self._chosen.namespace, self._chosen.webhook_secret
        held, version = await trust.read(self._api, namespace, name)
        now = self._time.now()
        decision = judging.decide(certificates.inspect(held), self._names, now)
        if held is None or decision.step is not judging.Step.KEEP:
            held = self._renewed(held, decision.step)
            await trust.write(self._api, namespace, name, held, version)
            _log.info("made certificates", secret=f"{namespace}/{name}", reason=decision.reason)
        # First trust, then use: callers must never see a certificate that they do not trust yet.
        if await trust.inject(self._api, held.authorities):
            _log.info("webhook configuration trusts the authority", configuration=trust.CONFIGURATION)
        await self._inject_conversion(held.authorities)
        if self._trusted and self._trusted != held.authorities and self._trusted in held.authorities:
            # Meanwhile what is served is trusted as well. Where it is not (the Secret was lost), every moment counts.
            await asyncio.sleep(self._notice_seconds)
        self._trusted = held.authorities
        self._serve(held.certificate, held.key)

    async def _inject_conversion(self, authorities: bytes) -> None:
        try:
            changed = await trust.inject_conversion(self._api, authorities, self._names)
        except errors.KubernetesError as error:
            if error.status != 403:
                raise
            # Who may not look after the definition still reviews; BGPPeer v1beta1 is then somebody else's work.
            if self._converts:
                _log.warning(
                    "cannot look after the conversion of BGPPeer", definition=trust.DEFINITION, error=str(error)
                )
            self._converts = False
            return
        self._converts = True
        if changed:
            _log.info("conversion of BGPPeer trusts the authority", definition=trust.DEFINITION)

    def _renewed(self, held: credentials.Bundle | None, step: judging.Step) -> credentials.Bundle:
        now = self._time.now()
        if held is None or step is judging.Step.START:
            return certificates.start(self._names, now, held)
        return certificates.sign(held, self._names, now)

    def _serve(self, certificate: bytes, key: bytes) -> None:
        if self._server is None or self._served == (certificate, key):
            return
        self._server.load(certificate, key)
        self._served = (certificate, key)
        _log.info("webhook serves with a new certificate")


def _convert(body: bytes) -> tuple[int, bytes]:
    try:
        return 200, conversion.answer(body)
    except ValueError as error:
        _log.warning("cannot convert", error=str(error))
        return 400, f"{error}\n".encode()


def _note(error: errors.KubernetesError, seconds: float) -> None:
    if error.status != 409:
        _log.warning("cannot keep the webhook's certificates", error=str(error), retry_in=round(seconds, 2))
