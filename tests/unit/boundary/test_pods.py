import pytest

from frr_adapter import errors
from frr_adapter.boundary import pods, retry

PACE = retry.Pace(first=0.001, longest=0.01, attempts=3)
POD = {"kind": "Pod", "metadata": {"name": "controller-0", "namespace": "metallb-system", "uid": "u1"}}


async def test_the_owner_is_the_pod_with_its_uid(world):
    world.put(POD)
    assert await pods.owner(world, "metallb-system", "controller-0", PACE) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "controller-0",
        "uid": "u1",
    }


@pytest.mark.parametrize("status", [403, 404, 500, 0])
async def test_a_pod_that_cannot_be_read_is_logged_and_no_owner(world, capsys, status):
    refusal = errors.KubernetesError(status, "Refused", "no")
    world.refuse = lambda _method, _path: refusal
    assert await pods.owner(world, "metallb-system", "controller-0", PACE) is None
    assert "own pod cannot be read" in capsys.readouterr().out


async def test_no_name_is_no_question(world):
    world.refuse = lambda _method, path: pytest.fail(path)
    assert await pods.owner(world, "metallb-system", "", PACE) is None
