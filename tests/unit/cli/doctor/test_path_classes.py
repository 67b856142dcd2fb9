"""`cli/doctor/path_classes.py`: targets that are reached alike."""

from ipaddress import ip_address

from ciliate.cli.doctor.path_classes import LocalRoute, one_of_each


def route(last: int, *, gateway: str = "", mtu: int = 1500, problem: str = "") -> LocalRoute:
    target = ip_address(f"192.0.2.{last}")
    return LocalRoute(target, device="eth0", mtu=mtu, gateway=gateway, problem=problem)


def test_one_target_of_each_class_that_none_was_met_of() -> None:
    met = [route(1)]
    others = [
        route(2),
        route(3, gateway="192.0.2.254"),
        route(4, gateway="192.0.2.254"),
        route(5, mtu=1400),
        route(6, mtu=1300, problem="no route"),
    ]

    assert one_of_each(met, others) == [others[1], others[3]]
