"""Tokens of service accounts, and what the API says about tokens and rights to those who ask."""

import asyncio
import contextlib
import secrets

import pytest

pytestmark = pytest.mark.contract

TOKENS = "/apis/authentication.k8s.io/v1/tokenreviews"
RIGHTS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


async def account(api, name="reader"):
    """A service account and a token of it."""
    accounts = api.path("serviceaccounts")
    (await api.post(accounts, {"metadata": {"name": name}})).ok(201)
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    made = (await api.post(f"{accounts}/{name}/token", asked)).ok(201)
    assert made["kind"] == "TokenRequest"
    assert made["status"]["expirationTimestamp"] > made["metadata"]["creationTimestamp"]
    return made["status"]["token"]


async def identity(api, token):
    answer = await api.post(
        TOKENS, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    )
    return answer.ok(201)["status"]


async def may(api, user, groups=(), **spec):
    body = {"user": user, "groups": list(groups), **spec}
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    return (await api.post(RIGHTS, {**kind, "spec": body})).ok(201)["status"]["allowed"]


@contextlib.asynccontextmanager
async def role(api, rules, subjects):
    """A cluster-wide role of these subjects, for a while."""
    name = f"t-{secrets.token_hex(4)}"
    (await api.post(f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules})).ok(201)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": subjects}
    (await api.post(f"{RBAC}/clusterrolebindings", binding)).ok(201)
    try:
        yield name
    finally:
        (await api.delete(f"{RBAC}/clusterrolebindings/{name}")).ok()
        (await api.delete(f"{RBAC}/clusterroles/{name}")).ok()


def subject(api, name="reader"):
    return {"kind": "ServiceAccount", "name": name, "namespace": api.namespace}


async def test_whose_token_it_is(api):
    token = await account(api)
    found = await identity(api, token)
    assert found["authenticated"] is True
    assert found["user"]["username"] == f"system:serviceaccount:{api.namespace}:reader"
    assert {"system:serviceaccounts", f"system:serviceaccounts:{api.namespace}", "system:authenticated"} <= set(
        found["user"]["groups"]
    )
    stranger = await identity(api, "nobody's")
    assert "authenticated" not in stranger
    assert "invalid bearer token" in stranger["error"]
    (await api.delete(api.path("serviceaccounts", "reader"))).ok()
    async with asyncio.timeout(30):
        # A real API server remembers for ten seconds whose token it was.
        while "authenticated" in await identity(api, token):
            await asyncio.sleep(0.2)


async def test_rights_come_from_roles(api):
    user = f"system:serviceaccount:{api.namespace}:reader"
    metrics = {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}}
    pods = {"resourceAttributes": {"resource": "pods", "verb": "list", "namespace": api.namespace}}
    assert not await may(api, user, **metrics)
    assert await may(api, "anybody", ["system:masters"], **metrics)
    rules = [
        {"nonResourceURLs": ["/metrics", "/logs/*"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": ["metallb.io"], "resources": ["bgppeers/status"], "resourceNames": ["p"], "verbs": ["*"]},
    ]
    async with role(api, rules, [subject(api), {"kind": "Group", "name": "readers"}]):

        async def settled(expected, *who, **spec):
            # A real API server takes a moment to notice roles.
            for _ in range(200):
                if await may(api, *who, **spec) == expected:
                    return True
            return False

        assert await settled(True, user, **metrics)
        assert await settled(True, "anybody", ["readers"], **pods)
        assert not await may(api, "anybody", **metrics)
        assert not await may(api, user, nonResourceAttributes={"path": "/metrics", "verb": "put"})
        assert await may(api, user, nonResourceAttributes={"path": "/logs/a/b", "verb": "get"})
        status = {"group": "metallb.io", "resource": "bgppeers", "verb": "patch", "namespace": "any"}
        assert await may(api, user, resourceAttributes={**status, "subresource": "status", "name": "p"})
        assert not await may(api, user, resourceAttributes={**status, "subresource": "status", "name": "q"})
        assert not await may(api, user, resourceAttributes={**status, "name": "p"})
    assert not await may(api, user, resourceAttributes={**status, "subresource": "status", "name": "q"})


async def test_kubectl_gets_a_token(api, kubectl, kube_api):
    kube_api.require(24, "kubectl create token")
    code, _, err = await kubectl("create", "serviceaccount", "reader")
    assert code == 0, err
    code, token, err = await kubectl("create", "token", "reader")
    assert code == 0, err
    assert (await identity(api, token.strip()))["authenticated"] is True
