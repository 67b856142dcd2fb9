"""Services and EndpointSlices that ask for what cannot be: a clear answer, and nothing else breaks."""

from collections.abc import Iterator

import pytest
from tests.lab.cluster import eventually
from tests.lab.faulty_node import FaultyNode
from tests.lab.services.rig import (
    CTR,
    NODE,
    PORT,
    Rig,
    call,
    fault_rig,
    put_slice,
    service,
    slice_of,
    through_api,
)
from tests.lab.services.written import wait_written

#: An address of a load balancer, which the router finds by the client's node.
EXTERNAL = "198.51.100.9"


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with fault_rig("badsvc") as found:
        FaultyNode(found.lab, "router").run("ip", "route", "add", EXTERNAL, "via", NODE[0])
        yield found


def test_of_two_services_at_one_address_and_port_the_elder_answers_until_it_goes(rig: Rig) -> None:
    at = call(EXTERNAL, 80)
    with rig.undisturbed():
        rig.apply(service("claim-a", {"app": "one"}, externalIPs=[EXTERNAL]))
        eventually(lambda: rig.ask("router", at).server == "one", what="the first")
        rig.apply(service("claim-b", {"app": "two"}, externalIPs=[EXTERNAL]))
        contested = [rig.ask("router", at).server for _ in range(8)]

        rig.delete("claim-a")

        eventually(lambda: rig.ask("router", at).server == "two", what="the other")
    rig.delete("claim-b")
    assert contested == ["one"] * 8


def test_cluster_ip_outside_the_range_is_refused_with_the_range(rig: Rig) -> None:
    asked = service("stray", {"app": "one"}, clusterIP="10.97.0.1", ipFamilyPolicy="SingleStack")

    with pytest.raises(AssertionError, match=r"10\.97\.0\.1.*10\.96\.0\.0/16"):
        rig.apply(asked)


_LISTENER = """
import socket, sys
s = socket.create_server(("", int(sys.argv[1])))
print("listening", flush=True)
while True:
    s.accept()[0].sendall(b'["process", "", 0]')
"""


def test_node_port_that_a_process_has_serves_the_service_and_then_the_process_again(
    rig: Rig,
) -> None:
    at, node = call(NODE[0], 31910), FaultyNode(rig.lab, CTR)
    taken = service("taken", {"app": "one"}, type="NodePort")
    taken["spec"]["ports"][0]["nodePort"] = 31910
    with (
        rig.undisturbed(),
        rig.lab.background(CTR, "python3", "-c", _LISTENER, "31910") as listener,
    ):
        assert listener.stdout is not None
        assert listener.stdout.readline() == "listening\n"
        assert rig.ask("router", at).server == "process"

        rig.apply(taken)

        assert rig.ask("router", at).server == "one"
        assert rig.ask("client", at).server == "one"
        again = node.run("python3", "-c", _LISTENER, "31910", check=False)
        rig.delete("taken")
        eventually(lambda: rig.ask("router", at).server == "process", what="the process")
        listener.kill()
    assert "Address already in use" in again.stderr


@pytest.mark.parametrize(
    ("version", "address"),
    [(4, "fd00::7"), (6, "10.1.2.3"), (4, "127.0.0.1"), (6, "::1"), (4, "169.254.1.1")],
)
def test_endpoint_that_packets_cannot_be_sent_to_is_refused_by_name(
    rig: Rig, version: int, address: str
) -> None:
    with pytest.raises(AssertionError, match=rf"addresses\[0\].*{address}"):
        rig.apply(slice_of("odd", [address], version=version))


def test_endpoint_named_twice_and_one_of_a_node_are_each_one_endpoint(rig: Rig) -> None:
    one = rig.pod_ips("one")[0]
    twice = slice_of("twice", [one, "192.168.10.200", one])
    with rig.undisturbed():
        rig.apply(service("twice", None), twice)  # The maps have each once: `wait_written`.

        at = call(rig.cluster_ips("twice")[0], 80)
        answers = {rig.ask("client", at).server for _ in range(24)}
    rig.delete("twice")
    assert answers == {"one", "router"}


def test_slice_of_a_thousand_endpoints_is_served_whole(rig: Rig) -> None:
    many = [f"10.244.{200 + number // 250}.{number % 250 + 1}" for number in range(999)]
    with rig.undisturbed():
        rig.apply(service("large", None), slice_of("large", [*many, rig.pod_ips("one")[0]]))

        through_api(
            rig.lab,
            lambda client: put_slice(client, slice_of("large", [rig.pod_ips("one")[0]])),
        )
        wait_written(rig.lab)
        answer = rig.ask("client", call(rig.cluster_ips("large")[0], 80))
    rig.delete("large")
    assert answer.server == "one"


def test_service_made_again_with_another_type_port_and_family_is_the_new_one_alone(
    rig: Rig,
) -> None:
    former = service("again", {"app": "one"}, type="NodePort")
    former["spec"]["ports"][0]["nodePort"] = 31911
    latter = service("again", {"app": "two"}, ipFamilies=["IPv6"], ipFamilyPolicy="SingleStack")
    latter["spec"]["ports"] = [{"port": 81, "targetPort": PORT}]
    with rig.undisturbed():
        rig.apply(former)
        addresses = rig.cluster_ips("again")
        assert rig.ask("router", call(NODE[0], 31911)).server == "one"

        rig.delete("again")
        rig.apply(latter)

        (address,) = rig.cluster_ips("again")
        answers = rig.ask_each(
            "client", [call(address, 81), call(address, 80), call(addresses[0], 80)]
        )
        outside = rig.ask("router", call(NODE[0], 31911))
    rig.delete("again")
    assert answers[0].server == "two"
    assert answers[1].failed == "refused"
    assert not answers[2].server
    assert outside.failed == "refused"
