"""`cli/doctor/assumed_sizes.py`: sizes that do not fit together, without a packet."""

from tests.unit.cli.doctor.fake_path import path_report

from ciliate.cli.doctor.assumed_sizes import check_sizes
from ciliate.cli.doctor.model import Finding, FindingKind, PathReport, Severity


def seen(**mtus: int) -> dict[tuple[str, str, int], PathReport]:
    return {(node, "x", 4): path_report(mtu=mtu) for node, mtu in mtus.items()}


def test_equal_sizes_are_no_finding() -> None:
    assert check_sizes(seen(a=1500, b=1500), {"a": 1500, "b": 1500}) == []


def test_node_with_another_mtu_than_most_is_named() -> None:
    (found,) = check_sizes(seen(a=1500, b=9000, c=1500), {"a": 1500, "b": 9000, "c": 1500})

    assert found == Finding(
        kind=FindingKind.UNEQUAL_MTU,
        severity=Severity.WARNING,
        says="nodes have devices of unequal MTU: b (eth1: 9000), the others 1500",
        remedy="`ip link set DEVICE mtu 1500` there, where one link has all of them",
        nodes=("b",),
        assumed=1500,
    )


def test_what_most_have_is_usual_even_where_it_is_the_larger() -> None:
    (found,) = check_sizes(seen(a=9000, b=1500, c=9000), {})

    assert (found.nodes, found.assumed) == (("b",), 9000)


def test_of_two_paths_of_a_node_the_larger_is_compared() -> None:
    both = {("a", "x", 4): path_report(mtu=1500), ("a", "y", 4): path_report(mtu=1400)}

    assert check_sizes({**both, **seen(b=1500)}, {"a": 1500, "b": 1500}) == []
    assert check_sizes({**both, **seen(b=1400)}, {})[0].kind is FindingKind.UNEQUAL_MTU


def test_pods_of_one_node_with_another_mtu_are_named() -> None:
    (found,) = check_sizes(seen(a=1500, b=1500), {"a": 1500, "b": 1400, "c": 0})

    assert (found.kind, found.nodes) == (FindingKind.UNEQUAL_POD_MTU, ("a",))


def test_pods_that_send_more_than_the_device_carries_are_named_with_the_tunnel_counted() -> None:
    mtus = {"a": 1450, "b": 1450}

    assert check_sizes(seen(a=1500, b=1500), mtus, overhead_bytes=50) == []
    (found,) = check_sizes(seen(a=1500, b=1500), mtus, overhead_bytes=70)
    assert (found.kind, found.nodes) == (FindingKind.POD_MTU_TOO_LARGE, ("a", "b"))
    assert found.says.startswith(
        "pods of a and b send up to 1450 bytes and a tunnel adds 70, but eth1 carries 1500: "
    )
    (native,) = check_sizes(seen(a=1400, b=1400), mtus)
    assert native.says.startswith("pods of a and b send up to 1450 bytes, but eth1 carries 1400: ")
    assert "--set MTU=1400" in native.remedy


def test_pods_of_a_node_whose_path_nobody_knows_are_no_finding() -> None:
    assert check_sizes(seen(a=1500), {"a": 1500, "b": 1500}) == []


def test_size_that_no_device_carries_was_not_sent() -> None:
    (found,) = check_sizes(seen(a=1500, b=1500), {}, size=9000)

    assert found == Finding(
        kind=FindingKind.SIZE_NOT_SENT,
        severity=Severity.WARNING,
        says="9000 bytes were asked for, but routes of a and b carry 1500: no more was sent",
        remedy="give --size 1500 or less, or a larger MTU to their devices",
        nodes=("a", "b"),
        assumed=9000,
        passes=1500,
    )
