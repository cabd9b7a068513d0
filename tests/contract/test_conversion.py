"""BGPPeer v1beta1 as people meet it: a controller process that converts, an API server that asks it, and kubectl in front."""

import asyncio
import base64
import contextlib
import datetime as dt
import json
import socket
import time

import pytest
import yaml

from controller import credentials
from controller.boundary import certificates
from frr_adapter.api import crds
from tests import command
from tests.contract import conftest
from tests.contract.test_webhook import CONFIGURATIONS, ON, Controller, configuration, controller, kinds

__all__ = ["kinds"]
pytestmark = pytest.mark.contract

DEFINITION = f"{conftest.CRDS}/bgppeers.metallb.io"
SPECS = {each["spec"]["names"]["kind"]: each["spec"] for each in crds.documents()}
FORMER = SPECS["BGPPeer"]["versions"]


def conversion(client):
    webhook = {"clientConfig": client, "conversionReviewVersions": ["v1"]}
    versions = [{**each, "served": True} for each in FORMER]
    return {"spec": {"conversion": {"strategy": "Webhook", "webhook": webhook}, "versions": versions}}


@contextlib.asynccontextmanager
async def converted(api, client):
    """The definition with a conversion, and afterwards without one."""
    (await api.patch(DEFINITION, conversion(client))).ok()
    try:
        yield
    finally:
        without = {"conversion": {"strategy": "None", "webhook": None}, "versions": FORMER}
        (await api.patch(DEFINITION, {"spec": without})).ok()


def client_of(definition):
    return definition["spec"]["conversion"]["webhook"]["clientConfig"]


def is_trusting(answer):
    return bool(client_of(answer.body).get("caBundle"))


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture
def flags(port):
    return (*ON[:1], f"--webhook-port={port}", *ON[2:])


@pytest.fixture
async def converter(api, kinds, port, flags):
    """A controller that converts, as the definition says."""
    async with controller(api, *flags) as running, converted(api, {"url": f"https://127.0.0.1:{port}/convert"}):
        await converting(api, running)
        yield running


async def converting(api, running):
    """Waits until the older version can be written; a real API server takes a moment to notice the definition."""
    await running.said("webhook serves with a new certificate")
    await api.eventually(DEFINITION, is_trusting)
    ends = time.monotonic() + 60
    while (answer := await api.post(former(api), peer("probe"), dryRun="All")).status != 201:
        assert time.monotonic() < ends, json.dumps(answer.body)
        await asyncio.sleep(0.05)


def former(api, name=""):
    return api.path("bgppeers", name, group="metallb.io", version="v1beta1")


def present(api, name=""):
    return api.path("bgppeers", name, group="metallb.io", version="v1beta2")


def peer(name="p", version="v1beta1", annotations=None, **spec):
    metadata = {"name": name, **({"annotations": annotations} if annotations else {})}
    least = {"myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1"}
    return {"apiVersion": f"metallb.io/{version}", "kind": "BGPPeer", "metadata": metadata, "spec": {**least, **spec}}


async def test_kubectl_in_the_older_version_and_programs_in_the_newer(api, converter: Controller, kubectl):
    selectors = [{"matchExpressions": [{"key": "rack", "operator": "In", "values": ["1"]}]}]
    aged = peer(holdTime="90s", keepaliveTime="30s", nodeSelectors=selectors)
    async with api.watch(present(api)) as watch:
        code, _, err = await kubectl("apply", "-f", "-", stdin=yaml.safe_dump(aged))
        assert code == 0, err
        assert "Warning: metallb.io/v1beta1 BGPPeer is deprecated; use metallb.io/v1beta2 BGPPeer" in err
        seen = await watch.until("ADDED", "p")
        assert seen["apiVersion"] == "metallb.io/v1beta2"
        assert seen["spec"].items() >= {**aged["spec"], "peerPort": 179}.items()
        code, out, err = await kubectl("get", "bgppeers.v1beta1.metallb.io", "p", "-o", "json")
        assert code == 0, err
        found = json.loads(out)
        assert (found["apiVersion"], found["spec"]["holdTime"]) == ("metallb.io/v1beta1", "90s")
        aged["spec"]["peerPort"] = 1790
        code, out, err = await kubectl("apply", "-f", "-", stdin=yaml.safe_dump(aged))
        assert (code, out) == (0, "bgppeer.metallb.io/p configured\n"), err
        assert (await watch.until("MODIFIED", "p"))["spec"]["peerPort"] == 1790
        code, out, err = await kubectl("apply", "-f", "-", stdin=yaml.safe_dump(aged))
        assert (code, out) == (0, "bgppeer.metallb.io/p unchanged\n"), err
        newer = peer("q", "v1beta2", vrf="red")
        code, _, err = await kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(newer))
        assert code == 0, err
        assert "Warning" not in err
        listed = (await api.get(former(api))).ok()["items"]
        assert [each["spec"].get("vrf") for each in listed] == [None, None]
        code, out, _ = await kubectl("get", "bgppeers.v1beta1.metallb.io")
        assert [line.split()[:3] for line in out.splitlines()[1:]] == [[name, "192.0.2.1", "64501"] for name in "pq"]
        code, _, err = await kubectl("delete", "bgppeers.v1beta1.metallb.io", "p")
        assert code == 0, err
        await watch.until("DELETED", "p")


async def test_what_the_older_version_loses_is_told(api, converter: Controller, port, kubectl):
    (await api.post(present(api), peer(version="v1beta2", passwordSecret={"name": "s"}))).ok(201)
    document = configuration(port, [api.namespace])
    (await api.post(CONFIGURATIONS, document)).ok(201)
    path = f"{CONFIGURATIONS}/{document['metadata']['name']}"
    try:
        await api.eventually(path, lambda answer: answer.body["webhooks"][0]["clientConfig"].get("caBundle"))
        found = (await api.get(former(api, "p"))).ok()
        async with asyncio.timeout(30):
            # A real API server takes a moment to notice the configuration.
            while not (answer := await api.put(former(api, "p"), found, dryRun="All")).warnings[1:]:
                await asyncio.sleep(0.05)
        told = "\n".join(answer.warnings)
        assert "spec.passwordSecret: removed, because metallb.io/v1beta1 does not know it" in told
        assert "spec.holdTime: 0s, because metallb.io/v1beta1 cannot leave it out" in told
        answer = await api.post(former(api), {**peer("q"), "spec": {**peer()["spec"], "peerAddress": "nowhere"}})
        assert "invalid BGPPeer address" in answer.refused(403, "Forbidden")["message"]
        code, _, err = await kubectl("apply", "-f", "-", stdin=yaml.safe_dump(peer("r", peerAddress="192.0.2.9")))
        assert code == 0, err
        assert "spec.keepaliveTime: 0s" in err
    finally:
        (await api.delete(path)).ok()
    assert (await api.get(present(api, "p"))).ok()["spec"]["passwordSecret"] == {"name": "s"}


async def test_without_the_controller_the_newer_version_goes_on(api, kinds, port, flags):
    async with converted(api, {"url": f"https://127.0.0.1:{port}/convert"}):
        async with controller(api, *flags) as running:
            await converting(api, running)
            (await api.post(former(api), peer())).ok(201)
        async with asyncio.timeout(30):
            while (refused := await api.post(former(api), peer("q", annotations={"a": "b"}))).status == 201:
                await api.delete(present(api, "q"))
                await asyncio.sleep(0.05)
        assert refused.status == 500
        words = "conversion webhook for metallb.io/v1beta1, Kind=BGPPeer failed: Post "
        assert words in refused.body["message"]
        listed = (await api.get(present(api))).ok()
        assert [each["metadata"]["name"] for each in listed["items"]] == ["p"]
        async with api.watch(present(api), resourceVersion=listed["metadata"]["resourceVersion"]) as watch:
            (await api.post(present(api), peer("r", "v1beta2"))).ok(201)
            (await api.patch(present(api, "p"), {"spec": {"peerPort": 1790}})).ok()
            (await api.delete(present(api, "r"))).ok()
            await watch.until("DELETED", "r")
        async with controller(api, *flags):
            async with asyncio.timeout(60):
                while (made := await api.post(former(api), peer("q", annotations={"a": "c"}))).status != 201:
                    await asyncio.sleep(0.05)
            assert made.body["apiVersion"] == "metallb.io/v1beta1"


def aged(held, names):
    """The bundle of an authority that is about to end; the one before is trusted too."""
    now = dt.datetime.now(dt.UTC)
    past = now - credentials.AUTHORITY_LIFETIME + credentials.SERVER_LIFETIME
    return certificates.sign(certificates.start(names, past, held), names, now)


def secret_of(bundle):
    parts = {"ca.crt": bundle.authorities, "ca.key": bundle.authority_key}
    parts |= {"tls.crt": bundle.certificate, "tls.key": bundle.key}
    return {"data": {key: base64.b64encode(value).decode() for key, value in parts.items()}}


def bundle_of(secret):
    data = {key: base64.b64decode(value) for key, value in secret["data"].items()}
    return credentials.Bundle(data["ca.crt"], data["ca.key"], data["tls.crt"], data["tls.key"])


async def test_certificates_change_while_conversions_go_on(api, converter: Controller):
    secret = api.path("secrets", "metallb-webhook-cert")
    names = {f"metallb-webhook-service.{api.namespace}.svc", "127.0.0.1"}
    rotated = asyncio.Event()
    answers = []

    async def convert():
        while not rotated.is_set():
            answer = await api.post(former(api), peer(annotations={"number": str(len(answers))}), dryRun="All")
            answers.append(answer.body if answer.status != 201 else answer.body["metadata"]["annotations"]["number"])

    async def renewed(change):
        """Changes the Secret so that the certificate must be made anew, and waits until that is served."""
        served = converter.count("webhook serves with a new certificate")
        (await api.patch(secret, change)).ok()
        async with asyncio.timeout(30):
            while converter.count("webhook serves with a new certificate") == served:
                await converter.next()
        start = len(answers)
        while len(answers) < start + 10:
            await asyncio.sleep(0.01)

    async def rotate():
        try:
            held = bundle_of((await api.get(secret)).ok())
            await renewed(secret_of(certificates.sign(held, {"elsewhere"}, dt.datetime.now(dt.UTC))))
            await renewed(secret_of(aged(held, names)))
        finally:
            rotated.set()

    before = client_of((await api.get(DEFINITION)).ok())["caBundle"]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(convert())
        tasks.create_task(rotate())
    assert answers == [str(number) for number in range(len(answers))]
    assert converter.count("made certificates") == 3
    after = client_of((await api.get(DEFINITION)).ok())["caBundle"]
    assert after == (await api.get(secret)).ok()["data"]["ca.crt"]
    assert before != after
    assert base64.b64decode(before) in base64.b64decode(after)


async def test_whose_conversion_it_is(api, kinds, port, flags):
    ours = {"name": "metallb-webhook-service", "namespace": api.namespace, "path": "/convert"}
    theirs = {"name": "conversion", "namespace": api.namespace, "path": "/convert"}
    async with controller(api, *flags) as running:
        await running.said("webhook serves with a new certificate")
        assert "conversion" not in {line["msg"].partition(" ")[0] for line in running.lines}
        async with converted(api, {"service": theirs}):
            # Whatever else is done to the definition, the bundle of others is left alone.
            (await api.patch(DEFINITION, {"metadata": {"labels": {"touched": "yes"}}})).ok()
            async with converted(api, {"service": ours}):
                assert client_of((await api.eventually(DEFINITION, is_trusting)).body)["service"]["path"] == "/convert"
        said = [line["msg"] for line in running.lines]
        assert said.count("conversion of BGPPeer trusts the authority") == 0
        async with converted(api, {"service": ours}):
            (await api.eventually(DEFINITION, is_trusting)).ok()
            (await api.patch(DEFINITION, conversion({"service": ours, "caBundle": None}))).ok()
            (await api.eventually(DEFINITION, is_trusting)).ok()


async def test_a_definition_without_conversion_is_as_ever(api, kinds, flags, kubectl):
    async with controller(api, *flags) as running:
        await running.said("webhook serves with a new certificate")
        assert (await api.get(former(api))).status == 404
        (await api.post(present(api), peer(version="v1beta2"))).ok(201)
        code, _, err = await kubectl("apply", "-f", "-", stdin=yaml.safe_dump(peer()))
        assert code != 0
        assert 'no matches for kind "BGPPeer" in version "metallb.io/v1beta1"' in err
        definition = (await api.get(DEFINITION)).ok()
        assert definition["spec"]["conversion"] == {"strategy": "None"}
        assert definition["status"]["storedVersions"] == ["v1beta2"]


async def test_the_printed_definitions_serve_the_older_version(api, kinds, kubectl):
    printed = await asyncio.to_thread(command.run, "crds", f"--convert-in={api.namespace}")
    assert printed.status == 0
    code, _, err = await kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=printed.stdout)
    assert code == 0, err
    (peers,) = (
        each for each in yaml.safe_load_all(printed.stdout) if each["metadata"]["name"] == "bgppeers.metallb.io"
    )
    assert client_of(peers)["service"]["namespace"] == api.namespace
    assert {each["name"]: each["served"] for each in peers["spec"]["versions"]} == {"v1beta2": True, "v1beta1": True}
