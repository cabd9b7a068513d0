"""The controller as a real process makes the speakers' secret on a real API, once."""

import base64
import contextlib
import secrets
import signal

import pytest

from frr_adapter.api import crds
from tests.contract import conftest
from tests.contract.replica import Replica, until

pytestmark = pytest.mark.contract

LABELS = {"app": "controller"}
POD = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "controller", "image": "none"}]}}
DEPLOYMENT = {"metadata": {"name": "controller"}, "spec": {"selector": {"matchLabels": LABELS}, "template": POD}}


@pytest.fixture
async def start(kube_api, api, tmp_path):
    """Starts a controller that shall make the secret, and gives it once it is ready."""
    for document in crds.documents():
        answer = await api.post(conftest.CRDS, document)
        assert answer.status in (201, 409), answer.body
    pools = api.path("ipaddresspools", group="metallb.io", version="v1beta1")
    await api.eventually(pools, lambda answer: answer.status == 200)
    made: list[Replica] = []

    async def begin(*flags: str) -> Replica:
        common = (f"--namespace={api.namespace}", f"--lb-class=test.example/{secrets.token_hex(4)}", *flags)
        replica = Replica(kube_api.kubeconfig, tmp_path / f"c{len(made)}", (*common, "--leader-elect=false"))
        made.append(replica)
        replica.start()
        await until(replica.ready)
        return replica

    yield begin
    for replica in made:
        with contextlib.suppress(ProcessLookupError):
            replica.process.send_signal(signal.SIGTERM)
        assert replica.process.wait(10) == 0, replica.errors


def said(replica: Replica) -> list[str]:
    return [line["msg"] for line in replica.log if "secret" in line]


async def test_the_secret_is_made_once_and_belongs_to_the_deployment(api, start):
    deployment = (await api.post(api.path("deployments", group="apps"), DEPLOYMENT)).ok(201)
    flags = ("--ml-secret-name=memberlist", "--deployment=controller")
    path = api.path("secrets", "memberlist")
    first = await start(*flags)
    found = (await api.eventually(path, lambda answer: answer.status == 200)).body
    await until(lambda: said(first) == ["secret for the speakers made"])
    assert len(base64.b64decode(found["data"]["secretkey"])) == 22
    (owner,) = found["metadata"]["ownerReferences"]
    expected = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "controller"}
    assert owner == {**expected, "uid": deployment["metadata"]["uid"]}
    second = await start(*flags)
    assert (await api.get(path)).body["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]
    assert said(second) == []


async def test_without_the_flag_there_is_none(api, start):
    replica = await start("--deployment=controller")
    listed = (await api.get(api.path("secrets"))).ok()
    assert [each["metadata"]["name"] for each in listed["items"]] == []
    assert said(replica) == []
