"""The control plane's flags: what is shown is what the processes read."""

from ciliate.lab.control_plane_flags import apiserver_flags, controller_flags, values_of


def test_what_is_written_is_read_in_both_families() -> None:
    assert values_of(controller_flags(dual_stack=False), "cluster-cidr") == ("10.244.0.0/16",)
    assert values_of(controller_flags(dual_stack=True), "cluster-cidr") == (
        "10.244.0.0/16",
        "fd00:10:244::/56",
    )
    assert values_of(apiserver_flags(dual_stack=True), "service-cluster-ip-range") == (
        "10.96.0.0/16",
        "fd00:10:96::/112",
    )


def test_flag_that_is_not_given_has_no_values() -> None:
    assert values_of(["--cluster-cidrs=1"], "cluster-cidr") == ()
