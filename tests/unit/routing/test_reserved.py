"""src/ciliate/routing/reserved.py: what no route to pods may cover."""

from ipaddress import ip_network

import pytest

from ciliate.routing.reserved import Reserved


@pytest.mark.parametrize(
    "claim", ["10.96.0.0/12", "10.96.0.10/32", "10.100.0.0/16", "fd00:96::/112", "fd00:96::a/128"]
)
def test_a_claim_into_the_services_range_is_no_nodes(claim: str) -> None:
    reserved = Reserved()
    assert reserved.why_not(ip_network(claim)) == ""

    reserved.note_services(map(ip_network, ("10.96.0.0/12", "fd00:96::/108")))

    assert "the Services' range" in reserved.why_not(ip_network(claim))
    assert reserved.why_not(ip_network("10.244.1.0/24")) == ""


def test_a_range_that_services_gave_up_is_free_for_claims() -> None:
    reserved, claim = Reserved(), ip_network("10.96.3.0/24")
    reserved.note_services([ip_network("10.96.0.0/12")])
    reserved.note_services([ip_network("10.112.0.0/12")])

    assert reserved.why_not(claim) == ""
