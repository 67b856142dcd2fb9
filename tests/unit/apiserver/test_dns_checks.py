"""`apiserver/dns_checks.py`: a pod's dnsConfig is taken and refused as by kube-apiserver."""

from typing import Any

import pytest

from ciliate.apiserver.dns_checks import dns_causes

Json = dict[str, Any]


def problems(spec: Json) -> list[tuple[str, str]]:
    return [(cause.field, cause.message) for cause in dns_causes(spec, "spec")]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"dnsPolicy": "ClusterFirst"},
        {"dnsPolicy": "Default", "dnsConfig": {}},
        {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1", "fd00::1", "9.9.9.9"]}},
        {"dnsConfig": {"searches": [".", "example.org.", "_tcp.example.org", "a_b.example"]}},
        {"dnsConfig": {"options": [{"name": "edns0"}, {"name": "ndots", "value": "2"}]}},
        {"dnsConfig": {"searches": [f"s{n}.example" for n in range(32)]}},
    ],
)
def test_what_a_resolver_can_read_is_taken(spec: Json) -> None:
    assert problems(spec) == []


NO_CONFIG = "Required value: must provide `dnsConfig` when `dnsPolicy` is None"
NO_SERVER = "Required value: must provide at least one DNS nameserver when `dnsPolicy` is None"


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({"dnsPolicy": "None"}, "spec.dnsConfig", NO_CONFIG),
        ({"dnsPolicy": "None", "dnsConfig": {}}, "spec.dnsConfig.nameservers", NO_SERVER),
        (
            {"dnsConfig": {"nameservers": [f"10.0.0.{n}" for n in range(4)]}},
            "spec.dnsConfig.nameservers",
            '["10.0.0.0","10.0.0.1","10.0.0.2","10.0.0.3"]: must not have more than 3 nameservers',
        ),
        (
            {"dnsConfig": {"nameservers": ["10.0.0.1", "dns.example"]}},
            "spec.dnsConfig.nameservers[1]",
            'Invalid value: "dns.example": must be a valid IP address, (e.g. 10.9.8.7 or ',
        ),
        (
            {"dnsConfig": {"searches": [f"s{n}.example" for n in range(33)]}},
            "spec.dnsConfig.searches",
            "must not have more than 32 search paths",
        ),
        (
            {"dnsConfig": {"searches": [f"{n:02}" + "a" * 200 for n in range(11)]}},
            "spec.dnsConfig.searches",
            "must not have more than 2048 characters (including spaces) in the search list",
        ),
        (
            {"dnsConfig": {"searches": ["Example.org"]}},
            "spec.dnsConfig.searches[0]",
            "and must start and end with an alphanumeric character",
        ),
        (
            {"dnsConfig": {"searches": ["a" * 254]}},
            "spec.dnsConfig.searches[0]",
            "must be no more than 253 characters",
        ),
        ({"dnsConfig": {"searches": [""]}}, "spec.dnsConfig.searches[0]", 'Invalid value: ""'),
        (
            {"dnsConfig": {"options": [{"value": "2"}]}},
            "spec.dnsConfig.options[0]",
            "Required value: must not be empty",
        ),
    ],
)
def test_what_no_resolver_reads_is_refused(spec: Json, field: str, message: str) -> None:
    ((at, said),) = problems(spec)

    assert at == field
    assert message in said
