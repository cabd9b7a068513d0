from prometheus_client import parser

from frr_adapter.boundary import metrics


def lines(registry: metrics.Metrics) -> list[str]:
    return registry.render().decode().splitlines()


def samples(registry: metrics.Metrics) -> list[str]:
    return [line for line in lines(registry) if not line.startswith("#")]


def figures(pool: str, addresses: int = 256) -> metrics.PoolFigures:
    return metrics.PoolFigures(pool, addresses, 250, 6, 3, 2, 1)


def test_pools_have_all_series_and_removed_ones_none():
    registry = metrics.Metrics()
    allocator = metrics.AllocatorMetrics(registry)
    allocator.set_pools([figures("b"), figures("a", 9)])
    assert [line for line in samples(registry) if 'pool="a"' in line] == [
        'metallb_allocator_addresses_total{pool="a"} 9.0',
        'metallb_allocator_ipv4_addresses_total{pool="a"} 250.0',
        'metallb_allocator_ipv6_addresses_total{pool="a"} 6.0',
        'metallb_allocator_addresses_in_use_total{pool="a"} 3.0',
        'metallb_allocator_ipv4_addresses_in_use_total{pool="a"} 2.0',
        'metallb_allocator_ipv6_addresses_in_use_total{pool="a"} 1.0',
    ]
    allocator.set_pools([figures("a")])
    assert not [line for line in samples(registry) if 'pool="b"' in line]
    assert "# TYPE metallb_allocator_services_allocated_total gauge" in lines(registry)


def test_client_metrics_start_at_zero_and_are_counters_and_gauges():
    registry = metrics.Metrics()
    client = metrics.ClientMetrics(registry)
    assert samples(registry) == [
        "metallb_k8s_client_updates_total 0.0",
        "metallb_k8s_client_update_errors_total 0.0",
        "metallb_k8s_client_config_loaded_bool 0.0",
        "metallb_k8s_client_config_stale_bool 0.0",
    ]
    client.updates.add()
    client.updates.add(2)
    client.set_config(loaded=True, stale=True)
    assert samples(registry) == [
        "metallb_k8s_client_updates_total 3.0",
        "metallb_k8s_client_update_errors_total 0.0",
        "metallb_k8s_client_config_loaded_bool 1.0",
        "metallb_k8s_client_config_stale_bool 1.0",
    ]
    assert "# TYPE metallb_k8s_client_updates_total counter" in lines(registry)
    assert "# TYPE metallb_k8s_client_config_stale_bool gauge" in lines(registry)


def test_announced_addresses_are_replaced_per_service_and_protocol():
    registry = metrics.Metrics()
    speaker = metrics.SpeakerMetrics(registry)
    speaker.set_announced("default/web", "bgp", "n1", ["198.51.100.1", "2001:db8::1"])
    speaker.set_announced("default/web", "layer2", "n1", ["198.51.100.1"])
    assert len(samples(registry)) == 3
    speaker.set_announced("default/web", "bgp", "n1", ["198.51.100.2"])
    speaker.set_announced("default/web", "layer2", "n1", ())
    speaker.set_announced("default/other", "layer2", "n1", ())
    assert samples(registry) == [
        'metallb_speaker_announced{ip="198.51.100.2",node="n1",protocol="bgp",service="default/web"} 1.0'
    ]


def test_layer2_counters_keep_their_compatible_names_without_total():
    registry = metrics.Metrics()
    speaker = metrics.SpeakerMetrics(registry)
    speaker.requests_received.add(labels=("10.99.0.200",))
    speaker.responses_sent.add(labels=("10.99.0.200",))
    speaker.gratuitous_sent.add(2, labels=("fd00::1",))
    assert samples(registry) == [
        'metallb_layer2_requests_received{ip="10.99.0.200"} 1.0',
        'metallb_layer2_responses_sent{ip="10.99.0.200"} 1.0',
        'metallb_layer2_gratuitous_sent{ip="fd00::1"} 2.0',
    ]
    assert "# TYPE metallb_layer2_requests_received counter" in lines(registry)
    assert not [line for line in lines(registry) if "_total" in line]


def test_process_figures_are_there_when_asked_for():
    registry = metrics.Metrics()
    registry.include_process()
    (line,) = [line for line in samples(registry) if line.startswith("process_resident_memory_bytes ")]
    assert float(line.split()[1]) > 2**20


def test_registries_do_not_share_anything():
    first, second = metrics.Metrics(), metrics.Metrics()
    metrics.ClientMetrics(first).updates.add()
    metrics.ClientMetrics(second)
    assert "metallb_k8s_client_updates_total 0.0" in samples(second)


def test_the_time_to_an_address_is_a_histogram_under_our_own_name():
    registry = metrics.Metrics()
    seconds = metrics.AssignmentMetrics(registry)
    seconds.observe(0.004)
    seconds.observe(0.04)
    name = "frr_adapter_service_assignment_seconds"
    assert f"# TYPE {name} histogram" in lines(registry)
    found = dict(line.rsplit(" ", 1) for line in samples(registry))
    assert (found[f'{name}_bucket{{le="0.005"}}'], found[f'{name}_bucket{{le="0.05"}}']) == ("1.0", "2.0")
    assert (found[f'{name}_bucket{{le="+Inf"}}'], found[f"{name}_count"]) == ("2.0", "2.0")
    assert float(found[f"{name}_sum"]) == 0.044
    assert not [line for line in lines(registry) if "_created" in line]


def test_the_text_is_read_back_as_it_was_meant():
    registry = metrics.Metrics()
    odd = 'a "quoted" \\ one\nin two lines'
    gauge = registry.gauge("g", f"Help: {odd}", ("b", "a"))
    gauge.replace({("x", odd): 1, ("y", ""): 0.25, ("z", "%s"): 1e30, ("w", "w"): -3})
    counter = registry.counter("requests", "No suffix", ("ip",))
    counter.add(2, ("198.51.100.1",))
    registry.gauge("empty", "Nothing yet", ("a",))
    registry.histogram("h_seconds", "Of the library", (1.0,)).observe(0.5)
    read = {each.name: each for each in parser.text_string_to_metric_families(registry.render().decode())}
    assert read["g"].documentation == f"Help: {odd}"
    assert {(each.labels["b"], each.labels["a"]): each.value for each in read["g"].samples} == {
        ("x", odd): 1,
        ("y", ""): 0.25,
        ("z", "%s"): 1e30,
        ("w", "w"): -3,
    }
    assert (read["requests"].type, read["requests"].samples[0].value) == ("counter", 2)
    assert (read["empty"].type, read["empty"].samples) == ("gauge", [])
    assert {each.name for each in read["h_seconds"].samples} >= {"h_seconds_bucket", "h_seconds_count"}
