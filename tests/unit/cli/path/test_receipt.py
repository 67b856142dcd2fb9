"""What a node does with packets that arrive for its pods."""

from tests.unit.cli.path import fake_tables as fake
from tests.unit.cli.path.fake_tables import FakeTables, with_tunnel

from ciliate.cli.path.receipt import receive
from ciliate.datapath.layout import EndpointFlag


def test_pod_gets_what_arrives_at_its_end_of_the_veth() -> None:
    found = receive(FakeTables().as_tables, fake.FAR_IP, fake.POD_IP)

    assert [step.at for step in found.steps] == ["endpoints", "lxc7"]
    assert (found.devices, found.tunnel, found.problem) == (("eth1",), "", "")


def test_tunnel_is_told_with_its_ends_and_is_no_uplink() -> None:
    tables = with_tunnel()
    tables.programmed = frozenset({"eth1", "cilium_vxlan", "cilium_host"})

    found = receive(tables.as_tables, fake.FAR_IP, fake.POD_IP)

    assert (found.tunnel, found.tunnel_device) == ("vxlan:8472", "cilium_vxlan")
    assert (found.tunnel_ends, found.devices) == (("192.168.10.100",), ("eth1",))


def test_address_of_nobody_is_a_problem() -> None:
    tables = FakeTables()
    del tables.endpoints[fake.POD_IP]

    found = receive(tables.as_tables, fake.FAR_IP, fake.POD_IP)

    assert found.problem == "no pod of this node has 10.244.0.7"


def test_nodes_own_address_is_no_problem() -> None:
    found = receive(FakeTables().as_tables, fake.FAR_IP, fake.NODE_IP)

    assert found.problem == ""
    assert "own address" in found.steps[0].says


def test_interface_that_is_gone_or_down_is_a_problem() -> None:
    gone, down = FakeTables(), FakeTables()
    del gone.links[fake.POD]
    down.links[fake.POD] = fake.link(fake.POD, "lxc7", up=False)

    assert "is gone" in receive(gone.as_tables, fake.FAR_IP, fake.POD_IP).problem
    assert receive(down.as_tables, fake.FAR_IP, fake.POD_IP).problem == "lxc7 is down"


def test_pod_that_the_stack_serves_is_told_so() -> None:
    tables = FakeTables()
    flags = EndpointFlag.ENDPOINT_STACK_ROUTED
    tables.endpoints[fake.POD_IP] = fake.pod_endpoint(fake.POD, flags=flags)

    assert "to_pod" in receive(tables.as_tables, fake.FAR_IP, fake.POD_IP).steps[-1].says


def test_any_pod_of_the_node_has_no_steps_of_its_own() -> None:
    assert receive(with_tunnel().as_tables, fake.FAR_IP, None).steps == ()
