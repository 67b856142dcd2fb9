"""`cli/doctor/assumed_sizes.py`: sizes that do not fit together, without a packet."""

from tests.unit.cli.doctor.fake_path import path_report

from ciliate.cli.doctor.assumed_sizes import check_sizes
from ciliate.cli.doctor.model import FindingKind, PathReport


def seen(**mtus: int) -> dict[tuple[str, str, int], PathReport]:
    return {(node, "x", 4): path_report(mtu=mtu) for node, mtu in mtus.items()}


def test_equal_sizes_are_no_finding() -> None:
    assert check_sizes(seen(a=1500, b=1500), {"a": 1500, "b": 1500}) == []


def test_node_with_another_mtu_than_most_is_named() -> None:
    (found,) = check_sizes(seen(a=1500, b=9000, c=1500), {"a": 1500, "b": 9000, "c": 1500})

    assert (found.kind, found.nodes, found.assumed) == (FindingKind.UNEQUAL_MTU, ("b",), 1500)
    assert "b (eth1: 9000)" in found.says


def test_pods_of_one_node_with_another_mtu_are_named() -> None:
    (found,) = check_sizes(seen(a=1500, b=1500), {"a": 1500, "b": 1400, "c": 0})

    assert (found.kind, found.nodes) == (FindingKind.UNEQUAL_POD_MTU, ("a",))


def test_pods_that_send_more_than_the_device_carries_are_named_with_the_tunnel_counted() -> None:
    mtus = {"a": 1450, "b": 1450}

    assert check_sizes(seen(a=1500, b=1500), mtus, overhead_bytes=50) == []
    (found,) = check_sizes(seen(a=1500, b=1500), mtus, overhead_bytes=70)
    assert (found.kind, found.nodes) == (FindingKind.POD_MTU_TOO_LARGE, ("a", "b"))
    assert "a tunnel adds 70" in found.says


def test_size_that_no_device_carries_was_not_sent() -> None:
    (found,) = check_sizes(seen(a=1500, b=1500), {}, size=9000)

    assert (found.kind, found.passes) == (FindingKind.SIZE_NOT_SENT, 1500)
