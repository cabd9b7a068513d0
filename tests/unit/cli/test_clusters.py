"""Which cluster is meant, as kubectl chooses."""

from pathlib import Path

import pytest

from cli import errors
from cli.boundary import clusters

POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text("current-context: of-home\n")
    return {"HOME": str(tmp_path)}


@pytest.fixture
def other(tmp_path):
    path = tmp_path / "other"
    path.write_text("current-context: of-other\n")
    return path


def test_the_path_that_is_given_comes_first(home, other):
    environ = {**home, **POD, "KUBECONFIG": "/nowhere"}
    assert clusters.access(str(other), "c", environ) == clusters.Access(other, "c")
    with pytest.raises(errors.NoAnswerError, match=r"--kubeconfig: /nowhere: no such file"):
        clusters.access("/nowhere", "", environ)


def test_then_the_variable_without_what_is_not_there(home, other):
    found = clusters.access("", "", {**home, "KUBECONFIG": f"/nowhere:{other}"})
    assert found == clusters.Access(other)
    assert found.name == "cluster of-other"
    with pytest.raises(errors.NoAnswerError, match=r"\$KUBECONFIG: /nowhere: no such file"):
        clusters.access("", "", {**home, "KUBECONFIG": "/nowhere"})


def test_then_the_home_then_the_pod(home):
    assert clusters.access("", "", {**home, **POD}).name == "cluster of-home"
    inside = clusters.access("", "", {"HOME": "/nonexistent", **POD})
    assert (inside, inside.name) == (clusters.Access(None), "cluster of this pod")
    assert clusters.access("", "", {"HOME": "/nonexistent"}) is None


def test_a_home_that_cannot_be_looked_into_is_none():
    """As one of somebody else; a name that is too long is the same for everybody, the superuser too."""
    closed = {"HOME": f"/{'x' * 300}"}
    with pytest.raises(OSError, match="too long"):
        (Path(closed["HOME"]) / ".kube/config").is_file()
    assert clusters.access("", "", {**closed, **POD}) == clusters.Access(None)
    assert clusters.access("", "", closed) is None
