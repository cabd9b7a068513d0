"""A controller process that sees Services come and go for a long time stays as small as it was."""

import asyncio
import statistics

import pytest

from tests.bench import load

ROUNDS = 100
SERVICES = 1000


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_memory_is_flat_over_100_000_services_created_and_deleted(tmp_path):
    sizes = []
    with load.free_api(tmp_path) as (kubeconfig, api):
        controller = load.Controller(kubeconfig, tmp_path / "controller.log")
        controller.start()
        try:
            asyncio.run(controller.ready())
            for number in range(ROUNDS):
                api.burst(SERVICES, f"round-{number}")
                api.clear()
                sizes.append(controller.resident_mib())
        finally:
            controller.stop()
    slope = statistics.linear_regression(range(ROUNDS // 2), sizes[ROUNDS // 2 :]).slope
    assert slope * ROUNDS < 2, f"MiB over {ROUNDS * SERVICES} Services; sizes {sizes}"
    assert sizes[-1] < sizes[ROUNDS // 10] + 10, sizes
    assert max(sizes) < 150, sizes
