"""Custom resources whose versions differ: what an API server asks a conversion webhook, and what clients see of it."""

import asyncio
import copy
import datetime as dt
import secrets
import ssl

import pytest
from aiohttp import web

from controller.boundary import certificates
from tests.contract import conftest
from tests.contract.test_kubernetes_api_webhooks import base64_of

pytestmark = pytest.mark.contract

GROUP = "lab.example.org"


class Translator:
    """A conversion webhook: v1 says `size`, v1beta1 says `extent` and does not know `mode`."""

    def __init__(self):
        self.url = ""
        self.seen = []
        self.fault = None

    async def ask(self, request):
        review = await request.json()
        self.seen.append(review)
        wanted = review["request"]
        made = [self.convert(each, wanted["desiredAPIVersion"]) for each in wanted["objects"]]
        response = {"uid": wanted["uid"], "result": {"status": "Success"}, "convertedObjects": made}
        if self.fault:
            response = {"uid": wanted["uid"], "result": {"status": "Failed", "message": self.fault}}
        return web.json_response({"apiVersion": review["apiVersion"], "kind": "ConversionReview", "response": response})

    def convert(self, document, api_version):
        made = {**copy.deepcopy(document), "apiVersion": api_version}
        spec = made["spec"]
        if api_version.endswith("v1beta1") and "size" in spec:
            made["spec"] = {"extent": spec["size"]}
        elif api_version.endswith("/v1") and "extent" in spec:
            made["spec"] = {"size": spec["extent"]}
        return made


@pytest.fixture(scope="module")
def credentials():
    return certificates.start({"127.0.0.1"}, dt.datetime.now(dt.UTC), None)


@pytest.fixture
async def translator(credentials, tmp_path):
    for name, content in (("crt", credentials.certificate), ("key", credentials.key)):
        (tmp_path / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    found = Translator()
    application = web.Application()
    application.router.add_post("/convert", found.ask)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    found.url = f"https://127.0.0.1:{runner.addresses[0][1]}/convert"
    yield found
    await runner.cleanup()


def definition(plural, translator, credentials, reviews=("v1",)):
    found = conftest.pool_definition(plural)
    older = copy.deepcopy(found["spec"]["versions"][0])
    older.update(name="v1beta1", storage=False)
    properties = older["schema"]["openAPIV3Schema"]["properties"]
    properties["spec"] = {
        "type": "object",
        "required": ["extent"],
        "properties": {"extent": {"type": "integer", "minimum": 0, "maximum": 10}},
    }
    del older["additionalPrinterColumns"]
    found["spec"]["versions"].append(older)
    client = {"url": translator.url, "caBundle": base64_of(credentials.authorities)}
    webhook = {"clientConfig": client, "conversionReviewVersions": list(reviews)}
    found["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}
    return found


@pytest.fixture
async def plural(api, translator, credentials):
    name = f"c{secrets.token_hex(3)}s"
    await conftest.define(api, definition(name, translator, credentials))
    await api.eventually(api.path(name, group=GROUP, version="v1beta1"), lambda answer: answer.status == 200)
    yield name
    await api.delete(f"{conftest.CRDS}/{name}.{GROUP}")


def new(plural, name="a", size=1, **metadata):
    kind = {"apiVersion": f"{GROUP}/v1", "kind": plural.capitalize()}
    return {**kind, "metadata": {"name": name, **metadata}, "spec": {"size": size}}


def old(plural, name="a", extent=1, **metadata):
    kind = {"apiVersion": f"{GROUP}/v1beta1", "kind": plural.capitalize()}
    return {**kind, "metadata": {"name": name, **metadata}, "spec": {"extent": extent}}


async def test_one_object_in_the_version_that_is_asked_for(api, plural):
    now, then = (api.path(plural, group=GROUP, version=version) for version in ("v1", "v1beta1"))
    made = (await api.post(then, old(plural, labels={"a": "b"}))).ok(201)
    assert (made["apiVersion"], made["spec"]) == (f"{GROUP}/v1beta1", {"extent": 1})
    kept = (await api.get(f"{now}/a")).ok()
    assert (kept["apiVersion"], kept["spec"]) == (f"{GROUP}/v1", {"size": 1, "mode": "fast"})
    for field in ("uid", "resourceVersion", "creationTimestamp", "generation", "labels"):
        assert kept["metadata"][field] == made["metadata"][field]
    (await api.patch(f"{now}/a", {"spec": {"size": 2, "mode": "slow"}})).ok()
    assert (await api.get(f"{then}/a")).ok()["spec"] == {"extent": 2}
    listed = (await api.get(then)).ok()
    assert [(each["apiVersion"], each["spec"]) for each in listed["items"]] == [(f"{GROUP}/v1beta1", {"extent": 2})]


async def test_writes_in_the_older_version(api, plural):
    now, then = (api.path(plural, "a", group=GROUP, version=version) for version in ("v1", "v1beta1"))
    made = (await api.post(api.path(plural, group=GROUP), new(plural))).ok(201)
    found = (await api.get(then)).ok()
    put = (await api.put(then, {**found, "spec": {"extent": 3}})).ok()
    assert (put["spec"], put["metadata"]["generation"]) == ({"extent": 3}, 2)
    assert (await api.put(then, {**found, "spec": {"extent": 4}})).refused(409, "Conflict")
    same = (await api.put(then, put)).ok()
    assert same["metadata"]["resourceVersion"] == put["metadata"]["resourceVersion"]
    assert (await api.patch(then, {"spec": {"extent": 5}})).ok()["spec"] == {"extent": 5}
    jumped = [{"op": "replace", "path": "/spec/extent", "value": 6}]
    assert (await api.patch(then, jumped, conftest.JSON_PATCH)).ok()["spec"] == {"extent": 6}
    assert (await api.patch(then, {"metadata": {"labels": {"x": "y"}}})).ok()["metadata"]["labels"] == {"x": "y"}
    assert (await api.get(now)).ok()["spec"]["size"] == 6
    (await api.patch(f"{then}/status", {"status": {"used": 7}})).ok()
    found = (await api.get(now)).ok()
    assert (found["status"], found["metadata"]["labels"]) == ({"used": 7}, {"x": "y"})
    assert found["metadata"]["uid"] == made["metadata"]["uid"]
    refused = (await api.post(api.path(plural, group=GROUP, version="v1beta1"), old(plural, "b", 11))).refused(
        422, "Invalid"
    )
    assert refused["details"]["causes"][0]["field"] == "spec.extent"
    tried = await api.post(api.path(plural, group=GROUP, version="v1beta1"), old(plural, "b"), dryRun="All")
    assert tried.ok(201)["spec"] == {"extent": 1}
    assert (await api.get(api.path(plural, "b", group=GROUP))).status == 404
    generated = {**old(plural), "metadata": {"generateName": "g-"}}
    name = (await api.post(api.path(plural, group=GROUP, version="v1beta1"), generated)).ok(201)["metadata"]["name"]
    assert name.startswith("g-")
    (await api.delete(then)).ok()
    assert (await api.get(now)).status == 404


async def test_apply_in_both_versions(api, plural):
    now, then = (api.path(plural, "a", group=GROUP, version=version) for version in ("v1", "v1beta1"))
    made = (await api.apply(then, old(plural), manager="one")).ok(201)
    assert made["spec"] == {"extent": 1}
    again = (await api.apply(then, old(plural), manager="one")).ok()
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    (await api.apply(then, old(plural, extent=2), manager="one")).ok()
    assert (await api.get(now)).ok()["spec"] == {"size": 2, "mode": "fast"}
    managers = [
        (each["manager"], each["apiVersion"]) for each in (await api.get(now)).ok()["metadata"]["managedFields"]
    ]
    assert managers == [("one", f"{GROUP}/v1beta1")]
    (await api.apply(then, old(plural, extent=3), manager="two")).refused(409, "Conflict")


async def test_watches_in_both_versions(api, plural):
    now, then = (api.path(plural, group=GROUP, version=version) for version in ("v1", "v1beta1"))
    async with api.watch(now) as watch, api.watch(then) as aged:
        (await api.post(then, old(plural))).ok(201)
        (await api.patch(f"{now}/a", {"spec": {"size": 2}})).ok()
        (await api.delete(f"{now}/a")).ok()
        for event_type, size in (("ADDED", 1), ("MODIFIED", 2), ("DELETED", 2)):
            found = await watch.until(event_type, "a")
            assert (found["apiVersion"], found["spec"]["size"]) == (f"{GROUP}/v1", size)
            found = await aged.until(event_type, "a")
            assert (found["apiVersion"], found["spec"]) == (f"{GROUP}/v1beta1", {"extent": size})


async def test_what_a_webhook_is_asked(api, translator, credentials):
    for reviews, version in ((["v1beta1"], "v1beta1"), (["v7", "v1", "v1beta1"], "v1")):
        name = f"c{secrets.token_hex(3)}s"
        await conftest.define(api, definition(name, translator, credentials, reviews))
        then = api.path(name, group=GROUP, version="v1beta1")
        await api.eventually(then, lambda answer: answer.status == 200)
        translator.seen.clear()
        (await api.post(then, old(name))).ok(201)
        asked = []
        for review in translator.seen:
            ours = [each for each in review["request"]["objects"] if each["kind"] == name.capitalize()]
            if not ours:
                continue  # a real server still takes away the objects of the definition before
            assert (review["apiVersion"], review["kind"]) == (f"apiextensions.k8s.io/{version}", "ConversionReview")
            asked += [(each["apiVersion"], review["request"]["desiredAPIVersion"]) for each in ours]
        assert (f"{GROUP}/v1beta1", f"{GROUP}/v1") in asked
        assert (f"{GROUP}/v1", f"{GROUP}/v1beta1") in asked
        await api.delete(f"{conftest.CRDS}/{name}.{GROUP}")


async def test_a_webhook_that_fails_leaves_the_stored_version_alone(api, plural, translator):
    now, then = (api.path(plural, group=GROUP, version=version) for version in ("v1", "v1beta1"))
    translator.fault = "no such word"
    async with asyncio.timeout(30):
        # A real server has answers of before in its cache.
        while (refused := await api.post(then, old(plural, f"x{secrets.token_hex(4)}"))).status == 201:
            await asyncio.sleep(0.05)
    assert refused.status == 500
    assert f"conversion webhook for {GROUP}/v1beta1, Kind={plural.capitalize()} failed: " in refused.body["message"]
    assert refused.body["message"].endswith("no such word")
    (await api.post(now, new(plural))).ok(201)
    (await api.patch(f"{now}/a", {"spec": {"size": 2}})).ok()
    assert (await api.get(f"{now}/a")).ok()["spec"]["size"] == 2
    async with api.watch(now) as watch:
        (await api.delete(f"{now}/a")).ok()
        await watch.until("DELETED", "a")
    translator.fault = None
    async with asyncio.timeout(30):
        while (made := await api.post(then, old(plural, f"x{secrets.token_hex(4)}"))).status != 201:
            await asyncio.sleep(0.05)
    assert made.body["spec"] == {"extent": 1}


async def test_definitions_that_cannot_convert(api, translator, credentials):
    good = definition("things", translator, credentials)
    (await api.post(conftest.CRDS, good, dryRun="All")).ok(201)
    for change, field in (
        ({"strategy": "Perhaps"}, "spec.conversion.strategy"),
        ({"strategy": "None"}, "spec.conversion.webhook"),
        ({"webhook": None}, "spec.conversion.webhook"),
        ({"webhook": {"clientConfig": {"url": translator.url}}}, "spec.conversion.conversionReviewVersions"),
        (
            {"webhook": {"clientConfig": {"url": translator.url}, "conversionReviewVersions": ["v7"]}},
            "spec.conversion.conversionReviewVersions",
        ),
        ({"webhook": {"clientConfig": {}, "conversionReviewVersions": ["v1"]}}, "spec.conversion.webhookClientConfig"),
    ):
        bad = copy.deepcopy(good)
        bad["spec"]["conversion"].update(change)
        causes = (await api.post(conftest.CRDS, bad, dryRun="All")).refused(422, "Invalid")["details"]["causes"]
        assert any(each["field"].startswith(field) for each in causes), causes
