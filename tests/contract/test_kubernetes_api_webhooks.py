"""Validating webhooks as an API server asks them: when, with what, and what becomes of their answers."""

import asyncio
import base64
import contextlib
import datetime as dt
import secrets
import ssl

import pytest
from aiohttp import web

from controller.boundary import certificates
from tests.contract.conftest import pool_definition

pytestmark = pytest.mark.contract

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
GROUP = "lab.example.org"


class Judge:
    """A webhook server; `answer` is what it says about every review, `seen` what it was asked."""

    def __init__(self, url, bundle):
        self.url = url
        self.bundle = bundle
        self.seen = []
        self.answer = {"allowed": True}
        self.uid = None

    async def ask(self, request):
        review = await request.json()
        self.seen.append(review["request"])
        uid = self.uid or review["request"]["uid"]
        return web.json_response(
            {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": {"uid": uid, **self.answer}}
        )

    def operations(self):
        return [(each["operation"], each["name"]) for each in self.seen]


@pytest.fixture(scope="module")
def credentials():
    return certificates.start({"127.0.0.1"}, dt.datetime.now(dt.UTC), None)


@pytest.fixture
async def judge(credentials, tmp_path):
    for name, content in (("crt", credentials.certificate), ("key", credentials.key)):
        (tmp_path / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    found = Judge("", credentials.authorities)
    application = web.Application()
    application.router.add_post("/review", found.ask)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    found.url = f"https://127.0.0.1:{runner.addresses[0][1]}/review"
    yield found
    await runner.cleanup()


def base64_of(content):
    return base64.b64encode(content).decode()


def configuration(api, judge, plural, *, rule=None, bundle=None, **more):
    webhook = {
        "name": "judge.lab.example.org",
        "clientConfig": {"url": judge.url, "caBundle": base64_of(bundle or judge.bundle)},
        "rules": [
            {
                "apiGroups": [GROUP],
                "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE", "DELETE"],
                "resources": [plural],
                **(rule or {}),
            }
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": api.namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        **more,
    }
    return {"metadata": {"name": f"judge-{secrets.token_hex(4)}"}, "webhooks": [webhook]}


def pool(plural, name, size=1, version="v1"):
    kind = {"apiVersion": f"{GROUP}/{version}", "kind": plural.capitalize()}
    return {**kind, "metadata": {"name": name}, "spec": {"size": size}}


@contextlib.asynccontextmanager
async def asked(api, judge, plural, *, probe=True, **more):
    """Reviews `plural` by `judge`, from when the API server has noticed."""
    document = configuration(api, judge, plural, **more)
    path = f"{CONFIGURATIONS}/{document['metadata']['name']}"
    (await api.post(CONFIGURATIONS, document)).ok(201)
    try:
        async with asyncio.timeout(30):
            while probe and not judge.seen:
                await api.post(api.path(plural, group=GROUP), pool(plural, "probe"), dryRun="All")
                await asyncio.sleep(0.05)
        judge.seen.clear()
        yield path
    finally:
        (await api.delete(path)).ok()


async def test_what_a_webhook_is_told(api, pools, judge):
    path = api.path(pools, group=GROUP)
    async with asked(api, judge, pools):
        made = (await api.post(path, pool(pools, "a"))).ok(201)
        (await api.put(f"{path}/a", {**made, "spec": {"size": 2}})).ok()
        (await api.patch(f"{path}/a", {"spec": {"size": 3}})).ok()
        (await api.apply(f"{path}/b", pool(pools, "b"))).ok()
        (await api.patch(f"{path}/a", {"status": {"used": 3}}, sub="status")).ok()
        (await api.delete(f"{path}/a")).ok()
    assert judge.operations()[:4] == [("CREATE", "a"), ("UPDATE", "a"), ("UPDATE", "a"), ("CREATE", "b")]
    assert judge.operations()[-1] == ("DELETE", "a")
    created, updated, patched, *_, deleted = judge.seen
    kind = {"group": GROUP, "version": "v1", "kind": pools.capitalize()}
    assert created["kind"] == created["requestKind"] == kind
    assert created["resource"] == {"group": GROUP, "version": "v1", "resource": pools}
    assert (created["namespace"], created["dryRun"], created["oldObject"]) == (api.namespace, False, None)
    assert created["object"]["spec"] == {"size": 1, "mode": "fast"}
    assert created["object"]["kind"] == pools.capitalize()
    assert created["object"]["metadata"]["uid"]
    assert (updated["oldObject"]["spec"]["size"], updated["object"]["spec"]["size"]) == (1, 2)
    assert (patched["oldObject"]["spec"]["size"], patched["object"]["spec"]["size"]) == (2, 3)
    assert (deleted["object"], deleted["oldObject"]["spec"]["size"]) == (None, 3)
    assert len({each["uid"] for each in judge.seen}) == len(judge.seen)


async def test_a_refusal_says_who_and_why_and_nothing_is_kept(api, pools, judge):
    path = api.path(pools, group=GROUP)
    async with asked(api, judge, pools):
        judge.answer = {"allowed": False, "status": {"code": 403, "reason": "Forbidden", "message": "too round"}}
        answer = await api.post(path, pool(pools, "a"))
        assert answer.refused(403, "Forbidden")["message"] == (
            'admission webhook "judge.lab.example.org" denied the request: too round'
        )
        judge.answer = {"allowed": False}
        body = (await api.post(path, pool(pools, "a"))).body
        assert (body["code"], body["message"]) == (
            400,
            'admission webhook "judge.lab.example.org" denied the request without explanation',
        )
        judge.answer = {"allowed": False, "status": {"code": 200, "reason": "Because"}}
        body = (await api.post(path, pool(pools, "a"))).body
        assert (body["code"], body["reason"]) == (400, "Because")
        assert body["message"].endswith("denied the request: Because")
        assert (await api.get(f"{path}/a")).status == 404
        judge.answer = {"allowed": True}
        (await api.post(path, pool(pools, "a"))).ok(201)
        judge.answer = {"allowed": False}
        assert (await api.patch(f"{path}/a", {"spec": {"size": 3}})).status == 400
        assert (await api.delete(f"{path}/a")).status == 400
        assert (await api.delete(path)).status == 400
        assert (await api.get(f"{path}/a")).ok()["spec"]["size"] == 1


async def test_warnings_reach_the_client(api, pools, judge):
    path = api.path(pools, group=GROUP)
    async with asked(api, judge, pools):
        judge.answer = {"allowed": True, "warnings": ["old", "odd"]}
        assert (await api.post(path, pool(pools, "a"))).warnings == ['299 - "old"', '299 - "odd"']
        assert (await api.delete(f"{path}/a")).warnings == ['299 - "old"', '299 - "odd"']


async def test_an_invalid_object_is_not_reviewed_and_a_dry_run_is(api, pools, judge):
    path = api.path(pools, group=GROUP)
    async with asked(api, judge, pools):
        assert (await api.post(path, pool(pools, "a", size=99))).status == 422
        assert judge.seen == []
        (await api.post(path, pool(pools, "a"), dryRun="All")).ok(201)
        assert [each["dryRun"] for each in judge.seen] == [True]
        assert (await api.get(f"{path}/a")).status == 404


@pytest.mark.parametrize(
    ("more", "seen"),
    [
        ({"rule": {"operations": ["UPDATE"]}}, ["UPDATE"]),
        ({"rule": {"operations": ["*"], "resources": ["*"], "apiGroups": ["*"], "apiVersions": ["*"]}}, None),
        ({"rule": {"scope": "Cluster"}}, []),
        ({"rule": {"scope": "Namespaced", "operations": ["DELETE"]}}, ["DELETE"]),
        ({"rule": {"apiVersions": ["v2"]}}, []),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "nowhere"}}}, []),
        ({"objectSelector": {"matchExpressions": [{"key": "seen", "operator": "DoesNotExist"}]}}, ["CREATE", "UPDATE"]),
    ],
)
async def test_which_writes_are_reviewed(api, pools, judge, more, seen):
    # Noticed by a second webhook that sees everything, since the one under test may see nothing.
    witness = Judge(judge.url.replace("/review", "/witness"), judge.bundle)
    path = api.path(pools, group=GROUP)
    (await api.post(path, pool(pools, "a"))).ok(201)
    document = configuration(api, judge, pools, **more)
    everything = configuration(api, witness, pools, failurePolicy="Fail")["webhooks"][0]
    document["webhooks"].append({**everything, "name": "witness.lab.example.org"})
    (await api.post(CONFIGURATIONS, document)).ok(201)
    async with asyncio.timeout(30):
        # The witness's path answers 404, so that its webhook fails: then the configuration has been noticed.
        while (await api.post(path, pool(pools, "probe"), dryRun="All")).status != 500:
            await asyncio.sleep(0.05)
    at = f"{CONFIGURATIONS}/{document['metadata']['name']}"
    (await api.patch(at, {"webhooks": document["webhooks"][:1]})).ok()
    async with asyncio.timeout(30):
        while (await api.post(path, pool(pools, "probe"), dryRun="All")).status != 201:
            await asyncio.sleep(0.05)
    judge.seen.clear()
    (await api.post(path, pool(pools, "b"))).ok(201)
    (await api.patch(f"{path}/a", {"metadata": {"labels": {"seen": "yes"}}})).ok()
    (await api.delete(f"{path}/a")).ok()
    operations = [each["operation"] for each in judge.seen if each["resource"]["resource"] == pools]
    assert operations == (["CREATE", "UPDATE", "DELETE"] if seen is None else seen)
    (await api.delete(at)).ok()


async def test_a_webhook_that_cannot_be_asked(api, pools, judge, credentials):
    path = api.path(pools, group=GROUP)
    stranger = certificates.start({"127.0.0.1"}, dt.datetime.now(dt.UTC), None)
    for fault in ({"bundle": stranger.authorities}, {"wrong uid": True}):
        judge.uid = "somebody else's" if "wrong uid" in fault else None
        bundle = fault.get("bundle")
        async with asked(api, judge, pools, probe=False, bundle=bundle) as at:
            async with asyncio.timeout(30):
                while (answer := await api.post(path, pool(pools, "a"))).status == 201:
                    (await api.delete(f"{path}/a")).ok()
                    await asyncio.sleep(0.05)
            words = 'Internal error occurred: failed calling webhook "judge.lab.example.org": '
            assert answer.refused(500, "InternalError")["message"].startswith(words)
            assert (await api.get(f"{path}/a")).status == 404
            webhook = (await api.get(at)).body["webhooks"][0]
            (await api.patch(at, {"webhooks": [{**webhook, "failurePolicy": "Ignore"}]})).ok()
            async with asyncio.timeout(30):
                while (await api.post(path, pool(pools, "a"))).status != 201:
                    await asyncio.sleep(0.05)
            (await api.delete(f"{path}/a")).ok()


async def test_the_configuration_has_defaults_and_rules(api, judge):
    document = configuration(api, judge, "things")
    del document["webhooks"][0]["namespaceSelector"]
    document["webhooks"][0]["rules"][0]["resources"] = ["nothings"]
    made = (await api.post(CONFIGURATIONS, document, dryRun="All")).ok(201)
    webhook = made["webhooks"][0]
    defaults = {
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "timeoutSeconds": 10,
    }
    assert {key: webhook[key] for key in defaults} == defaults
    assert webhook["rules"][0]["scope"] == "*"
    assert made["metadata"]["generation"] == 1
    for field, value in (
        ("name", "short"),
        ("sideEffects", "Some"),
        ("timeoutSeconds", 31),
        ("failurePolicy", "Perhaps"),
        ("admissionReviewVersions", ["v7"]),
        ("clientConfig", {"url": "http://127.0.0.1/"}),
        ("clientConfig", {}),
    ):
        bad = {**document, "webhooks": [{**document["webhooks"][0], field: value}]}
        answer = await api.post(CONFIGURATIONS, bad, dryRun="All")
        causes = answer.refused(422, "Invalid")["details"]["causes"]
        assert causes[0]["field"].startswith(f"webhooks[0].{field}"), causes


async def test_equivalent_versions_are_reviewed_in_the_version_of_the_rule(api, judge):
    plural = f"p{secrets.token_hex(3)}s"
    definition = pool_definition(plural)
    first = definition["spec"]["versions"][0]
    definition["spec"]["versions"].append({**first, "name": "v1beta1", "storage": False})
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    (await api.post(crds, definition)).ok(201)
    old = api.path(plural, group=GROUP, version="v1beta1")
    for version in ("v1", "v1beta1"):
        await api.eventually(api.path(plural, group=GROUP, version=version), lambda answer: answer.status == 200)
    async with asked(api, judge, plural):
        (await api.apply(f"{old}/a", pool(plural, "a", version="v1beta1"))).ok()
    assert [each["kind"]["version"] for each in judge.seen] == ["v1"]
    assert judge.seen[0]["requestKind"]["version"] == "v1beta1"
    assert judge.seen[0]["object"]["apiVersion"] == f"{GROUP}/v1"
    await api.delete(f"{crds}/{plural}.{GROUP}")
