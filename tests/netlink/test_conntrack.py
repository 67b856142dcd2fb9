"""The stack's table of connections: read, and single ones ended."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from tests.netlink.kernel import ip, namespaces, run

from ciliate.netlink.conntrack import TrackedFlow, end_flows, tracked_flows
from ciliate.netlink.namespace import inside, open_namespace, open_own_namespace

_RULES = """
table inet test {
    chain out { type nat hook postrouting priority 100; ct state new ip daddr 127.0.0.9 snat ip to 127.0.0.77; }
}
"""


@contextmanager
def entered(netns: str) -> Iterator[None]:
    """Have this thread in the namespace at path `netns`."""
    home, there = open_own_namespace(), open_namespace(netns)
    try:
        with inside(there, home=home, subject=netns):
            yield
    finally:
        os.close(home)
        os.close(there)


def _flows() -> dict[tuple[str, int, int], TrackedFlow]:
    return {(str(e.destination), e.protocol, e.port): e for e in tracked_flows()}


def test_flows_are_listed_with_what_the_other_end_sees_and_end_one_by_one() -> None:
    with namespaces(1) as (netns,):
        ip(netns, "link", "set", "lo", "up")
        run("nsenter", f"--net={netns}", "sh", "-c", f"echo '{_RULES}' | nft -f -")
        with entered(netns):
            for host, family in (("127.0.0.9", socket.AF_INET), ("::1", socket.AF_INET6)):
                with socket.socket(family, socket.SOCK_DGRAM) as sender:
                    sender.sendto(b"x", (host, 5353))
            found = _flows()

            translated = found["127.0.0.9", socket.IPPROTO_UDP, 5353]
            plain = found["::1", socket.IPPROTO_UDP, 5353]
            assert translated.seen == ip_address("127.0.0.77")
            assert (plain.source, plain.seen) == (ip_address("::1"), ip_address("::1"))
            assert end_flows([translated]) == 1
            assert ("127.0.0.9", socket.IPPROTO_UDP, 5353) not in _flows()
            assert ("::1", socket.IPPROTO_UDP, 5353) in _flows()
            assert end_flows([translated, plain]) == 1
