"""The speakers' secret: made once, fit for the speakers, and never touched again."""

import base64

import pytest

from controller.boundary import gossip_secret
from frr_adapter import errors, refs
from frr_adapter.boundary import retry
from speaker.boundary import gossip
from tests.fakes.cluster import Cluster

NAMESPACE, NAME = "metallb-system", "memberlist"
REF = refs.ObjectRef("Secret", NAMESPACE, NAME)
DEPLOYMENT = {
    "kind": "Deployment",
    "metadata": {"name": "controller", "namespace": NAMESPACE, "uid": "uid-of-deployment"},
}
OWNER = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "controller", "uid": "uid-of-deployment"}
AT_ONCE = retry.Pace(first=0.001, longest=0.001)


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster()
    made.put(DEPLOYMENT)
    return made


def refusing(cluster: Cluster, method: str, plural: str, *failures: errors.KubernetesError) -> list[str]:
    """These failures come first, in order; gives the paths that were refused."""
    waiting, refused = list(failures), []

    def refuse(asked: str, path: str) -> errors.KubernetesError | None:
        if asked != method or f"/{plural}" not in path or not waiting:
            return None
        refused.append(path)
        return waiting.pop(0)

    cluster.refuse = refuse
    return refused


async def test_a_missing_secret_is_made_as_speakers_read_it(cluster, tmp_path):
    await gossip_secret.ensure(cluster, NAMESPACE, NAME, "controller", AT_ONCE)
    made = cluster.read(REF)
    assert made["metadata"]["ownerReferences"] == [OWNER]
    assert made["data"].keys() == {"secretkey"}
    text = base64.b64decode(made["data"]["secretkey"], validate=True)
    assert len(text) == 22
    assert len(base64.b64decode(text + b"==", validate=True)) == 16
    (tmp_path / gossip.SECRET_FILE).write_bytes(text)  # as a kubelet does
    assert gossip.read_secret(tmp_path).reveal().encode() == text


async def test_no_two_are_alike_and_none_is_logged(cluster, capsys):
    for name in ("one", "two"):
        await gossip_secret.ensure(cluster, NAMESPACE, name, "", AT_ONCE)
    one, two = (each["data"]["secretkey"] for each in cluster.all("Secret"))
    assert one != two
    said = capsys.readouterr().out
    assert said.count("secret for the speakers made") == 2
    for each in (one, two):
        assert each not in said
        assert base64.b64decode(each).decode() not in said


async def test_one_that_is_there_stays_as_it_is(cluster):
    theirs = {"kind": "Secret", "metadata": {"name": NAME, "namespace": NAMESPACE}, "data": {"other": "eA=="}}
    cluster.put(theirs)
    await gossip_secret.ensure(cluster, NAMESPACE, NAME, "controller", AT_ONCE)
    assert cluster.writes == []
    assert cluster.read(REF)["data"] == {"other": "eA=="}


async def test_of_two_controllers_one_makes_it(cluster, capsys):
    conflict = errors.KubernetesError(409, "AlreadyExists", 'secrets "memberlist" already exists')
    refused = refusing(cluster, "POST", "secrets", conflict)
    await gossip_secret.ensure(cluster, NAMESPACE, NAME, "controller", AT_ONCE)
    assert len(refused) == 1
    assert "another controller made the secret" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_is_refused_is_tried_again_and_told(cluster, capsys, method):
    forbidden = errors.KubernetesError(403, "Forbidden", "secrets is forbidden")
    away = errors.KubernetesError(0, "Unreachable", "connection refused")
    refused = refusing(cluster, method, "secrets", forbidden, away, forbidden)
    await gossip_secret.ensure(cluster, NAMESPACE, NAME, "controller", AT_ONCE)
    assert len(refused) == 3
    assert cluster.read(REF)["metadata"]["ownerReferences"] == [OWNER]
    said = capsys.readouterr().out
    assert said.count("no secret for the speakers yet") == 3
    assert "secrets is forbidden" in said


@pytest.mark.parametrize("deployment", ["", "elsewhere"])
async def test_without_its_deployment_the_secret_has_no_owner(cluster, capsys, deployment):
    await gossip_secret.ensure(cluster, NAMESPACE, NAME, deployment, AT_ONCE)
    assert "ownerReferences" not in cluster.read(REF)["metadata"]
    assert ("the secret for the speakers has no owner" in capsys.readouterr().out) is bool(deployment)


async def test_a_deployment_that_cannot_be_read_for_a_moment_is_waited_for(cluster):
    away = errors.KubernetesError(503, "ServiceUnavailable", "try again")
    refused = refusing(cluster, "GET", "deployments", away)
    await gossip_secret.ensure(cluster, NAMESPACE, NAME, "controller", AT_ONCE)
    assert len(refused) == 1
    assert cluster.read(REF)["metadata"]["ownerReferences"] == [OWNER]
