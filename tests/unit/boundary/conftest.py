"""A cluster in memory, the same behind HTTP, and a port that talks to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from frr_adapter.boundary import kube
from tests.fakes import cluster
from tests.fakes import kube as fake_kube


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """The official client honours proxy variables, and reads all authorities of the system for every connection pool."""
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    monkeypatch.setenv("SSL_CERT_DIR", "/dev/null")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def world() -> cluster.Cluster:
    return cluster.Cluster()


@pytest.fixture
async def server(world) -> AsyncIterator[fake_kube.KubeServer]:
    async with fake_kube.KubeServer(world) as running:
        yield running


@pytest.fixture
async def port(server, tmp_path) -> AsyncIterator[kube.Kube]:
    async with await kube.Kube.connect(write_kubeconfig(tmp_path, {"server": server.url}, {})) as connected:
        yield connected


def write_kubeconfig(folder: Path, cluster_fields: dict, user_fields: dict) -> Path:
    """A kubeconfig with one context."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": cluster_fields}],
        "users": [{"name": "me", "user": user_fields}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path
