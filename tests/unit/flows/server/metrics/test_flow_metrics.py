"""`flows/server/metrics/flow_metrics.py`: records in, families out."""

from collections.abc import Iterable

import msgspec
import pytest
from tests.unit.flows.server.sample_records import (
    DB,
    LINES,
    NOW_NS,
    OTHER_CGROUP,
    SECOND_NS,
    WEB,
    call,
    drop,
    joined,
    loss,
    name_table,
    packet,
    surroundings,
)

from ciliate.config.hubble_metrics_settings import HubbleMetric, read_hubble_metrics_settings
from ciliate.config.texts import Texts
from ciliate.datapath.layout import Event
from ciliate.flows.feed import PodGone
from ciliate.flows.server.metrics.departures import STAY_S
from ciliate.flows.server.metrics.flow_metrics import GROUPS_MAX, FlowMetrics
from ciliate.flows.server.metrics.series import Labels
from ciliate.flows.server.name_table import NameTable
from ciliate.metrics.exposition import render_text
from ciliate.metrics.family import Family

PODS = "sourceContext=pod;destinationContext=pod"


def listed(text: str) -> tuple[HubbleMetric, ...]:
    return read_hubble_metrics_settings(Texts({"hubble-metrics": text})).metrics


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def metrics(
    text: str, *, names: NameTable | None = None, clock: Clock | None = None, series_max: int = 99
) -> FlowMetrics:
    around = surroundings(names)
    return FlowMetrics(listed(text), lambda: around, clock=clock or Clock(), series_max=series_max)


def samples(families: Iterable[Family], name: str) -> dict[Labels, float]:
    (family,) = (each for each in families if each.name == name)
    return dict(family.samples)


def test_records_are_counted_by_each_metric_that_they_are_for() -> None:
    counting = metrics("flow drop tcp port-distribution")

    counting.take(joined([packet(), packet(tcp_flags=16), drop(), packet()]))
    counting.take(joined([packet(source_port=7)]))

    found = list(counting.families())
    assert samples(found, "hubble_flows_processed_total") == {
        ("TCP", "Trace", "to-network", "FORWARDED"): 4,
        ("TCP", "Drop", "", "DROPPED"): 1,
    }
    assert samples(found, "hubble_drop_total") == {("INVALID_SOURCE_IP", "TCP"): 1}
    assert samples(found, "hubble_tcp_flags_total") == {("SYN", "IPv4"): 3}
    assert samples(found, "hubble_port_distribution_total") == {("TCP", "80"): 4}


def test_counts_go_on_from_scrape_to_scrape() -> None:
    counting = metrics("drop")

    for expected in (1, 2, 3):
        counting.take(joined([drop()]))
        assert set(samples(counting.families(), "hubble_drop_total").values()) == {expected}


def test_labels_name_who_had_the_address_at_the_time() -> None:
    names = name_table()
    counting = metrics(f"flow:{PODS}", names=names)
    counting.take(joined([packet()]))
    counting.settle()
    later = msgspec.structs.replace(
        WEB, key="endpoint 8", pod="web-1", since_ns=NOW_NS + SECOND_NS
    )
    for line in (PodGone(key=WEB.key, at_ns=NOW_NS + SECOND_NS), later):
        names.take(line)
        counting.take_line(line)
    counting.take(joined([packet(time_ns=NOW_NS + 2 * SECOND_NS)]))

    found = samples(counting.families(), "hubble_flows_processed_total")

    assert found == {
        ("TCP", "Trace", "to-network", "FORWARDED", "shop/web-0", "shop-db/db-0"): 1,
        ("TCP", "Trace", "to-network", "FORWARDED", "shop/web-1", "shop-db/db-0"): 1,
    }


def test_name_that_comes_with_the_next_look_is_still_used() -> None:
    names = name_table(*LINES[1:])
    counting = metrics(f"drop:{PODS}", names=names)
    counting.take(joined([drop()]))

    names.take(msgspec.structs.replace(WEB, since_ns=NOW_NS + SECOND_NS))

    assert samples(counting.families(), "hubble_drop_total") == {
        ("INVALID_SOURCE_IP", "TCP", "shop/web-0", "shop-db/db-0"): 1
    }


def test_calls_of_processes_that_are_no_pods_are_no_flows() -> None:
    counting = metrics("flow")

    counting.take(joined([call(), call(cgroup=OTHER_CGROUP), call()]))

    assert samples(counting.families(), "hubble_flows_processed_total") == {
        ("Unknown flow", "Unknown", "7", "TRACED"): 2
    }


def test_losses_are_counted_by_where_they_happened() -> None:
    around = surroundings()
    counting = FlowMetrics((), lambda: around, overtaken=lambda: 9)

    counting.take(joined([loss(5), packet(), loss(2)]))

    assert samples(counting.families(), "hubble_lost_events_total") == {
        ("perf_event_ring_buffer",): 7,
        ("observer_events_queue",): 0,
        ("hubble_ring_buffer",): 9,
    }


def test_ports_beyond_the_bound_are_counted_as_refused() -> None:
    counting = metrics("port-distribution flow", series_max=10)

    counting.take(joined([packet(destination_port=port) for port in range(1, 31)]))

    found = list(counting.families())
    assert len(samples(found, "hubble_port_distribution_total")) == 10
    assert samples(found, "ciliate_flow_metric_series_refused_total") == {
        ("hubble_port_distribution_total",): 20,
        ("hubble_flows_processed_total",): 0,
    }


def test_groups_are_looked_at_when_they_are_many() -> None:
    counting = metrics("port-distribution", series_max=2 * GROUPS_MAX)

    counting.take(joined([packet(destination_port=port) for port in range(GROUPS_MAX + 1)]))

    assert [len(each.groups) for each in counting._onlookers] == [0]


def test_series_of_a_pod_go_a_minute_behind_it() -> None:
    clock = Clock()
    counting = metrics(f"drop:{PODS} tcp flow:labelsContext=source_ip", clock=clock)
    for line in (WEB, DB):
        counting.take_line(line)
    counting.take(joined([drop(), packet()]))
    counting.settle()
    counting.take_line(PodGone(key=WEB.key, at_ns=NOW_NS))

    clock.now_s = STAY_S - 1
    assert len(samples(counting.families(), "hubble_drop_total")) == 1
    clock.now_s = STAY_S
    found = list(counting.families())

    assert samples(found, "hubble_drop_total") == {}
    assert samples(found, "hubble_flows_processed_total") == {}
    assert samples(found, "hubble_tcp_flags_total") == {("SYN", "IPv4"): 1}


def test_series_of_a_pod_that_was_gone_when_it_was_counted_goes_too() -> None:
    clock = Clock()
    counting = metrics(f"drop:{PODS}", clock=clock)
    counting.take_line(DB)
    counting.take(joined([drop()]))
    assert len(samples(counting.families(), "hubble_drop_total")) == 1

    clock.now_s = STAY_S

    assert samples(counting.families(), "hubble_drop_total") == {}


def test_metrics_without_a_source_have_families_and_no_series() -> None:
    counting = metrics("dns kafka policy httpV2:labelsContext=source_pod,traffic_direction")
    counting.take(joined([packet(), drop()]))

    text = render_text(tuple(counting.families()), process="p", accept="").body.decode()

    for name in ("hubble_dns_queries_total", "hubble_policy_verdicts_total"):
        assert f"# TYPE {name} counter\n" in text
        assert f"{name}{{" not in text
    assert "# TYPE hubble_http_request_duration_seconds histogram\n" in text


@pytest.mark.parametrize("accept", ["", "application/openmetrics-text; version=1.0.0"])
def test_families_can_be_given_in_either_form(accept: str) -> None:
    everything = metrics(
        "dns drop flow flows-to-world:port icmp kafka policy port-distribution tcp"
        " httpV2:exemplars=true"
    )
    events: list[Event] = [packet(), drop(), call()]
    everything.take(joined(events))

    text = render_text(tuple(everything.families()), process="p", accept=accept).body.decode()

    assert 'hubble_tcp_flags_total{flag="SYN",family="IPv4"} 1.0\n' in text.replace(
        'family="IPv4",flag="SYN"', 'flag="SYN",family="IPv4"'
    )
