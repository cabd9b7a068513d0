"""The validating webhook's life: its certificates are kept, those who call it trust them, and reviews are answered.

Loaded by `controller.__main__` only where `--webhook-mode` asks for it. Every replica does all of this; the Secret with the
certificates is the truth that they share. It awaits for `core.admission` and `core.certificates`, which decide.
"""

import asyncio
import ssl
from pathlib import Path
from typing import NoReturn, Protocol, Self

from controller import credentials, settings
from controller.boundary import certificates, known, trust, webhook
from controller.core import admission
from controller.core import certificates as judging
from frr_adapter import errors
from frr_adapter.boundary import logs, ports, retry, store, watch

_log = logs.get_logger()

_ANSWER_SECONDS = 8.0  # an API server waits 10 seconds unless it is told otherwise
_FILES_SECONDS = 30.0
_FILES = ("tls.crt", "tls.key")


class Server(Protocol):
    """Who serves: `boundary.webhook.WebhookServer`."""

    def load(self, certificate: bytes, key: bytes) -> None:
        """Serves with these from now on. ssl.SSLError when they do not fit."""

    async def close(self) -> None:
        """Stops listening."""


class Reviewing:
    """Listens from `start` on and answers as soon as `run` has found certificates."""

    def __init__(self, api: ports.KubePort, time: ports.Clock, chosen: settings.Settings, world: store.Store) -> None:
        self._api = api
        self._time = time
        self._chosen = chosen
        self._world = world
        self._names = frozenset({f"{chosen.cert_service_name}.{chosen.namespace}.svc", *chosen.cert_extra_names})
        self._served: tuple[bytes, bytes] | None = None
        self._wake = asyncio.Event()
        self._server: Server | None = None
        self._has_nodes = False

    @classmethod
    async def start(cls, api: ports.KubePort, time: ports.Clock, chosen: settings.Settings, world: store.Store) -> Self:
        """Listens. `world` is where the program's watches put the Nodes. errors.SettingsError when it cannot listen."""
        reviewing = cls(api, time, chosen, world)
        server = await webhook.WebhookServer.listen(
            chosen.host, chosen.webhook_port, chosen.tls, admission.PATHS, reviewing.review
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
            await self._follow_files()
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
        """HTTP status and body that answer an AdmissionReview; what cannot be judged is an error, and the caller decides."""
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
        self._serve(held.certificate, held.key)

    def _renewed(self, held: credentials.Bundle | None, step: judging.Step) -> credentials.Bundle:
        now = self._time.now()
        if held is None or step is judging.Step.START:
            return certificates.start(self._names, now, held)
        return certificates.sign(held, self._names, now)

    async def _follow_files(self) -> NoReturn:
        """Certificates that somebody else looks after, from files that may be replaced at any time."""
        folder = Path(self._chosen.cert_dir)
        told = ""
        while True:
            trouble = ""
            try:
                self._serve(*((folder / name).read_bytes() for name in _FILES))
            except (OSError, ssl.SSLError) as error:
                # A half-written pair is replaced by a whole one soon; what is served goes on being served.
                trouble = str(error)
            if trouble and trouble != told:
                _log.error("cannot use the webhook's certificate", folder=str(folder), error=trouble)
            told = trouble
            await asyncio.sleep(_FILES_SECONDS if not trouble else 1.0)

    def _serve(self, certificate: bytes, key: bytes) -> None:
        if self._server is None or self._served == (certificate, key):
            return
        self._server.load(certificate, key)
        self._served = (certificate, key)
        _log.info("webhook serves with a new certificate")


def _note(error: errors.KubernetesError, seconds: float) -> None:
    if error.status != 409:
        _log.warning("cannot keep the webhook's certificates", error=str(error), retry_in=round(seconds, 2))
