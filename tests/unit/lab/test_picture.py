"""A lab's drawing: what is in it, in characters and as SVG."""

from xml.etree import ElementTree as ET

from ciliate.lab.picture import MachineBox, Picture, PodBox
from ciliate.lab.picture_svg import draw_svg
from ciliate.lab.picture_text import draw_text
from ciliate.lab.topology import Role

ETH0 = ("10.0.2.15",)


def place(*pods: PodBox) -> Picture:
    return Picture(
        "lab",
        ("203.0.113.10",),
        ("10.0.2.2",),
        (
            MachineBox("router", Role.ROUTER, ETH0, ("192.168.10.200",), ("10.10.1.0/24",)),
            MachineBox(
                "k8s-ctr", Role.CONTROL_PLANE, ETH0, ("192.168.10.100",), ("10.244.0.0/24",), pods
            ),
            MachineBox("k8s-w1", Role.WORKER, ETH0, ("192.168.10.101",)),
        ),
    )


def svg_texts(picture: Picture) -> list[str]:
    root = ET.fromstring(draw_svg(picture))
    return [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_text_has_machines_between_internet_and_switch() -> None:
    pods = (PodBox("default/a", ("10.244.0.7",), "Running"), PodBox("default/b", (), "Pending"))

    assert draw_text(place(*pods)).splitlines() == [
        "internet 203.0.113.10",
        " │ 10.0.2.2",
        " ├─ eth0 10.0.2.15  router  eth1 192.168.10.200 ──┐  switch",
        " │    behind it 10.10.1.0/24                      │",
        " ├─ eth0 10.0.2.15  k8s-ctr  eth1 192.168.10.100 ─┤",
        " │    pods 10.244.0.0/24                          │",
        " │    • default/a  10.244.0.7                     │",
        " │    • default/b  - (Pending)                    │",
        " └─ eth0 10.0.2.15  k8s-w1  eth1 192.168.10.101 ──┘",
    ]


def test_many_pods_are_counted_in_both_forms() -> None:
    picture = place(*(PodBox(f"default/p{i}", ("10.244.0.9",), "Running") for i in range(40)))

    assert "… and 28 more pods" in draw_text(picture)
    assert "and 28 more pods" in svg_texts(picture)


def test_svg_is_well_formed_and_says_what_the_text_says() -> None:
    texts = svg_texts(place(PodBox("default/a<b>&c", ("10.244.0.7",), "Running")))

    assert {"router", "k8s-ctr", "k8s-w1", "a<b>&c", "10.244.0.7  default"} <= set(texts)
