"""The keys of LB IPAM."""

from ciliate.load_balancer_ipam.settings import (
    LoadBalancerIPAMSettings,
    parse_load_balancer_ipam_settings,
)


def test_services_without_a_class_are_ours_only_by_default() -> None:
    texts = {"enable-lb-ipam": "true", "default-lb-service-ipam": "lbipam"}

    assert parse_load_balancer_ipam_settings(texts, (4, 6)) == LoadBalancerIPAMSettings(
        enabled=True, takes_classless=True, versions=(4, 6)
    )
    none = {"enable-lb-ipam": "false", "default-lb-service-ipam": "none"}
    assert parse_load_balancer_ipam_settings(none, (6,)) == LoadBalancerIPAMSettings(
        enabled=False, takes_classless=False, versions=(6,)
    )
